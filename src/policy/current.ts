/**
 * The policies in force, compiled once per version and process.
 *
 * Call `currentPolicies`. It asks the database for the version each time (one row by key) and compiles
 * only a version that it has not seen: replicas agree because the version is a digest of the texts.
 */

import type { Digest } from '../base/bytes.ts'
import { compilePolicies, type PolicySources } from '../decision/compile.ts'
import type { PolicySets } from '../decision/policy-set.ts'
import type { Store, Tx } from '../store/store.ts'
import { readInForce, readTexts, readVersion } from './policy-store.ts'

/** The policies in force now. That there are none, or that they do not load, is a fault: nothing is decided. */
export async function currentPolicies(env: { readonly store: Store }): Promise<PolicySets> {
  const version = await readVersion(env.store.db)
  return remembered(version) ?? (await env.store.snapshot(currentPoliciesIn))
}

/** The policies in force as a transaction sees them. */
export async function currentPoliciesIn(tx: Tx): Promise<PolicySets> {
  const known = remembered(await readVersion(tx))
  if (known !== undefined) return known
  const inForce = await readInForce(tx, 'look')
  if (inForce === undefined) throw new Error('expected policies in force, got none')
  const compiled = compilePolicies(await readTexts(tx, inForce))
  if (!compiled.ok)
    throw new Error('policies in force do not load', { cause: compiled.error.message })
  if (compiled.value.version !== inForce.version) {
    throw new Error(
      `expected policies of version \`${inForce.version}\`, got \`${compiled.value.version}\``,
    )
  }
  remember(compiled.value)
  return compiled.value
}

/** The texts in force, for people to read. */
export async function currentSources(tx: Tx): Promise<{ version: Digest; sets: PolicySources }> {
  const inForce = await readInForce(tx, 'look')
  if (inForce === undefined) throw new Error('expected policies in force, got none')
  return { version: inForce.version, sets: await readTexts(tx, inForce) }
}

/** The last versions, newest last. Keyed by content, so it may serve any number of stores. */
const compiledVersions = new Map<Digest, PolicySets>()
const REMEMBERED = 4

function remembered(version: Digest | undefined): PolicySets | undefined {
  return version === undefined ? undefined : compiledVersions.get(version)
}

function remember(sets: PolicySets): void {
  compiledVersions.set(sets.version, sets)
  const [oldest] = compiledVersions.size > REMEMBERED ? compiledVersions.keys() : []
  if (oldest !== undefined) compiledVersions.delete(oldest)
}
