/**
 * Proposes a version: the first of four steps to other policies. Lead file of the folder.
 *
 * `propose` (here) → `dryRun` → `review`, by somebody else → `activate`. A proposal changes nothing that
 * is decided. It is refused unless it compiles whole, its own tests pass and no counterexample to its
 * properties is found.
 */

import { append } from '../audit/append.ts'
import { nowSeconds, type Clock } from '../base/clock.ts'
import { newId } from '../base/id.ts'
import type { Random } from '../base/random.ts'
import { ok, refuse, type Result } from '../base/result.ts'
import { compilePolicies, type PolicySources } from '../decision/compile.ts'
import { SET_NAMES, type PolicySets } from '../decision/policy-set.ts'
import type { Keyring } from '../keys/keyring.ts'
import { personActor, type Session } from '../people/session.ts'
import type { Store, Tx } from '../store/store.ts'
import { currentSources } from './current.ts'
import { insertVersion } from './policy-store.ts'
import { sign } from './signed-version.ts'
import { onThread } from './trial.ts'
import { testsDigest, type PolicyVersion, type TestTexts } from './version.ts'

/** What somebody proposes. */
export interface Proposal {
  /** Sets that are left out stay as they are in force. */
  readonly sets: Partial<PolicySources>
  /** The tests, all of them; those in force when left out. */
  readonly tests?: TestTexts
  /** Why, in the author's words. */
  readonly summary: string
  /** The digest that the author worked from; refused when other policies are in force by now. */
  readonly base?: string
}

/** Why a proposal or activation was refused; `problems` names everything that is wrong. */
export interface PolicyRefusal {
  readonly reason: string
  readonly message?: string
  readonly problems?: readonly string[]
}

/** What changing policies needs. */
export interface PolicyEnv {
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly keyring: Keyring
}

/**
 * Keeps a version for others to look at. It is tried on what is in force now, with nothing locked; kept
 * only if that is still in force then.
 */
export async function propose(
  proposal: Proposal,
  session: Session,
  env: PolicyEnv,
): Promise<Result<PolicyVersion, PolicyRefusal>> {
  const now = await env.store.snapshot((tx) => currentSources(tx, env))
  if (proposal.base !== undefined && proposal.base !== now.version) return baseChanged(now)
  const sources = { ...now.sets, ...proposal.sets }
  const tests = proposal.tests ?? now.tests
  const checked = await checkVersion(sources, tests)
  if (!checked.ok) return checked
  const version = describe(checked.value, {
    ...proposal,
    id: newId('pol', env),
    tests,
    author: session.person,
    base: now.version,
    createdAt: env.clock.nowMilliseconds(),
  })
  return await env.store.transaction(async (tx) => {
    const then = await currentSources(tx, env)
    // The same texts may have come with other tests.
    if (then.policy !== now.policy) return baseChanged(then)
    await keepVersion(tx, version, sources, env)
    const { id, version: digest, sets, summary } = version
    await append(tx, [
      {
        v: 1,
        kind: 'policy_proposed',
        time: env.clock.nowMilliseconds(),
        by: personActor(session),
        policy: id,
        version: digest,
        sets,
        tests: testsDigest(tests),
        summary,
        base: now.version,
      },
    ])
    return ok(version)
  })
}

function baseChanged({ version }: { readonly version: string }): Result<never, PolicyRefusal> {
  return refuse({
    reason: 'base_changed',
    message: `other policies are in force by now (\`${version}\`): pull them and propose again`,
  })
}

/**
 * Compiles sets, runs their tests and tries their properties: what must hold at every publish. Takes as
 * long as that takes, so never within a transaction.
 */
export async function checkVersion(
  sources: PolicySources,
  tests: TestTexts,
): Promise<Result<PolicySets, PolicyRefusal>> {
  const compiled = compilePolicies(sources)
  if (!compiled.ok || Object.keys(tests).length === 0) return compiled
  const tried = await onThread({ sources, tests })
  if (!tried.ok) return tried
  const { failures, broken } = tried.value
  const [failure, property] = [failures[0], broken[0]]
  if (failure !== undefined) {
    const message = `expected the tests of the policies to pass, got: ${failure}`
    return refuse({ reason: 'policy_tests_failed', message, problems: failures })
  }
  if (property !== undefined) {
    const message = `expected the properties of the policies to hold, got: ${property}`
    return refuse({ reason: 'policy_property_broken', message, problems: broken })
  }
  return compiled
}

/** A version of `compiled` sets. */
export function describe(
  compiled: PolicySets,
  about: Omit<PolicyVersion, 'version' | 'sets'>,
): PolicyVersion {
  const { id, tests, author, summary, base, createdAt } = about
  const sets = Object.fromEntries(SET_NAMES.map((name) => [name, compiled[name].version]))
  return {
    id,
    version: compiled.version,
    sets: sets as PolicyVersion['sets'],
    tests,
    author,
    summary,
    createdAt,
    ...(base !== undefined && { base }),
  }
}

/** Keeps a version under the issuer's signature. */
export async function keepVersion(
  tx: Tx,
  version: PolicyVersion,
  sources: PolicySources,
  env: PolicyEnv,
): Promise<void> {
  await insertVersion(tx, { version, signed: signVersion(version, env) }, sources)
}

/** The issuer's signature over a version. */
export function signVersion(
  { id, version, sets, tests, author, base }: PolicyVersion,
  env: Pick<PolicyEnv, 'clock' | 'keyring'>,
): string {
  const claims = {
    jti: id,
    sub: author,
    iat: nowSeconds(env.clock),
    version,
    sets,
    tests: testsDigest(tests),
    ...(base !== undefined && { base }),
  }
  return sign('policy-version+jwt', claims, env)
}
