/**
 * Who sends a request to a resource of ours: access token and proof, on every call.
 *
 * Call `authenticateToken`. A token's signature is checked once and remembered by the token's hash;
 * expiry, audience, revocation, the issuer's key and the DPoP proof are checked every time. Whether the
 * delegation still stands is for the transaction that admits the call.
 *
 * @see RFC 9449 §7, RFC 9068 §4
 */

import * as z from 'zod'
import { base64url, sha256 } from '../base/bytes.ts'
import { type Clock, nowSeconds } from '../base/clock.ts'
import { ok, refuse, type Result } from '../base/result.ts'
import type { DelegationId } from '../delegation/delegation.ts'
import { idSchema } from '../base/id.ts'
import { detailsSchema, type McpCallDetail } from '../delegation/intent.ts'
import { type AgentId, agentNamedBy } from '../identity/agent.ts'
import { parseSpiffeId, type SpiffeId, type TrustDomain } from '../identity/spiffe-id.ts'
import type { Keyring } from '../keys/keyring.ts'
import type { PersonId } from '../people/person.ts'
import type { AccessTokenClaims } from './access-token.ts'
import { actChain } from './act-chain.ts'
import { type ChallengeError, challenges } from './challenge.ts'
import { type ProofEnv, type ProofRefusal, verifyDpopProof } from './dpop.ts'
import { openAccessToken } from './open-access-token.ts'
import type { Recent } from './recent.ts'
import type { RefusalCounts } from './refusal-counts.ts'
import type { RevokedTokens } from './revoked-tokens.ts'

/** An HTTP request to a resource. A token is only taken from the header, never from URL or body. */
export interface TokenRequest {
  readonly authorization?: string | undefined
  readonly dpop?: string | undefined
  readonly method: string
  /** As the client sees it. */
  readonly url: string
  /** The resource that is asked; the token's `aud` must equal it. */
  readonly audience: string
}

/** Who calls, for whom, under what authority. */
export interface Caller {
  readonly delegation: DelegationId
  readonly person: PersonId
  /** The act chain, the agent that acts now first. */
  readonly agents: readonly AgentId[]
  readonly spiffeIds: readonly SpiffeId[]
  readonly clientId: string
  readonly boundBy: 'dpop' | 'mtls' | 'none'
  readonly acr: string
  /** Seconds. */
  readonly authTime: number
  readonly details: readonly McpCallDetail[]
  /** Seconds. */
  readonly expiresAt: number
  readonly jti: string
  readonly audience: string
}

/** Why a request is not authenticated. `reason` is for us; the rest is the answer. */
export interface Unauthenticated {
  readonly reason:
    | 'no_token'
    | 'token_invalid'
    | 'token_expired'
    | 'token_revoked'
    | 'wrong_audience'
    | 'wrong_scheme'
    | 'proof_missing'
    | ProofRefusal['reason']
  readonly status: 401 | 503
  /** The values of `WWW-Authenticate`. */
  readonly wwwAuthenticate: readonly string[]
  /** The nonce to prove with, where one is wanted (RFC 9449 §9). */
  readonly dpopNonce?: string
}

/** A token whose signature holds. */
export interface KnownToken {
  readonly caller: Caller
  /** The issuer's key. */
  readonly kid: string
  /** The holder's key. */
  readonly jkt: string | undefined
}

/** What authenticating needs. */
export interface AuthenticateEnv extends ProofEnv {
  readonly clock: Clock
  readonly keyring: Keyring
  readonly issuer: string
  readonly trustDomain: TrustDomain
  readonly knownTokens: Recent<KnownToken>
  readonly revokedTokens: RevokedTokens
  readonly refusalCounts: RefusalCounts
}

type Reason = Unauthenticated['reason']

const CREDENTIALS = /^(?<scheme>DPoP|Bearer) +(?<token>[A-Za-z0-9_.-]+)$/i

/** The headers of the answer to whoever is not authenticated. */
export function challengeHeaders({
  wwwAuthenticate,
  dpopNonce,
}: Unauthenticated): Readonly<Record<string, string | readonly string[]>> {
  return {
    'www-authenticate': wwwAuthenticate,
    ...(dpopNonce !== undefined && { 'dpop-nonce': dpopNonce }),
  }
}

/** The caller, or the challenge to answer with. */
export async function authenticateToken(
  request: TokenRequest,
  env: AuthenticateEnv,
): Promise<Result<Caller, Unauthenticated>> {
  const caller = await callerOf(request, env)
  if (caller.ok) return caller
  const { reason } = caller.error
  env.refusalCounts.count(reason)
  const status = reason === 'proofs_exhausted' ? 503 : 401
  const wwwAuthenticate = challenges(request.audience, codeOf(reason))
  const dpopNonce = reason === 'proof_nonce_wanted' ? env.proofNonces?.current() : undefined
  return refuse({ reason, status, wwwAuthenticate, ...(dpopNonce !== undefined && { dpopNonce }) })
}

async function callerOf(
  request: TokenRequest,
  env: AuthenticateEnv,
): Promise<Result<Caller, { readonly reason: Reason }>> {
  const { scheme, token } = CREDENTIALS.exec(request.authorization ?? '')?.groups ?? {}
  if (scheme === undefined || token === undefined) return refuse({ reason: 'no_token' })

  const ath = base64url(sha256(token))
  const known = knownToken(token, ath, env)
  if (known === undefined) return refuse({ reason: 'token_invalid' })
  const { caller, jkt } = known
  // RFC 7519 §4.1.4: not on or after; our own clocks get no tolerance.
  if (nowSeconds(env.clock) >= caller.expiresAt) return refuse({ reason: 'token_expired' })
  // RFC 9068 §4: a token for another resource is refused, so none can be passed through us.
  if (caller.audience !== request.audience) return refuse({ reason: 'wrong_audience' })
  if (env.revokedTokens.has(caller.jti)) return refuse({ reason: 'token_revoked' })

  // RFC 9449 §7.2: a bound token must not be accepted by the scheme that proves nothing.
  const isDpop = scheme.toLowerCase() === 'dpop'
  if (isDpop !== (jkt !== undefined)) return refuse({ reason: 'wrong_scheme' })
  if (jkt === undefined) return ok(caller)
  if (request.dpop === undefined) return refuse({ reason: 'proof_missing' })
  const expect = { htm: request.method, htu: request.url, ath, jkt }
  const proof = await verifyDpopProof(request.dpop, expect, env)
  return proof.ok ? ok(caller) : proof
}

/** The token from memory, or as opened now; undefined if it is not of a key that we publish. */
function knownToken(token: string, hash: string, env: AuthenticateEnv): KnownToken | undefined {
  const remembered = env.knownTokens.get(hash)
  if (remembered !== undefined) {
    // A key that was withdrawn takes its tokens with it.
    const stands = env.keyring.find('issuer', remembered.kid) !== undefined
    if (!stands) env.knownTokens.delete(hash)
    return stands ? remembered : undefined
  }
  const opened = openAccessToken(token, env)
  if (!opened.ok) return undefined
  const { claims, kid } = opened.value
  const caller = callerFrom(claims, env)
  if (caller === undefined) return undefined
  const jkt = claims.cnf !== undefined && 'jkt' in claims.cnf ? claims.cnf.jkt : undefined
  const known = { caller, kid, jkt }
  env.knownTokens.put(hash, known)
  return known
}

const delegationId = idSchema('dlg')
const personId = idSchema('per')
const noDetails = z.tuple([])

function callerFrom(claims: AccessTokenClaims, env: AuthenticateEnv): Caller | undefined {
  const delegation = delegationId.safeParse(claims.grant_id)
  const person = personId.safeParse(claims.sub)
  // A token for the administration API carries no authority over servers.
  const details = detailsSchema.or(noDetails).safeParse(claims.authorization_details)
  const chain = actChain(claims.act)
  const spiffeIds = chain.map(parseSpiffeId).flatMap((id) => (id.ok ? [id.value] : []))
  const agents = spiffeIds
    .map((id) => agentNamedBy(id, env.trustDomain))
    .flatMap((id) => (id.ok ? [id.value] : []))
  // A binding that is not checked here is no binding.
  const checkable = claims.cnf === undefined || 'jkt' in claims.cnf
  const whole = delegation.success && person.success && details.success && checkable
  if (!whole || chain.length === 0 || agents.length !== chain.length) return undefined
  return {
    delegation: delegation.data,
    person: person.data,
    agents,
    spiffeIds,
    clientId: claims.client_id,
    boundBy: claims.cnf === undefined ? 'none' : 'dpop',
    acr: claims.acr,
    authTime: claims.auth_time,
    details: details.data,
    expiresAt: claims.exp,
    jti: claims.jti,
    audience: claims.aud,
  }
}

/** The public code of a reason: the token, or the proof (RFC 9449 §7.1). */
function codeOf(reason: Reason): ChallengeError | undefined {
  if (reason === 'no_token') return undefined
  if (reason === 'proof_nonce_wanted') return 'use_dpop_nonce'
  return reason.startsWith('proof') ? 'invalid_dpop_proof' : 'invalid_token'
}
