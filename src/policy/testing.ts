/** For tests of every room above: policies in force without a second person, whoever asks. */

import type { Actor } from '../audit/entry.ts'
import { newId } from '../base/id.ts'
import { ok, type Result } from '../base/result.ts'
import { compilePolicies, type InvalidPolicies, type PolicySources } from '../decision/compile.ts'
import type { PolicySets } from '../decision/policy-set.ts'
import { enact } from './activate.ts'
import { currentSources } from './current.ts'
import { describe, keepVersion, type PolicyEnv } from './propose.ts'

/** Puts `sources` in force; sets that are left out stay. What is in force already is not recorded again. */
export async function activatePolicies(
  sources: Partial<PolicySources>,
  by: Actor,
  env: PolicyEnv,
): Promise<Result<PolicySets, InvalidPolicies>> {
  return await env.store.transaction(async (tx) => {
    const now = await currentSources(tx, env)
    const merged = { ...now.sets, ...sources }
    const compiled = compilePolicies(merged)
    if (!compiled.ok || compiled.value.version === now.version) return compiled
    const version = describe(compiled.value, {
      id: newId('pol', env),
      tests: now.tests,
      author: by.type === 'person' ? by.person : 'system',
      summary: 'a test',
      base: now.version,
      createdAt: env.clock.nowMilliseconds(),
    })
    await keepVersion(tx, version, merged, env)
    await enact(tx, version, { by, right: { mode: 'dual', authorizedBy: [] } }, env)
    return ok(compiled.value)
  })
}
