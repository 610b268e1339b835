/** The one minter of access tokens: a JWT by RFC 9068, signed ES256 by the issuer's active key. */

import { type Clock, nowSeconds } from '../base/clock.ts'
import { newId } from '../base/id.ts'
import type { Random } from '../base/random.ts'
import type { McpCallDetail } from '../delegation/intent.ts'
import type { DelegationId } from '../delegation/delegation.ts'
import { signJws } from '../keys/jws.ts'
import type { Keyring } from '../keys/keyring.ts'
import type { PersonId } from '../people/person.ts'
import { ACCESS_TOKEN_TYPE, type AccessTokenClaims, MAX_LIFETIME_SECONDS } from './access-token.ts'
import { nestAct } from './act-chain.ts'

/** What a token is to say. */
export interface Grant {
  readonly person: PersonId
  readonly delegation: DelegationId
  /** SPIFFE IDs, the agent that acts now first; it is the client. */
  readonly agents: readonly [string, ...string[]]
  readonly resource: string
  readonly details: readonly McpCallDetail[]
  readonly scope: string
  /** The thumbprint of the client's key (RFC 9449 §6.1). */
  readonly jkt: string
  /** When and how the person was authenticated (RFC 9470). Seconds. */
  readonly authTime: number
  readonly acr: string
  /** Instants in seconds that the token must not outlive: of the delegation, of the SVID. */
  readonly notAfter: readonly number[]
}

/** A signed token and what it says. */
export interface MintedToken {
  readonly token: string
  readonly claims: AccessTokenClaims
}

/** Signs a token. INVARIANT (no standing secrets): it lives for five minutes, or less. */
export function mint(
  grant: Grant,
  env: {
    readonly keyring: Keyring
    readonly clock: Clock
    readonly random: Random
    readonly issuer: string
  },
): MintedToken {
  const now = nowSeconds(env.clock)
  const claims = {
    iss: env.issuer,
    sub: grant.person,
    aud: grant.resource,
    exp: Math.min(now + MAX_LIFETIME_SECONDS, ...grant.notAfter),
    iat: now,
    jti: newId('tok', env),
    client_id: grant.agents[0],
    scope: grant.scope,
    act: nestAct(grant.agents),
    authorization_details: [...grant.details],
    cnf: { jkt: grant.jkt },
    auth_time: grant.authTime,
    acr: grant.acr,
    grant_id: grant.delegation,
  } satisfies AccessTokenClaims
  const key = env.keyring.active('issuer')
  return { token: signJws(key, { typ: ACCESS_TOKEN_TYPE }, claims), claims }
}
