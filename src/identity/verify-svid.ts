/**
 * Verifies SVIDs of this trust domain: `verifyJwtSvid` where an agent authenticates itself to us,
 * `validateJwtSvid` where another workload asks whose token it holds, `verifyX509Svid` for the
 * certificate of a TLS peer.
 *
 * A refusal names the first check that failed, for the record; what is told to the other side is the
 * caller's. SVIDs of other trust domains are refused: nothing here looks for a foreign bundle.
 *
 * @see JWT-SVID §4, X509-SVID §5
 */

import { verify } from 'node:crypto'
import * as z from 'zod'
import type { JsonObject } from '../base/canonical-json.ts'
import type { Clock } from '../base/clock.ts'
import { ok, refuse, type Result } from '../base/result.ts'
import { type JwsRefusal, verifyJws } from '../keys/jws.ts'
import type { Keyring } from '../keys/keyring.ts'
import type { Store } from '../store/store.ts'
import { type AgentId, agentNamedBy } from './agent.ts'
import { findAgent } from './agent-store.ts'
import { type AuthorityEnv, trustedRoots } from './authority.ts'
import { type Certificate, parseCertificate } from './parse-certificate.ts'
import { parseSpiffeId, type SpiffeId, type TrustDomain } from './spiffe-id.ts'
import { CLIENT_AUTH, SERVER_AUTH } from './x509-svid.ts'

/** What verifying needs. */
export interface VerifyEnv {
  readonly store: Store
  readonly clock: Clock
  readonly keyring: Keyring
  readonly trustDomain: TrustDomain
}

/** An agent that proved itself. */
export interface VerifiedSvid {
  readonly spiffeId: SpiffeId
  readonly agentId: AgentId
  /** Seconds since the epoch. */
  readonly expiresAt: number
}

/** A verified token with everything it says. */
export interface VerifiedJwtSvid extends VerifiedSvid {
  readonly claims: JsonObject
}

type AgentRefusal = {
  readonly reason:
    | 'bad_spiffe_id'
    | 'foreign_trust_domain'
    | 'not_an_agent'
    | 'unknown_agent'
    | 'agent_not_active'
}

/** Why a JWT-SVID was refused. */
export type JwtSvidRefusal =
  | JwsRefusal
  | AgentRefusal
  | { readonly reason: 'forbidden_header' | 'bad_claims' | 'wrong_audience' | 'expired' }

/** Why an X.509-SVID was refused. */
export type X509SvidRefusal =
  | AgentRefusal
  | {
      readonly reason:
        | 'malformed'
        | 'unknown_authority'
        | 'bad_signature'
        | 'not_yet_valid'
        | 'expired'
        | 'not_a_leaf'
        | 'wrong_usage'
    }

const HEADER_MEMBERS = ['alg', 'kid', 'typ']

const claimsSchema = z.looseObject({
  sub: z.string(),
  // RFC 7519 §4.1.3: one string, or a list of them.
  aud: z.union([z.string(), z.array(z.string()).min(1)]),
  exp: z.number(),
})

/** The agent that authenticates itself to `audience` by `token`, which must be meant for nobody else. */
export async function verifyJwtSvid(
  token: string,
  audience: string,
  env: VerifyEnv,
): Promise<Result<VerifiedJwtSvid, JwtSvidRefusal>> {
  const meantForUs = (aud: readonly string[]): boolean => aud.length === 1 && aud[0] === audience
  return await openJwtSvid(token, meantForUs, env)
}

/** The agent that `token` names, for a workload that is one of its audiences (Workload API §6.2.3). */
export async function validateJwtSvid(
  token: string,
  audience: string,
  env: VerifyEnv,
): Promise<Result<VerifiedJwtSvid, JwtSvidRefusal>> {
  return await openJwtSvid(token, (aud) => aud.includes(audience), env)
}

/** The agent behind a TLS peer's certificates, DER, the leaf first. */
export async function verifyX509Svid(
  chain: readonly Uint8Array[],
  env: VerifyEnv & AuthorityEnv,
): Promise<Result<VerifiedSvid, X509SvidRefusal>> {
  // Our roots sign leaves only, so a chain has nothing between; peers need not send the root.
  const [der, ...others] = chain
  const leaf = der === undefined || others.length > 0 ? undefined : parseCertificate(der)
  if (leaf === undefined) return refuse({ reason: 'malformed' })

  const trusted = await isSignedByRoot(leaf, env)
  if (!trusted.ok) return trusted
  const now = env.clock.nowMilliseconds()
  if (now < leaf.notBefore) return refuse({ reason: 'not_yet_valid' })
  if (now > leaf.notAfter) return refuse({ reason: 'expired' })
  const usable = isLeaf(leaf)
  if (!usable.ok) return usable

  // X509-SVID §2: exactly one URI; several MUST be rejected.
  const [uri, ...moreUris] = leaf.uris
  if (uri === undefined || moreUris.length > 0) return refuse({ reason: 'bad_spiffe_id' })
  const agent = await activeAgent(uri, env)
  if (!agent.ok) return agent
  return ok({ ...agent.value, expiresAt: Math.floor(leaf.notAfter / 1000) })
}

async function openJwtSvid(
  token: string,
  isMeantForUs: (audience: readonly string[]) => boolean,
  env: VerifyEnv,
): Promise<Result<VerifiedJwtSvid, JwtSvidRefusal>> {
  const find = (kid: string) => env.keyring.find('svid_jwt', kid)?.publicKey
  // JWT-SVID §2.3: `typ` is optional, and if set, one of these.
  const jws = verifyJws(token, find, { typ: ['JWT', 'JOSE', undefined] })
  if (!jws.ok) return jws
  // JWT-SVID §2: any other header MUST NOT be there.
  if (!Object.keys(jws.value.header).every((member) => HEADER_MEMBERS.includes(member))) {
    return refuse({ reason: 'forbidden_header' })
  }
  const claims = claimsSchema.safeParse(jws.value.payload)
  if (!claims.success) return refuse({ reason: 'bad_claims' })
  const { sub, aud, exp } = claims.data

  // RFC 7519 §4.1.4: not on or after; our own clocks get no tolerance.
  if (env.clock.nowMilliseconds() >= exp * 1000) return refuse({ reason: 'expired' })
  // JWT-SVID §3.2: a token that is not for the validator MUST be rejected.
  if (!isMeantForUs(typeof aud === 'string' ? [aud] : aud)) {
    return refuse({ reason: 'wrong_audience' })
  }
  const agent = await activeAgent(sub, env)
  if (!agent.ok) return agent
  return ok({ ...agent.value, expiresAt: Math.floor(exp), claims: jws.value.payload })
}

async function isSignedByRoot(
  leaf: Certificate,
  env: VerifyEnv & AuthorityEnv,
): Promise<Result<undefined, X509SvidRefusal>> {
  const { authorityKeyId, issuer } = leaf
  const root = (await trustedRoots(env)).find(
    ({ keyId, name }) => authorityKeyId?.equals(keyId) && issuer.equals(name),
  )
  if (root === undefined) return refuse({ reason: 'unknown_authority' })
  if (!verify('sha256', leaf.signedPart, root.publicKey, leaf.signature)) {
    return refuse({ reason: 'bad_signature' })
  }
  return env.clock.nowMilliseconds() <= root.notAfter ? ok() : refuse({ reason: 'expired' })
}

/** X509-SVID §5.2: what signs must not authenticate, whoever signed it. */
function isLeaf(
  certificate: Certificate,
): Result<undefined, { reason: 'not_a_leaf' | 'wrong_usage' }> {
  const { isAuthority, keyUsage, extendedKeyUsage } = certificate
  if (isAuthority || keyUsage?.keyCertSign || keyUsage?.cRLSign) {
    return refuse({ reason: 'not_a_leaf' })
  }
  // X509-SVID §4.3: key usage MUST be there, be critical and hold digitalSignature.
  if (!keyUsage?.critical || !keyUsage.digitalSignature) return refuse({ reason: 'wrong_usage' })
  // X509-SVID §4.4: where extended usage stands, both MUST be set.
  const both = [SERVER_AUTH, CLIENT_AUTH].every((usage) => extendedKeyUsage.includes(usage))
  return extendedKeyUsage.length === 0 || both ? ok() : refuse({ reason: 'wrong_usage' })
}

async function activeAgent(
  name: string,
  env: VerifyEnv,
): Promise<Result<Omit<VerifiedSvid, 'expiresAt'>, AgentRefusal>> {
  const spiffeId = parseSpiffeId(name)
  if (!spiffeId.ok) return refuse({ reason: 'bad_spiffe_id' })
  const agentId = agentNamedBy(spiffeId.value, env.trustDomain)
  if (!agentId.ok) return agentId
  const agent = await findAgent(env.store.db, spiffeId.value)
  if (agent === undefined) return refuse({ reason: 'unknown_agent' })
  if (agent.state !== 'active') return refuse({ reason: 'agent_not_active' })
  return ok({ spiffeId: agent.spiffeId, agentId: agent.id })
}
