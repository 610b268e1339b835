/**
 * Names in policies that nobody and nothing has: what is misspelt matches nothing, and a forbid that matches
 * nothing protects nobody.
 *
 * Call `lintNames` with what an installation knows. It looks at scopes and conditions alike. A name that is
 * unknown may still be meant for later, so a finding is advice, never a refusal.
 */

import { policyToJson } from '@cedar-policy/cedar-wasm/nodejs'
import { SET_NAMES, type PolicySets } from '../decision/policy-set.ts'
import { EntityUid } from '../decision/value.ts'
import type { Finding } from './lint.ts'

/** What there is, by entity type; a type that is missing is not checked. */
export interface KnownNames {
  readonly Person: readonly string[]
  readonly Group: readonly string[]
  readonly Archetype: readonly string[]
  readonly Server: readonly string[]
  /** `server/tool`. */
  readonly Tool: readonly string[]
}

/** Each name that is not known, once for each policy that uses it. */
export function lintNames(policies: PolicySets, known: KnownNames): Finding[] {
  return SET_NAMES.flatMap((set) =>
    [...policies[set].policies.values()].flatMap(({ id: policy, text }) =>
      unknownIn(text, known).map(({ type, id }): Finding => {
        const near = nearest(id, known[type])
        const hint = near === undefined ? '' : `; did you mean \`${near}\`?`
        const message = `\`${type}::"${id}"\` does not exist here${hint}`
        return { set, policy, rule: 'unknown_name', message }
      }),
    ),
  )
}

interface Named {
  readonly type: keyof KnownNames
  readonly id: string
}

function unknownIn(text: string, known: KnownNames): Named[] {
  const answer = policyToJson(text)
  if (answer.type === 'failure') throw new Error('expected a policy that was compiled to parse')
  const { principal, resource, conditions } = answer.json
  const found = new Map<string, Named>()
  const visit = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return
    const { type, id } = node as { type?: unknown; id?: unknown }
    if (typeof type === 'string' && typeof id === 'string') {
      const named = checked({ type, id })
      if (named !== undefined && !known[named.type].includes(named.id)) {
        found.set(new EntityUid(named.type, named.id).key, named)
      }
    }
    for (const member of Object.values(node)) visit(member)
  }
  visit([principal, resource, conditions])
  return [...found.values()]
}

/** What is looked up: of resources and prompts the server, since what it serves is not all listed. */
function checked({ type, id }: { readonly type: string; readonly id: string }): Named | undefined {
  if (type === 'Resource' || type === 'Prompt') {
    return { type: 'Server', id: id.slice(0, Math.max(id.indexOf('/'), 0)) }
  }
  const types: readonly string[] = ['Person', 'Group', 'Archetype', 'Server', 'Tool']
  return types.includes(type) ? { type: type as keyof KnownNames, id } : undefined
}

/** The known name that takes the fewest changes, if that is few enough to be a slip. */
function nearest(name: string, known: readonly string[]): string | undefined {
  const most = Math.max(1, Math.floor(name.length / 3))
  let [best, least] = [undefined as string | undefined, most + 1]
  for (const candidate of known) {
    const changes = distance(name.toLowerCase(), candidate.toLowerCase())
    if (changes < least) [best, least] = [candidate, changes]
  }
  return best
}

/** How many letters are added, left out, changed or swapped (optimal string alignment). */
function distance(a: string, b: string): number {
  let [before, last] = [[] as number[], Array.from({ length: b.length + 1 }, (_, j) => j)]
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1
      const swapped =
        a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? (before[j - 2] ?? 0) + 1 : 1e9
      row.push(
        Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + same, swapped),
      )
    }
    ;[before, last] = [last, row]
  }
  return last[b.length] ?? 0
}
