import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Json } from '../base/canonical-json.ts'
import { must } from '../base/result.ts'
import { compilePolicies } from '../decision/compile.ts'
import { runTests } from './run-tests.ts'
import { defaultPolicies } from './sources.ts'

const policies = must(
  compilePolicies({
    ...(await defaultPolicies()),
    agent: `@id("readers") permit (principal in Archetype::"clerk", action == Action::"tools/call", resource in Server::"files")
      when { resource in ToolClass::"read" };`,
    person: '@id("staff") permit (principal in Group::"staff", action, resource);',
  }),
)

const GIVEN = { agent: { archetype: 'clerk' }, person: { handle: 'ann', groups: ['staff'] } }
const READ = { tool: 'files/read' }

const CASES: readonly (readonly [name: string, test: Json, message: string | undefined])[] = [
  ['a permit', { when: READ, expect: 'permit' }, undefined],
  [
    'a policy that must decide',
    { when: READ, expect: { outcome: 'permit', policy: 'staff' } },
    undefined,
  ],
  [
    'another policy',
    { when: READ, expect: { outcome: 'permit', policy: 'x' } },
    'expected permit through `x`, got permit by `readers`, `staff`, `covered`, `base`',
  ],
  [
    'who denies',
    {
      given: { person: { handle: 'eve' } },
      when: READ,
      expect: { outcome: 'deny', constraint: 'person', reason: 'not_permitted' },
    },
    undefined,
  ],
  [
    'somebody else denies',
    {
      given: { agent: { archetype: 'x' } },
      when: READ,
      expect: { outcome: 'deny', constraint: 'person' },
    },
    'expected deny by person, got deny by agent (not_permitted) by no policy',
  ],
  [
    'the intent does not cover it',
    {
      given: { intent: { arguments: false } },
      when: READ,
      expect: { outcome: 'deny', reason: 'outside_intent_arguments' },
    },
    undefined,
  ],
  ['an operation', { when: { operation: 'policy.propose' }, expect: 'deny' }, undefined],
  [
    'an operation on what is one’s own',
    {
      when: { operation: 'delegation.revoke', target: { type: 'delegation', own: true } },
      expect: { outcome: 'permit', policy: 'own-delegations' },
    },
    undefined,
  ],
]

for (const [name, one, message] of CASES) {
  test(`${name}: ${message ?? 'passes'}`, () => {
    const text = JSON.stringify({ given: GIVEN, tests: [{ name, ...(one as object) }] })
    const report = runTests({ 'x.test.json': text }, policies)
    assert.deepEqual(report, {
      passed: message === undefined ? 1 : 0,
      failures: message === undefined ? [] : [{ file: 'x.test.json', name, message }],
      invalid: [],
    })
  })
}

test('a file with a member that nobody knows tests nothing', () => {
  const text = JSON.stringify({ tests: [{ name: 'x', givn: {}, when: READ, expect: 'permit' }] })
  assert.deepEqual(runTests({ 'x.test.json': text, 'y.test.json': '{' }, policies), {
    passed: 0,
    failures: [],
    invalid: [
      'x.test.json: `tests.0`: Unrecognized key: "givn"',
      "y.test.json: SyntaxError: Expected property name or '}' in JSON at position 1 (line 1 column 2)",
    ],
  })
})
