/** DPoP proofs (RFC 9449): shows at each request that the token's holder is the one who asks. */

import { createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { base64url, sha256 } from '../base/bytes.ts'
import { type Clock, nowSeconds } from '../base/clock.ts'
import type { Random } from '../base/random.ts'

/** The key of an agent, and the proofs made with it. */
export interface DpopKey {
  /** JWK thumbprint (RFC 7638), as in `cnf.jkt`. */
  readonly jkt: string
  /** A proof for one request; with the token that is sent along, and the server's nonce (RFC 9449 §4.2). */
  prove(method: string, url: string, accessToken?: string, nonce?: string): string
}

/** Proofs by a new key, which never leaves this process. */
export function newDpopKey(env: { readonly clock: Clock; readonly random: Random }): DpopKey {
  return dpopKey(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey, env)
}

/** Proofs by a key on the curve P-256. */
export function dpopKey(
  privateKey: KeyObject,
  env: { readonly clock: Clock; readonly random: Random },
): DpopKey {
  const jwk = publicMembers(createPublicKey(privateKey))
  const header = base64url(JSON.stringify({ typ: 'dpop+jwt', alg: 'ES256', jwk }))
  return {
    jkt: base64url(sha256(JSON.stringify(jwk))),
    prove(method, url, accessToken, nonce) {
      const { origin, pathname } = new URL(url)
      const claims = {
        jti: base64url(env.random.bytes(16)),
        htm: method,
        htu: origin + pathname,
        iat: nowSeconds(env.clock),
        ...(accessToken !== undefined && { ath: base64url(sha256(accessToken)) }),
        ...(nonce !== undefined && { nonce }),
      }
      const input = `${header}.${base64url(JSON.stringify(claims))}`
      const signature = sign('sha256', Buffer.from(input), {
        key: privateKey,
        dsaEncoding: 'ieee-p1363',
      })
      return `${input}.${base64url(signature)}`
    },
  }
}

/** The members of RFC 7638 §3.2, in their order, so that the same text serves as header and thumbprint input. */
function publicMembers(key: KeyObject): { crv: string; kty: string; x: string; y: string } {
  const { crv = '', kty = '', x = '', y = '' } = key.export({ format: 'jwk' })
  return { crv, kty, x, y }
}
