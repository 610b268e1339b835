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
import { brokenProperties } from './counterexample.ts'
import { currentSources } from './current.ts'
import { insertVersion } from './policy-store.ts'
import { runTests } from './run-tests.ts'
import { sign } from './signed-version.ts'
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

/** Keeps a version for others to look at. */
export async function propose(
  proposal: Proposal,
  session: Session,
  env: PolicyEnv,
): Promise<Result<PolicyVersion, PolicyRefusal>> {
  return await env.store.transaction(async (tx) => {
    const proposed = await proposeIn(tx, proposal, session, env)
    if (!proposed.ok) return proposed
    const { id, version, sets, tests, summary, base } = proposed.value
    await append(tx, [
      {
        v: 1,
        kind: 'policy_proposed',
        time: env.clock.nowMilliseconds(),
        by: personActor(session),
        policy: id,
        version,
        sets,
        tests: testsDigest(tests),
        summary,
        ...(base !== undefined && { base }),
      },
    ])
    return proposed
  })
}

async function proposeIn(
  tx: Tx,
  proposal: Proposal,
  session: Session,
  env: PolicyEnv,
): Promise<Result<PolicyVersion, PolicyRefusal>> {
  const now = await currentSources(tx, env)
  if (proposal.base !== undefined && proposal.base !== now.version) {
    return refuse({
      reason: 'base_changed',
      message: `other policies are in force by now (\`${now.version}\`): pull them and propose again`,
    })
  }
  const sources = { ...now.sets, ...proposal.sets }
  const tests = proposal.tests ?? now.tests
  const checked = checkVersion(sources, tests)
  if (!checked.ok) return checked
  const version = describe(checked.value, {
    ...proposal,
    id: newId('pol', env),
    tests,
    author: session.person,
    base: now.version,
    createdAt: env.clock.nowMilliseconds(),
  })
  await keepVersion(tx, version, sources, env)
  return ok(version)
}

/** Compiles sets, runs their tests and tries their properties: what must hold at every publish. */
export function checkVersion(
  sources: PolicySources,
  tests: TestTexts,
): Result<PolicySets, PolicyRefusal> {
  const compiled = compilePolicies(sources)
  if (!compiled.ok) return compiled
  const { failures, invalid } = runTests(tests, compiled.value)
  const problems = [
    ...invalid,
    ...failures.map(({ file, name, message }) => `${file}: \`${name}\`: ${message}`),
  ]
  if (problems.length === 0) return propertiesHold(compiled.value, tests)
  const message = `expected the tests of the policies to pass, got: ${problems[0] ?? ''}`
  return refuse({ reason: 'policy_tests_failed', message, problems })
}

function propertiesHold(compiled: PolicySets, tests: TestTexts): Result<PolicySets, PolicyRefusal> {
  const problems = brokenProperties(tests, compiled)
  if (problems.length === 0) return ok(compiled)
  const message = `expected the properties of the policies to hold, got: ${problems[0] ?? ''}`
  return refuse({ reason: 'policy_property_broken', message, problems })
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
