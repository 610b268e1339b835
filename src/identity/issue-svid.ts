/**
 * Issues SVIDs: what an agent proves itself with. `issueX509Svid` for TLS, `issueJwtSvid` for a token
 * that names its audience.
 *
 * Who asks was attested by the caller (`workload-api.ts`); here only an active agent gets one, and it
 * is recorded before anybody holds it.
 *
 * @see X509-SVID, JWT-SVID
 */

import { generateKeyPairSync } from 'node:crypto'
import { append } from '../audit/append.ts'
import type { EntryOf } from '../audit/entry.ts'
import { base64url } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import { ok, refuse, type Result } from '../base/result.ts'
import { signJws } from '../keys/jws.ts'
import type { Keyring } from '../keys/keyring.ts'
import type { Store } from '../store/store.ts'
import type { AgentId } from './agent.ts'
import { findAgentSteady } from './agent-store.ts'
import { type Authority, BACKDATED_MILLISECONDS, newSerial, signingAuthority } from './authority.ts'
import type { SpiffeId, TrustDomain } from './spiffe-id.ts'
import { leafCertificate } from './x509-svid.ts'

/** What issuing needs. */
export interface IssueEnv {
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly keyring: Keyring
  readonly trustDomain: TrustDomain
}

/** An agent that asks, and the selectors by which it was recognised. */
export interface Attested {
  readonly id: AgentId
  readonly attested?: readonly string[]
}

/** A certificate and its key. */
export interface X509Svid {
  readonly spiffeId: SpiffeId
  /** The certificate chain, DER, the leaf first; our leaves need no intermediate. */
  readonly svid: Buffer
  /** PKCS#8, DER. */
  readonly key: Buffer
  /** Seconds since the epoch. */
  readonly expiresAt: number
}

/** Why no SVID was issued. */
export type IssueRefusal = {
  readonly reason: 'unknown_agent' | 'agent_not_active' | 'bad_audience'
}

// INVARIANT (no standing secrets): an hour, and five minutes; the keyring publishes keys as long.
const X509_LIFETIME_MILLISECONDS = 3_600_000
const JWT_LIFETIME_SECONDS = 300
/** As much as the entry holds. */
const MAX_AUDIENCES = 10
const MAX_AUDIENCE_LENGTH = 500

/** A new key and its certificate for an active agent. */
export async function issueX509Svid(
  agent: Attested,
  env: IssueEnv,
): Promise<Result<X509Svid, IssueRefusal>> {
  const authority = await signingAuthority(env)
  return await issue(agent, env, (spiffeId) => {
    const { serial, ...svid } = mintX509Svid(spiffeId, authority, env)
    const { expiresAt } = svid
    return { value: svid, issued: { type: 'x509', serial: serial.toString('hex'), expiresAt } }
  })
}

/** A token for `audience`, at most ten recipients; one is best, as each can pose to the others (JWT-SVID §6.2). */
export async function issueJwtSvid(
  agent: Attested,
  audience: readonly string[],
  env: IssueEnv,
): Promise<Result<string, IssueRefusal>> {
  // JWT-SVID §3.2: `aud` MUST hold one or more values.
  if (!isAudience(audience)) return refuse({ reason: 'bad_audience' })
  return await issue(agent, env, (spiffeId) => {
    const now = Math.floor(env.clock.nowMilliseconds() / 1000)
    const expiresAt = now + JWT_LIFETIME_SECONDS
    const jti = base64url(env.random.bytes(16))
    // JWT-SVID §2: the header holds `alg`, `kid`, `typ` and nothing else.
    const token = signJws(
      env.keyring.active('svid_jwt'),
      { typ: 'JWT' },
      { sub: spiffeId, aud: audience, iat: now, exp: expiresAt, jti },
    )
    return {
      value: token,
      issued: { type: 'jwt', serial: jti, audience: [...audience], expiresAt },
    }
  })
}

/** The hot part of an X.509-SVID: a P-256 key and a certificate over it. Checks and records nothing. */
export function mintX509Svid(
  spiffeId: SpiffeId,
  authority: Authority,
  env: { readonly clock: Clock; readonly random: Random },
): X509Svid & { readonly serial: Buffer } {
  const now = env.clock.nowMilliseconds()
  if (now >= authority.notAfter) throw new Error('expected an authority that has not expired')
  // RFC 5280 §6.1.3: a leaf is worth nothing once its root has expired.
  const notAfter = Math.min(now + X509_LIFETIME_MILLISECONDS, authority.notAfter)
  const { publicKey, privateKey } = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    publicKeyEncoding: { type: 'spki', format: 'der' },
    privateKeyEncoding: { type: 'pkcs8', format: 'der' },
  })
  const serial = newSerial(env)
  const notBefore = now - BACKDATED_MILLISECONDS
  const leaf = { spiffeId, publicKeyInfo: publicKey, serial, notBefore, notAfter }
  return {
    spiffeId,
    svid: leafCertificate(leaf, authority.issuer),
    key: privateKey,
    expiresAt: Math.floor(notAfter / 1000),
    serial,
  }
}

type Issued = Pick<EntryOf<'svid_issued'>, 'type' | 'serial' | 'audience' | 'expiresAt'>

/** Runs `make` for an active agent and records what it made, in one transaction. */
async function issue<T>(
  { id, attested = [] }: Attested,
  env: IssueEnv,
  make: (spiffeId: SpiffeId) => { value: T; issued: Issued },
): Promise<Result<T, IssueRefusal>> {
  return await env.store.transaction(async (tx) => {
    // INVARIANT (revocation): the agent cannot be suspended between this check and the entry.
    const agent = await findAgentSteady(tx, id)
    if (agent === undefined) return refuse({ reason: 'unknown_agent' })
    if (agent.state !== 'active') return refuse({ reason: 'agent_not_active' })

    const { value, issued } = make(agent.spiffeId)
    // INVARIANT (record first): nobody holds the SVID before this commits.
    await append(tx, [
      {
        v: 1,
        kind: 'svid_issued',
        time: env.clock.nowMilliseconds(),
        by: { type: 'system', part: 'identity' },
        agent: id,
        spiffeId: agent.spiffeId,
        attested: [...attested],
        ...issued,
      },
    ])
    return ok(value)
  })
}

function isAudience(audience: readonly string[]): boolean {
  return (
    audience.length > 0 &&
    audience.length <= MAX_AUDIENCES &&
    audience.every((one) => one !== '' && one.length <= MAX_AUDIENCE_LENGTH && one.isWellFormed())
  )
}
