/**
 * The policies in force, verified and compiled once per activation and process.
 *
 * Call `currentPolicies`. It asks the database for the activation each time (one row by key) and loads
 * only one that it has not seen.
 *
 * INVARIANT (separate powers): what is in force is what the issuer signed as activated, and what the last
 * entry about policies says: a row that was altered, or an older activation put back, is a fault and
 * nothing is decided.
 */

import { entryAt } from '../audit/queries.ts'
import type { Digest } from '../base/bytes.ts'
import { compilePolicies, type PolicySources } from '../decision/compile.ts'
import type { PolicySets } from '../decision/policy-set.ts'
import type { Keyring } from '../keys/keyring.ts'
import type { Store, Tx } from '../store/store.ts'
import { readInForce, readMark, readTexts, type InForceRow } from './policy-store.ts'
import { verify, type Claims } from './signed-version.ts'
import type { PolicyId, TestTexts } from './version.ts'
import { loadVersion } from './load-version.ts'

interface Env {
  readonly keyring: Keyring
}

/** The policies in force now. That there are none, or that they do not load, is a fault: nothing is decided. */
export async function currentPolicies(env: Env & { readonly store: Store }): Promise<PolicySets> {
  const known = remembered(await readMark(env.store.db))
  return known ?? (await env.store.snapshot((tx) => currentPoliciesIn(tx, env)))
}

/** The policies in force as a transaction sees them. */
export async function currentPoliciesIn(tx: Tx, env: Env): Promise<PolicySets> {
  const mark = await readMark(tx)
  const known = remembered(mark)
  if (known !== undefined) return known
  const inForce = await readInForce(tx, 'look')
  if (inForce === undefined) throw new Error('expected policies in force, got none')
  await verifyInForce(tx, inForce, env)
  const compiled = compilePolicies(await readTexts(tx, inForce.sets))
  if (!compiled.ok)
    throw new Error('policies in force do not load', { cause: compiled.error.message })
  if (compiled.value.version !== inForce.version) {
    throw new Error(
      `expected policies of version \`${inForce.version}\`, got \`${compiled.value.version}\``,
    )
  }
  remember(mark, compiled.value)
  return compiled.value
}

/** The signed activation behind what is in force; throws if the row is not what was activated last. */
export async function verifyInForce(
  tx: Tx,
  inForce: InForceRow,
  env: Env,
): Promise<Claims<'policy-activation+jwt'>> {
  const claims = verify('policy-activation+jwt', inForce.activation ?? '', env)
  const holds =
    claims.ok &&
    claims.value.version === inForce.version &&
    claims.value.jti === inForce.policy &&
    sameSets(claims.value.sets, inForce.sets)
  if (!holds) throw new Error('the policies in force are not as they were activated')
  const last = await lastActivated(tx)
  if (last !== inForce.version) {
    throw new Error(
      `expected the policies of version \`${last ?? 'none'}\` that were activated last, got \`${inForce.version}\``,
    )
  }
  return claims.value
}

/** The version that the last entry about policies activated. */
export async function lastActivated(tx: Tx): Promise<string | undefined> {
  const touched = (await readMark(tx))?.touched
  const entry = typeof touched === 'number' ? await entryAt(tx, touched) : undefined
  return entry?.kind === 'policy_activated' ? entry.version : undefined
}

/** The texts and tests in force, for people to read. */
export async function currentSources(
  tx: Tx,
  env: Env,
): Promise<{
  version: Digest
  policy: PolicyId
  sets: PolicySources
  tests: TestTexts
}> {
  const inForce = await readInForce(tx, 'look')
  if (inForce?.policy === undefined) throw new Error('expected policies in force, got none')
  await verifyInForce(tx, inForce, env)
  const loaded = await loadVersion(tx, inForce.policy, env)
  if (loaded === undefined) throw new Error(`expected the policy version \`${inForce.policy}\``)
  const { version, sources } = loaded
  return { version: inForce.version, policy: version.id, sets: sources, tests: version.tests }
}

/** The last activations, newest last. Keyed by signature and place in the log, so one serves any number of stores. */
const compiledVersions = new Map<string, PolicySets>()
const REMEMBERED = 4

type Mark = Awaited<ReturnType<typeof readMark>>

function keyOf(mark: Mark): string | undefined {
  return mark === undefined || mark.activation === null
    ? undefined
    : `${mark.touched ?? ''} ${mark.activation}`
}

function remembered(mark: Mark): PolicySets | undefined {
  const key = keyOf(mark)
  return key === undefined ? undefined : compiledVersions.get(key)
}

function remember(mark: Mark, sets: PolicySets): void {
  const key = keyOf(mark)
  if (key === undefined) return
  compiledVersions.set(key, sets)
  const [oldest] = compiledVersions.size > REMEMBERED ? compiledVersions.keys() : []
  if (oldest !== undefined) compiledVersions.delete(oldest)
}

function sameSets(one: Readonly<Record<string, string>>, other: typeof one): boolean {
  return Object.entries(one).every(([name, digest]) => other[name] === digest)
}
