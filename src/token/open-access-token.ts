/** Opens an access token of ours: type, algorithm, signature, issuer, claims. Nothing else is checked. */

import { ok, refuse, type Result } from '../base/result.ts'
import { verifyJws } from '../keys/jws.ts'
import type { Keyring } from '../keys/keyring.ts'
import {
  ACCESS_TOKEN_TYPE,
  type AccessTokenClaims,
  accessTokenSchema,
  MAX_TOKEN_BYTES,
} from './access-token.ts'

/** The claims of a token that we signed, and the key's `kid`. */
export interface OpenedToken {
  readonly claims: AccessTokenClaims
  readonly kid: string
}

/** The token's claims; expiry, audience, revocation and the holder's key are the caller's to check. */
export function openAccessToken(
  token: string,
  env: { readonly keyring: Keyring; readonly issuer: string },
): Result<OpenedToken, { readonly reason: 'token_invalid' }> {
  const find = (kid: string) => env.keyring.find('issuer', kid)?.publicKey
  const opened = verifyJws(token, find, { typ: ACCESS_TOKEN_TYPE, maxBytes: MAX_TOKEN_BYTES })
  if (!opened.ok) return refuse({ reason: 'token_invalid' })
  const claims = accessTokenSchema.safeParse(opened.value.payload)
  // RFC 9068 §4: `iss` must be the issuer, exactly.
  if (!claims.success || claims.data.iss !== env.issuer) return refuse({ reason: 'token_invalid' })
  return ok({ claims: claims.data, kid: opened.value.kid })
}
