/** Logs of which the last entry is in question, for the tests of the rules between entries: `testRules`. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Entry, EntryOf } from './entry.ts'
import { EntryRules, type BrokenRule } from './rules.ts'
import { testCreated, testEntry } from './testing.ts'

/** A log, and the rule that its last entry breaks, if any. */
export type RuleCase = readonly [
  name: string,
  entries: readonly Entry[],
  broken?: BrokenRule['rule'],
]

/** A test for each: the last entry is the one in question; those before it are in order. */
export function testRules(cases: readonly RuleCase[]): void {
  for (const [name, entries, broken] of cases) {
    test(`${name}: ${broken ?? 'accepted'}`, () => {
      const rules = new EntryRules()
      const found = entries.map((entry, index) => rules.check(index, entry)?.rule)
      assert.deepEqual(found, [...entries.slice(1).map(() => undefined), broken])
    })
  }
}

/** The digest of something. */
export const digest = `sha256:${'a'.repeat(64)}`
/** That of something else. */
export const other = `sha256:${'b'.repeat(64)}`

const { v, time, by } = testEntry('grp_a')
/** What every entry has. */
export const at = { v, time, by } as const

/** A delegation of Alice's to a clerk. */
export const created = (
  delegation: string,
  more: Partial<EntryOf<'delegation_created'>> = {},
): EntryOf<'delegation_created'> => ({ ...testCreated(delegation), ...more })

/** A token of that clerk. */
export const token: EntryOf<'token_issued'> = {
  ...at,
  kind: 'token_issued',
  delegation: 'dlg_1',
  agent: 'agt_1',
  jti: 'tok_1',
  audience: 'https://behalf.example/mcp',
  boundBy: 'dpop',
  expiresAt: 1_767_225_900,
}
