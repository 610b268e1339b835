/** What a call read, what became of it, and whose yes it used; what stands is told in `standing-*.test.ts`. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Entry, EntryOf } from './entry.ts'
import { EntryRules } from './rules.ts'
import { at, digest, other, type RuleCase, testRules } from './testing-rules.ts'
import { testEntry, testIntended, testOutcome } from './testing.ts'

const common = { ...at, approval: 'apr_1', delegation: 'dlg_1' }
const requested: EntryOf<'approval_requested'> = {
  ...common,
  kind: 'approval_requested',
  call: 'c1',
  server: 'srv_docs',
  action: 'tools/call:file',
  definition: digest,
  argumentsDigest: digest,
  entitled: 'grp_partners',
  shown: { sealed: digest, bytes: 10 },
  expiresAt: 1_767_225_900_000,
}
const decided = (decision: 'approved' | 'denied'): Entry => ({
  ...common,
  kind: 'approval_decided',
  decision,
  shown: digest,
})
const voided: Entry = { ...common, kind: 'approval_voided', reason: 'another call' }
const approved = (more: Partial<EntryOf<'call_intended'>> = {}): Entry => {
  const { approval, action, definition, argumentsDigest } = requested
  return testIntended('c2', { approval, action, definition, argumentsDigest, ...more })
}
const touch = (subject: string): Entry => testEntry('grp_a', [subject])

const cases: readonly RuleCase[] = [
  [
    'a call that relied on what was not touched',
    [touch('policy'), testIntended('c', { readAt: 0 })],
  ],
  ['a call that read after the last touch', [touch('dlg_1'), testIntended('c', { readAt: 1 })]],
  [
    'a call that read before the touch',
    [touch('dlg_1'), testIntended('c', { readAt: 0 })],
    'one_instant',
  ],
  [
    'a touch between reading and the call, with others around it',
    [touch('per_a'), touch('dlg_1'), touch('per_b'), testIntended('c', { readAt: 1 })],
    'one_instant',
  ],
  ['a touch after the call', [testIntended('c'), touch('dlg_1')]],
  [
    'a call on a token that was revoked before its facts were read',
    [testEntry('g', ['jti:tok_1']), testIntended('c', { readAt: 1, relied: ['jti:tok_1'] })],
    'one_instant',
  ],
  ['a call that read the future', [testIntended('c', { readAt: 1 })], 'one_instant'],
  ['an outcome', [testIntended('c'), testOutcome('c', 0)]],
  ['an outcome of nothing', [testOutcome('c', 0)], 'outcome_of_a_call'],
  ['an outcome of another call', [testIntended('c'), testOutcome('d', 0)], 'outcome_of_a_call'],
  ['an outcome of what is no call', [touch('policy'), testOutcome('c', 0)], 'outcome_of_a_call'],
  [
    'two outcomes',
    [testIntended('c'), testOutcome('c', 0), testOutcome('c', 0, { outcome: 'failed' })],
    'outcome_of_a_call',
  ],
  [
    'an outcome after `unknown`',
    [testIntended('c'), testOutcome('c', 0, { outcome: 'unknown' }), testOutcome('c', 0)],
  ],
  ['an approval used once', [requested, decided('approved'), approved()]],
  [
    'an approval used twice',
    [requested, decided('approved'), approved(), approved()],
    'approval_binding',
  ],
  ['an approval that was denied', [requested, decided('denied'), approved()], 'approval_binding'],
  ['an approval that nobody gave', [requested, approved()], 'approval_binding'],
  ['an approval that nobody asked for', [decided('approved'), approved()], 'approval_binding'],
  [
    'an approval that was voided',
    [requested, decided('approved'), voided, approved()],
    'approval_binding',
  ],
  ...(
    [
      ['delegation', 'dlg_2'],
      ['server', 'srv_2'],
      ['action', 'tools/call:other'],
      ['definition', other],
      ['argumentsDigest', other],
    ] as const
  ).map(([member, value]): RuleCase => [
    `an approval of another ${member}`,
    [requested, decided('approved'), approved({ [member]: value })],
    'approval_binding',
  ]),
]

testRules(cases)

test('what is broken is said', () => {
  const rules = new EntryRules()
  rules.check(0, touch('dlg_1'))
  assert.deepEqual(rules.check(1, testIntended('c')), {
    rule: 'one_instant',
    message: '`dlg_1` was read at 0 and touched by entry 0',
  })
})
