/** How two texts of a set differ, policy by policy: what a reviewer reads before the dry-run. */

import { policySetTextToParts, policyToJson } from '@cedar-policy/cedar-wasm/nodejs'
import { SET_NAMES, type SetName } from '../decision/policy-set.ts'

/** One policy that is not the same in both. */
export interface Difference {
  readonly set: SetName
  readonly policy: string
  readonly change: 'added' | 'removed' | 'changed'
  readonly before?: string
  readonly after?: string
}

/** The policies that differ, by `@id`; comments and order do not count. */
export function differences(
  before: Readonly<Partial<Record<SetName, string>>>,
  after: Readonly<Partial<Record<SetName, string>>>,
): Difference[] {
  return SET_NAMES.flatMap((set) => {
    const [old, next] = [before[set], after[set]]
    if (old === undefined || next === undefined || old === next) return []
    const [had, has] = [byId(old), byId(next)]
    const ids = [...new Set([...had.keys(), ...has.keys()])].toSorted()
    return ids.flatMap((policy): Difference[] => {
      const [was, is] = [had.get(policy), has.get(policy)]
      if (was === undefined) return [{ set, policy, change: 'added', after: is ?? '' }]
      if (is === undefined) return [{ set, policy, change: 'removed', before: was }]
      return was === is ? [] : [{ set, policy, change: 'changed', before: was, after: is }]
    })
  })
}

/** What does not parse stands as one policy of that name: it differs as a whole. */
function byId(text: string): ReadonlyMap<string, string> {
  const parts = policySetTextToParts(text)
  if (parts.type === 'failure') return new Map([['(does not parse)', text]])
  return new Map(
    parts.policies.map((policy, i) => {
      const parsed = policyToJson(policy)
      const id = parsed.type === 'success' ? parsed.json.annotations?.['id'] : undefined
      return [id ?? `(without @id, number ${i + 1})`, policy.trim()]
    }),
  )
}
