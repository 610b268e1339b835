import assert from 'node:assert/strict'
import { test } from 'node:test'
import { must } from '../base/result.ts'
import { compilePolicies } from '../decision/compile.ts'
import { lintNames } from './lint-names.ts'
import { defaultPolicies } from './sources.ts'

const KNOWN = {
  Person: ['alice', 'bob'],
  Group: ['administrators', 'auditors', 'partners'],
  Archetype: ['tax-preparer'],
  Server: ['documents', 'tax-engine'],
  Tool: ['documents/read', 'tax-engine/file_return'],
}

const CASES: readonly (readonly [name: string, scope: string, want: readonly string[]])[] = [
  [
    'names that exist',
    'principal in Archetype::"tax-preparer", action, resource == Tool::"documents/read"',
    [],
  ],
  ['classes and actions', 'principal, action in Action::"use", resource in ToolClass::"money"', []],
  ['one agent', 'principal == Agent::"agt_1", action, resource', []],
  [
    'letters that changed places',
    'principal in Archetype::"tax-perparer", action, resource',
    ['`Archetype::"tax-perparer"` does not exist here; did you mean `tax-preparer`?'],
  ],
  [
    'another case',
    'principal, action, resource in Server::"Documents"',
    ['`Server::"Documents"` does not exist here; did you mean `documents`?'],
  ],
  [
    'nothing like it',
    'principal, action, resource in Server::"payroll"',
    ['`Server::"payroll"` does not exist here'],
  ],
  [
    'a tool',
    'principal, action == Action::"tools/call", resource == Tool::"documents/raed"',
    ['`Tool::"documents/raed"` does not exist here; did you mean `documents/read`?'],
  ],
  [
    'a resource of a server that there is',
    'principal, action, resource == Resource::"documents/file:///a"',
    [],
  ],
  [
    'a resource of no server',
    'principal, action, resource == Resource::"document/file:///a"',
    ['`Server::"document"` does not exist here; did you mean `documents`?'],
  ],
]

for (const [name, scope, want] of CASES) {
  test(`${name}: ${want.length === 0 ? 'known' : 'unknown'}`, async () => {
    const agent = `@id("x") permit (${scope});`
    const policies = must(compilePolicies({ ...(await defaultPolicies()), agent }))
    assert.deepEqual(
      lintNames(policies, KNOWN).map(({ set, policy, message }) => [set, policy, message]),
      want.map((message) => ['agent', 'x', message]),
    )
  })
}

test('conditions are looked at too, and each name is said once', async () => {
  const guardrail = `@id("x") forbid (principal, action, resource)
    when { context.person in Group::"partner" || context.person in [Group::"partner", Group::"auditors"] }
    unless { context.person == Person::"alcie" };`
  const policies = must(compilePolicies({ ...(await defaultPolicies()), guardrail }))
  assert.deepEqual(
    lintNames(policies, KNOWN).map(({ message }) => message),
    [
      '`Group::"partner"` does not exist here; did you mean `partners`?',
      '`Person::"alcie"` does not exist here; did you mean `alice`?',
    ],
  )
})
