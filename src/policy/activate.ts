/**
 * Puts a version in force, back in force, and the product's own at first.
 *
 * Call `activate` for a reviewed version, `activateAlone` where `authority.ts` allows one person to act,
 * `rollBack` to return to a version that was in force. The version, the record and the notice to every
 * replica commit together or not at all.
 *
 * INVARIANT (one instant): the entry touches `policy`, which every call relies on, so no call commits
 * that was decided under policies that were replaced before it.
 */

import { append } from '../audit/append.ts'
import type { Actor } from '../audit/entry.ts'
import { nowSeconds } from '../base/clock.ts'
import type { Diagnostics } from '../base/diagnostics.ts'
import { newId } from '../base/id.ts'
import { ok, refuse, type Result } from '../base/result.ts'
import { must } from '../base/result.ts'
import { compilePolicies } from '../decision/compile.ts'
import { personActor, type Session } from '../people/session.ts'
import type { Tx } from '../store/store.ts'
import type { Vault } from '../audit/vault.ts'
import { rightAlone, rightByReview, type Right } from './authority.ts'
import { lostProperties } from './counterexample.ts'
import { currentPoliciesIn, currentSources, lastActivated, verifyInForce } from './current.ts'
import { dryRun } from './dry-run.ts'
import { loadVersion, type LoadedVersion } from './load-version.ts'
import {
  readInForce,
  readTexts,
  replaceSignatures,
  wasInForce,
  writeInForce,
} from './policy-store.ts'
import {
  checkVersion,
  describe,
  keepVersion,
  propose,
  signVersion,
  type PolicyEnv,
  type PolicyRefusal,
  type Proposal,
} from './propose.ts'
import { sign } from './signed-version.ts'
import { defaultPolicies } from './sources.ts'
import { testsDigest, type PolicyVersion } from './version.ts'
import { widening } from './widening.ts'

/** The subject that decisions rely on for the policies in force (`decision/load-facts.ts`). */
const POLICY_SUBJECT = 'policy'

/** What activation needs beside a version: the record, for the dry-run. */
export interface ActivateEnv extends PolicyEnv {
  readonly vault: Vault
  readonly diagnostics: Diagnostics
}

/**
 * Puts a version in force that a second person accepted, or that its operator may activate alone.
 *
 * INVARIANT (one instant): tests and properties are tried before, on the version as it is read then and
 * with nothing locked, since that takes seconds. Under the lock it must be that very version still, and
 * still on the base that it was proposed for.
 */
export async function activate(
  { policy }: { readonly policy: string },
  session: Session,
  env: PolicyEnv,
): Promise<Result<PolicyVersion, PolicyRefusal>> {
  const before = await env.store.snapshot((tx) => loadVersion(tx, policy, env))
  if (before === undefined) return refuse({ reason: 'unknown_policy' })
  const checked = await checkVersion(before.sources, before.version.tests)
  if (!checked.ok) return checked
  return await env.store.transaction(async (tx) => {
    const inForce = await readInForce(tx, 'lock')
    const loaded = await loadVersion(tx, policy, env)
    if (loaded === undefined) return refuse({ reason: 'unknown_policy' })
    const { version, dryRun: kept } = loaded
    // What was tried and reviewed was the step from this base.
    if (inForce === undefined || version.base !== inForce.version) {
      return refuse({
        reason: 'base_changed',
        message: 'other policies are in force by now: propose this version again',
      })
    }
    if (!isSame(version, before.version) || checked.value.version !== version.version) {
      return refuse({
        reason: 'version_changed',
        message: 'expected the version that was tried just now: activate it again',
      })
    }
    if (kept?.base !== inForce.version) {
      return refuse({
        reason: 'dry_run_required',
        message: 'expected a dry-run of this version against the policies in force',
      })
    }
    const right = await rightTo(tx, loaded, session, env)
    if (!right.ok) return right
    await enact(tx, version, { by: personActor(session), right: right.value }, env)
    return ok(version)
  })
}

/** Whether both say the same and try the same. */
function isSame(one: PolicyVersion, other: PolicyVersion): boolean {
  return one.version === other.version && testsDigest(one.tests) === testsDigest(other.tests)
}

/** A review where there is one, else the right to act alone. */
async function rightTo(
  tx: Tx,
  loaded: LoadedVersion,
  session: Session,
  env: PolicyEnv,
): Promise<Result<Right>> {
  const reviewed = await rightByReview(tx, loaded)
  // A refused version stays refused: acting alone is for where there is nobody to refuse.
  if (reviewed.ok || reviewed.error.reason === 'review_refused') return reviewed
  return await rightAlone(tx, session, env)
}

/** Proposes, tries and activates in one go, where one person may; what is in force already stays. */
export async function activateAlone(
  proposal: Proposal,
  session: Session,
  env: ActivateEnv,
): Promise<Result<{ readonly version: string }, PolicyRefusal>> {
  const before = await env.store.snapshot(async (tx) => ({
    right: await rightAlone(tx, session, env),
    now: await currentSources(tx, env),
  }))
  const { now } = before
  const same = Object.entries(proposal.sets).every(
    ([name, text]) => now.sets[name as keyof typeof now.sets] === text,
  )
  if (same && proposal.tests === undefined) return ok({ version: now.version })
  if (!before.right.ok) return before.right
  const proposed = await propose(proposal, session, env)
  if (!proposed.ok) return proposed
  const policy = proposed.value.id
  const tried = await dryRun({ policy }, session, env)
  if (!tried.ok) return tried
  return await activate({ policy }, session, env)
}

/** What became of a rollback: it is in force again, or waits for a second person. */
export type RolledBack =
  | { readonly state: 'active'; readonly version: PolicyVersion }
  | {
      readonly state: 'proposed'
      readonly version: PolicyVersion
      readonly because: readonly string[]
    }

/**
 * Returns to a version that was in force. One that certainly permits no more than what is in force now
 * returns at once: whoever stops a leak does not wait. A wider one becomes a proposal like any other.
 */
export async function rollBack(
  { policy }: { readonly policy: string },
  session: Session,
  env: PolicyEnv,
): Promise<Result<RolledBack, PolicyRefusal>> {
  const done = await env.store.transaction(async (tx) => {
    await readInForce(tx, 'lock')
    const loaded = await loadVersion(tx, policy, env)
    if (loaded === undefined || !(await wasInForce(tx, loaded.version.id))) {
      return refuse({
        reason: 'unknown_policy',
        message: 'expected a version that was in force before',
      })
    }
    const { version, sources } = loaded
    const [from, to] = [await currentPoliciesIn(tx, env), compilePolicies(sources)]
    if (!to.ok) return to
    if (from.version === version.version) return refuse({ reason: 'already_in_force' })
    const because = [
      ...widening(from, to.value),
      ...lostProperties((await currentSources(tx, env)).tests, version.tests),
    ]
    // INVARIANT (separate powers): loosening needs a second person, returning to looser rules too.
    if (because.length > 0) return ok({ loaded, because })
    const right = { mode: 'narrowing_rollback', authorizedBy: [session.person] } as const
    await enact(tx, version, { by: personActor(session), right }, env)
    return ok({ loaded, because })
  })
  if (!done.ok) return done
  const { loaded, because } = done.value
  if (because.length === 0) return ok({ state: 'active', version: loaded.version })
  const { id, tests } = loaded.version
  const again = { sets: loaded.sources, tests, summary: `rollback to ${id}` }
  const proposed = await propose(again, session, env)
  return proposed.ok ? ok({ state: 'proposed', version: proposed.value, because }) : proposed
}

/** Writes, signs and records that a version is in force. Whoever calls this has established the right to. */
export async function enact(
  tx: Tx,
  version: PolicyVersion,
  { by, right }: { readonly by: Actor; readonly right: Right },
  env: PolicyEnv,
): Promise<void> {
  const previous = (await readInForce(tx, 'lock'))?.version
  const { id, sets } = version
  await writeInForce(tx, version, {
    signed: sign('policy-activation+jwt', activationOf(version, by, right, env), env),
    at: env.clock.nowMilliseconds(),
  })
  await append(tx, [
    {
      v: 1,
      kind: 'policy_activated',
      time: env.clock.nowMilliseconds(),
      by,
      version: version.version,
      sets,
      policy: id,
      mode: right.mode,
      authorizedBy: [...right.authorizedBy],
      ...(previous !== undefined && { previous }),
      touches: [POLICY_SUBJECT],
    },
  ])
}

function activationOf(
  { id, version, sets }: PolicyVersion,
  by: Actor,
  right: Right,
  env: PolicyEnv,
): Parameters<typeof sign<'policy-activation+jwt'>>[1] {
  return {
    jti: id,
    sub: by.type === 'person' ? by.person : 'system',
    iat: nowSeconds(env.clock),
    version,
    sets,
    mode: right.mode,
    authorized_by: [...right.authorizedBy],
  }
}

/**
 * What an installation does about its policies when it starts: activates the product's own if none are in
 * force, adopts what an earlier version of the product had in force, and signs the activation anew when
 * another key signs by now, since a retired key is forgotten one day.
 */
export async function activateDefaults(env: PolicyEnv): Promise<void> {
  const defaults = await defaultPolicies()
  await env.store.transaction(async (tx) => {
    const inForce = await readInForce(tx, 'lock')
    if (inForce?.activation !== undefined) {
      const claims = await verifyInForce(tx, inForce, env)
      const loaded = await loadVersion(tx, claims.jti, env)
      if (loaded === undefined) throw new Error(`expected the policy version \`${claims.jti}\``)
      await replaceSignatures(tx, claims.jti, {
        activation: sign('policy-activation+jwt', claims, env),
        version: signVersion(loaded.version, env),
      })
      return
    }
    const sources = inForce === undefined ? defaults : await readTexts(tx, inForce.sets)
    const compiled = must(compilePolicies(sources))
    // Unsigned rows are believed once, and only as far as the log says the same.
    if (inForce !== undefined && (await lastActivated(tx)) !== compiled.version) {
      throw new Error('the policies in force are not those that the log says were activated')
    }
    const version = describe(compiled, {
      id: newId('pol', env),
      tests: {},
      author: 'system',
      summary: inForce === undefined ? 'the product’s own' : 'in force before versions were kept',
      createdAt: env.clock.nowMilliseconds(),
    })
    await keepVersion(tx, version, sources, env)
    const mode = inForce === undefined ? 'default' : 'dual'
    const by: Actor = { type: 'system', part: 'policy' }
    await enact(tx, version, { by, right: { mode, authorizedBy: [] } }, env)
  })
}
