/**
 * Puts policy sets in force.
 *
 * Call `activatePolicies`. What is activated was parsed, validated against the schema and compiled first;
 * the sets, the record and the notice to every replica commit together or not at all.
 *
 * INVARIANT (one instant): the entry touches `policy`, which every call relies on, so no call commits
 * that was decided under policies that were replaced before it.
 */

import type { Actor } from '../audit/entry.ts'
import { append } from '../audit/append.ts'
import type { Clock } from '../base/clock.ts'
import { ok, type Result } from '../base/result.ts'
import { compilePolicies, type InvalidPolicies, type PolicySources } from '../decision/compile.ts'
import { SET_NAMES, type PolicySets } from '../decision/policy-set.ts'
import type { Store } from '../store/store.ts'
import { readInForce, readTexts, writeInForce, type InForce } from './policy-store.ts'
import { defaultPolicies } from './sources.ts'

/** The subject that decisions rely on for the policies in force (`decision/load-facts.ts`). */
const POLICY_SUBJECT = 'policy'

/** What activation needs. */
export interface ActivateEnv {
  readonly store: Store
  readonly clock: Clock
}

/**
 * Activates `sources`; sets that are left out stay as they are, or are the product's own at first. What
 * is in force already is left alone and not recorded again.
 */
export async function activatePolicies(
  sources: Partial<PolicySources>,
  by: Actor,
  env: ActivateEnv,
): Promise<Result<PolicySets, InvalidPolicies>> {
  const defaults = await defaultPolicies()
  return await env.store.transaction(async (tx) => {
    const before = await readInForce(tx, 'lock')
    const base = before === undefined ? defaults : await readTexts(tx, before)
    const merged = { ...base, ...sources }
    const compiled = compilePolicies(merged)
    if (!compiled.ok || compiled.value.version === before?.version) return compiled
    const inForce = describe(compiled.value)
    await writeInForce(tx, inForce, merged)
    await append(tx, [
      {
        v: 1,
        kind: 'policy_activated',
        time: env.clock.nowMilliseconds(),
        by,
        version: inForce.version,
        sets: inForce.sets,
        touches: [POLICY_SUBJECT],
      },
    ])
    return ok(compiled.value)
  })
}

/** Activates the product's own policies if none are in force yet. */
export async function activateDefaults(env: ActivateEnv): Promise<void> {
  const before = await env.store.transaction((tx) => readInForce(tx, 'look'))
  if (before !== undefined) return
  const activated = await activatePolicies({}, { type: 'system', part: 'policy' }, env)
  if (!activated.ok) throw new Error(activated.error.message)
}

function describe(sets: PolicySets): InForce {
  const digests = Object.fromEntries(SET_NAMES.map((name) => [name, sets[name].version]))
  return { version: sets.version, sets: digests as InForce['sets'] }
}
