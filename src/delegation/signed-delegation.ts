/**
 * The signed delegation: what an agent brings to the token endpoint as `subject_token`.
 *
 * Call `verifySignedDelegation` there. It is an ES256 JWS by the issuer's key, of `typ`
 * `delegation+jwt`, and useless without the SVID that `may_act` names (RFC 8693 §4.4). It holds every
 * term that never changes, so a row that was altered in the database no longer is as it was signed
 * (`verifyTree`). Whether it still stands is for `standing.ts` to say, by the database's clock: nothing
 * here reads a clock.
 */

import { type KeyObject } from 'node:crypto'
import * as z from 'zod'
import { canonicalJson, type JsonObject } from '../base/canonical-json.ts'
import { idSchema } from '../base/id.ts'
import { type Result, ok, refuse } from '../base/result.ts'
import type { Sealed } from '../audit/entry.ts'
import { signJws, verifyJws } from '../keys/jws.ts'
import type { Keyring } from '../keys/keyring.ts'
import {
  archetypeSchema,
  type Delegation,
  type DelegationId,
  partySchema,
  stagesSchema,
} from './delegation.ts'
import { detailsSchema } from './intent.ts'
import { branchOf, type Tree } from './standing.ts'

/** The media type of a signed delegation, without `application/`. */
export const DELEGATION_TYP = 'delegation+jwt'

/** The largest signed delegation that is read. */
const MAX_BYTES = 32_768

/** An actor and those that passed the work on to it, the latest outermost (RFC 8693 §4.1). */
export interface ActClaim {
  readonly sub: string
  readonly act?: ActClaim
}

const act: z.ZodType<ActClaim> = z.lazy(() =>
  z.strictObject({ sub: z.string().max(2_048), act: act.exactOptional() }),
)

const claims = z.strictObject({
  iss: z.string(),
  aud: z.string(),
  /** The person whose authority it is. */
  sub: idSchema('per'),
  jti: idSchema('dlg'),
  iat: z.int(),
  exp: z.int(),
  /** The one SPIFFE ID, or the archetype whose first instance claims it. */
  may_act: z.union([
    z.strictObject({ sub: z.string().max(2_048) }),
    z.strictObject({ archetype: archetypeSchema }),
  ]),
  archetype: archetypeSchema,
  authorization_details: detailsSchema,
  /** The delegating agents, of a sub-delegation. */
  act: act.exactOptional(),
  parent: idSchema('dlg').exactOptional(),
  stages: stagesSchema,
  stage_movers: z.array(partySchema).max(50),
  stages_reversible: z.boolean(),
  /** The salted digest under which the log refers to the purpose. */
  purpose_digest: z.string().regex(/^sha256:[0-9a-f]{64}$/),
})

/** What a signed delegation says. */
export type DelegationClaims = z.infer<typeof claims>

/** Why a signed delegation was refused. Everything before a reason in this list held. */
export interface InvalidDelegation {
  readonly reason:
    | 'malformed'
    | 'wrong_algorithm'
    | 'wrong_type'
    | 'unknown_key'
    | 'bad_signature'
    | 'wrong_issuer'
    | 'altered'
}

interface Env {
  readonly keyring: Keyring
  /** The public origin. */
  readonly issuer: string
}

/** Signs a delegation's terms. `agent` is the delegate's SPIFFE ID where it is bound to one. */
export function signDelegation(
  terms: Omit<Delegation, 'signed' | 'state'>,
  more: { readonly agent?: string; readonly act?: ActClaim; readonly purpose: Sealed },
  env: Env,
): string {
  const mayAct =
    more.agent === undefined ? { archetype: terms.delegate.archetype } : { sub: more.agent }
  const payload: DelegationClaims = {
    iss: env.issuer,
    aud: env.issuer,
    sub: terms.person,
    jti: terms.id,
    iat: Math.floor(terms.createdAt / 1_000),
    exp: terms.expiresAt,
    may_act: mayAct,
    archetype: terms.delegate.archetype,
    authorization_details: [...terms.details],
    ...(more.act === undefined ? {} : { act: more.act }),
    ...(terms.parent === undefined ? {} : { parent: terms.parent }),
    stages: [...terms.stages],
    stage_movers: [...terms.stageMovers],
    stages_reversible: terms.stagesReversible,
    purpose_digest: more.purpose.sealed,
  }
  return signJws(
    env.keyring.active('issuer'),
    { typ: DELEGATION_TYP },
    payload as unknown as JsonObject,
  )
}

/** A signed delegation that is genuine. Nothing in it depends on the time, so it stays so while its key stands. */
export interface GenuineDelegation {
  /** The delegation's. */
  readonly id: DelegationId
  readonly claims: DelegationClaims
  /** The issuer's key. */
  readonly kid: string
}

/** Verifies a signed delegation and returns its claims. */
export function verifySignedDelegation(
  token: string,
  env: Env,
): Result<GenuineDelegation, InvalidDelegation> {
  const find = (kid: string): KeyObject | undefined => env.keyring.find('issuer', kid)?.publicKey
  const verified = verifyJws(token, find, { typ: DELEGATION_TYP, maxBytes: MAX_BYTES })
  if (!verified.ok) return verified
  const parsed = claims.safeParse(verified.value.payload)
  if (!parsed.success) return refuse({ reason: 'malformed' })
  // RFC 7519 §4.1.1, §4.1.3: ours, and for us.
  if (parsed.data.iss !== env.issuer || parsed.data.aud !== env.issuer) {
    return refuse({ reason: 'wrong_issuer' })
  }
  return ok({ id: parsed.data.jti, claims: parsed.data, kid: verified.value.kid })
}

/**
 * Succeeds if every delegation of the branch is as it was signed; returns the claims of the last.
 *
 * INVARIANT (separate powers): terms are the issuer's to state. A role that can write the table can
 * end delegations, never widen one.
 */
export function verifyTree(tree: Tree, env: Env): Result<DelegationClaims, InvalidDelegation> {
  let last: DelegationClaims | undefined
  let parent: DelegationId | undefined
  for (const node of branchOf(tree)) {
    const verified = verifySignedDelegation(node.signed, env)
    if (!verified.ok) return verified
    last = verified.value.claims
    if (!isAsSigned(node, last) || last.parent !== parent) return refuse({ reason: 'altered' })
    parent = last.jti
  }
  if (last === undefined) throw new Error('expected at least one delegation in a tree')
  return ok(last)
}

/** Whether what the row says is what was signed. The agent may have been claimed since. */
export function isAsSigned(row: Delegation, signed: DelegationClaims): boolean {
  const stated: JsonObject = {
    id: row.id,
    person: row.person,
    parent: row.parent,
    archetype: row.delegate.archetype,
    createdAt: Math.floor(row.createdAt / 1_000),
    expiresAt: row.expiresAt,
    details: row.details,
    stages: row.stages,
    stageMovers: row.stageMovers,
    stagesReversible: row.stagesReversible,
  }
  const meant: JsonObject = {
    id: signed.jti,
    person: signed.sub,
    parent: signed.parent,
    archetype: signed.archetype,
    createdAt: signed.iat,
    expiresAt: signed.exp,
    details: signed.authorization_details,
    stages: signed.stages,
    stageMovers: signed.stage_movers,
    stagesReversible: signed.stages_reversible,
  }
  return canonicalJson(stated) === canonicalJson(meant) && isBoundAsSigned(row, signed)
}

function isBoundAsSigned({ delegate }: Delegation, { may_act: mayAct }: DelegationClaims): boolean {
  if (!('sub' in mayAct)) return true
  const { agent } = delegate
  return agent !== undefined && mayAct.sub.endsWith(`/${agent.slice('agt_'.length)}`)
}
