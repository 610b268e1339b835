import assert from 'node:assert/strict'
import { test } from 'node:test'
import { must } from '../base/result.ts'
import { compilePolicies } from '../decision/compile.ts'
import { lint } from './lint.ts'
import { defaultPolicies } from './sources.ts'

const READ = 'principal in Archetype::"a", action == Action::"tools/call"'
const REASON = '@reason("r")'

const CASES: readonly (readonly [name: string, agent: string, want: readonly string[]])[] = [
  ['nothing', `@id("x") ${REASON} permit (${READ}, resource);`, []],
  ['a permit without a reason', `@id("x") permit (${READ}, resource);`, ['x no_reason']],
  ['a forbid without a reason', `@id("x") forbid (${READ}, resource);`, []],
  [
    'a permit under a wider one',
    `@id("wide") ${REASON} permit (${READ}, resource);
     @id("narrow") ${REASON} permit (${READ}, resource in Server::"s") when { context.chain < 3 };`,
    ['narrow shadowed'],
  ],
  [
    'a permit with the same scope and other conditions',
    `@id("x") ${REASON} permit (${READ}, resource) when { context.chain < 2 };
     @id("y") ${REASON} permit (${READ}, resource) when { context.chain < 3 };`,
    [],
  ],
  [
    'a group of actions covers its actions',
    `@id("wide") ${REASON} permit (principal in Archetype::"a", action in Action::"use", resource);
     @id("narrow") ${REASON} permit (${READ}, resource is Tool);`,
    ['narrow shadowed'],
  ],
  [
    'of two that say the same, the later',
    `@id("one") ${REASON} permit (${READ}, resource); @id("two") ${REASON} permit (${READ}, resource);`,
    ['two shadowed'],
  ],
  [
    'a permit under a hard forbid',
    `@id("no") forbid (principal, action in Action::"use", resource);
     @id("yes") ${REASON} permit (${READ}, resource);`,
    ['yes shadowed'],
  ],
  [
    'a permit under a soft forbid is none',
    `@id("ask") @require("approval") forbid (${READ}, resource) unless { context has approval };
     @id("yes") ${REASON} permit (${READ}, resource);`,
    [],
  ],
  [
    'everybody everything',
    `@id("x") ${REASON} permit (principal, action, resource);`,
    ['x over_broad'],
  ],
  [
    'everybody may look',
    `@id("x") ${REASON} permit (principal, action in Action::"browse", resource);`,
    [],
  ],
]

for (const [name, agent, want] of CASES) {
  test(`${name}: ${want.length === 0 ? 'nothing found' : want.join(', ')}`, async () => {
    const policies = must(compilePolicies({ ...(await defaultPolicies()), agent }))
    const found = lint(policies).filter(({ set }) => set === 'agent')
    assert.deepEqual(
      found.map(({ policy, rule }) => `${policy} ${rule}`),
      want,
    )
  })
}
