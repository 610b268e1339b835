import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compilePolicies, compileSet } from './compile.ts'
import { nestingProblem } from './nesting.ts'
import type { SetName } from './policy-set.ts'

const when = (condition: string): string =>
  `@id("p") permit (principal, action, resource) when { ${condition} };`

const ACCEPTED: readonly (readonly [name: string, set: SetName, text: string])[] = [
  ['nothing', 'agent', ''],
  ['comments', 'agent', '// "nothing" yet {\n'],
  ['an archetype', 'agent', '@id("p") permit (principal in Archetype::"a", action, resource);'],
  [
    'a group',
    'person',
    '@id("p") permit (principal in Group::"g", action in Action::"use", resource);',
  ],
  [
    'every fact',
    'guardrail',
    when(
      'context.now > datetime("2026-01-01") && context.person in Group::"g" && context.agent in Archetype::"a" && context.chain < 3 && context.acr == "passkey" && context.boundBy != "none" && context has stage && context.stage == "s" && context.sinks.isEmpty() && context.ungrounded.isEmpty() && context.hosts.contains("h") && context has amount && context.amount.lessThan(decimal("5.0")) && context.intent.action && context has intent.approver && context has approval.by',
    ),
  ],
  [
    'a resource by its URI',
    'agent',
    '@id("p") permit (principal, action == Action::"resources/read", resource) when { resource.uri like "file:///clients/*" };',
  ],
  [
    'a soft forbid',
    'agent',
    '@id("p") @require("approval") forbid (principal, action, resource) unless { context has approval };',
  ],
  [
    'a step-up in the API',
    'administration',
    '@id("p") @require("step_up") forbid (principal, action == Action::"policy.activate", resource) unless { context.acr == "passkey" };',
  ],
]

for (const [name, set, text] of ACCEPTED) {
  test(`accepts ${name}`, () => {
    const problems: string[] = []
    compileSet(set, text, problems)
    assert.deepEqual(problems, [])
  })
}

const REFUSED: readonly (readonly [name: string, set: SetName, text: string, want: RegExp])[] = [
  [
    'what does not parse',
    'agent',
    'permit (principal, action resource);',
    /^agent: line 1: unexpected token/,
  ],
  ['no @id', 'agent', 'permit (principal, action, resource);', /expected an @id of lower case/],
  [
    'an @id with a space',
    'agent',
    '@id("a b") permit (principal, action, resource);',
    /expected an @id of lower case/,
  ],
  [
    'an @id twice',
    'agent',
    '@id("a") permit (principal, action, resource); @id("a") forbid (principal, action, resource);',
    /^agent: `a`: expected an @id of its own$/,
  ],
  [
    'a long @reason',
    'agent',
    `@id("a") @reason("${'x'.repeat(301)}") permit (principal, action, resource);`,
    /expected a @reason of at most 300/,
  ],
  [
    'a template',
    'agent',
    '@id("a") permit (principal == ?principal, action, resource);',
    /expected no templates/,
  ],
  [
    'an unknown action',
    'agent',
    '@id("a") permit (principal, action == Action::"tools/launch", resource);',
    /unrecognized action/,
  ],
  [
    'an unknown class',
    'agent',
    '@id("a") permit (principal, action, resource) when { resource in ToolClass::"harmless" };',
    /not declared as a valid eid/,
  ],
  ['an unknown fact', 'agent', when('context.mood == "good"'), /attribute `mood`/],
  [
    'an optional fact without `has`',
    'agent',
    when('context.stage == "draft"'),
    /optional attribute/,
  ],
  [
    'an operand of the wrong type',
    'agent',
    when('context.chain == "1" || context.chain < "2"'),
    /the types String and Long|unexpected type/,
  ],
  [
    'a policy that never applies',
    'agent',
    '@id("a") permit (principal in Group::"g", action, resource);',
    /unable to find an applicable action|impossible/,
  ],
  [
    'an operation of the API in a call',
    'person',
    '@id("a") permit (principal, action == Action::"person.create", resource);',
    /unrecognized action/,
  ],
  [
    'a call in the API',
    'administration',
    '@id("a") permit (principal, action == Action::"tools/call", resource);',
    /unrecognized action/,
  ],
  [
    'names that look like others',
    'agent',
    '@id("a") permit (principal in Archetype::"t\u0430x", action, resource);',
    /mixed scripts|confusable/,
  ],
  [
    'bidirectional text',
    'agent',
    '@id("a") permit (principal in Archetype::"a\u202eb", action, resource);',
    /BIDI|bidirectional/i,
  ],
  [
    'addresses',
    'agent',
    when('ip("10.0.0.1").isLoopback()'),
    /the operator `isLoopback` is not supported here/,
  ],
  [
    'an integer beyond 2^53',
    'agent',
    when('context.chain < 9007199254740993'),
    /an integer beyond 2\^53 is not supported here/,
  ],
  [
    '@require of something else',
    'agent',
    '@id("a") @require("luck") forbid (principal, action, resource);',
    /expected @require\("step_up"\)/,
  ],
  [
    '@require on a permit',
    'agent',
    '@id("a") @require("approval") permit (principal, action, resource) unless { context has approval };',
    /expected @require on a forbid/,
  ],
  [
    'a soft forbid that nothing lifts',
    'agent',
    '@id("a") @require("approval") forbid (principal, action, resource) unless { context.acr == "passkey" };',
    /expected an `unless` clause that speaks of context.approval/,
  ],
  [
    'a soft forbid that is lifted by its `when`',
    'agent',
    '@id("a") @require("step_up") forbid (principal, action, resource) when { context.acr == "session" };',
    /expected an `unless` clause that speaks of context.acr/,
  ],
  [
    'deep nesting',
    'agent',
    when(`${'('.repeat(100)}true${')'.repeat(100)}`),
    /expected policies of less nesting/,
  ],
  [
    'many operators',
    'agent',
    when(Array(201).fill('true').join(' && ')),
    /expected policies of less nesting, or fewer operators/,
  ],
]

for (const [name, set, text, want] of REFUSED) {
  test(`refuses ${name}`, () => {
    const problems: string[] = []
    compileSet(set, text, problems)
    assert.match(problems.join('\n'), want)
  })
}

test('all sets are refused together, with every problem', () => {
  const bad = 'permit (principal, action, resource);'
  const sources = { agent: bad, person: '', intent: bad, guardrail: '', administration: '' }
  const compiled = compilePolicies(sources)
  assert(!compiled.ok)
  assert.equal(compiled.error.reason, 'invalid_policies')
  assert.deepEqual(
    compiled.error.problems.map((problem) => problem.split(':')[0]),
    ['agent', 'intent'],
  )
})

test('versions are digests of the texts, and of nothing else', () => {
  const none = { agent: '', person: '', intent: '', guardrail: '', administration: '' }
  const version = (sources: typeof none): string => {
    const compiled = compilePolicies(sources)
    assert(compiled.ok)
    return compiled.value.version
  }
  assert.equal(version(none), version({ ...none }))
  assert.notEqual(version(none), version({ ...none, agent: when('true') }))
  assert.notEqual(version({ ...none, agent: '//' }), version({ ...none, person: '//' }))
})

const NESTED: readonly (readonly [name: string, text: string, fits: boolean])[] = [
  ['32 brackets', `${'['.repeat(31)}1${']'.repeat(31)};`, true],
  ['33 brackets', `${'['.repeat(33)}1${']'.repeat(33)};`, false],
  ['200 operators', '+'.repeat(200), true],
  ['201 operators', '+'.repeat(201), false],
  ['operators of several policies', `${'+'.repeat(150)};${'+'.repeat(150)};`, true],
  ['brackets in a string', `"${'['.repeat(99)}" ;`, true],
  ['brackets after an escaped quote', `"\\"${'['.repeat(99)}";`, true],
  ['brackets after an escaped backslash', `"\\\\"${'['.repeat(99)};`, false],
  ['brackets in a comment', `//${'['.repeat(99)}\n;`, true],
  ['brackets after a comment', `//\n${'['.repeat(99)};`, false],
  ['a comment in a string', `"//" ${'['.repeat(99)}`, false],
  ['a string that does not end', `"${'['.repeat(99)}`, false],
  ['words', 'if in has like is '.repeat(41), false],
]

for (const [name, text, fits] of NESTED) {
  test(`nesting: ${name} ${fits ? 'fit' : 'do not fit'}`, () => {
    assert.equal(nestingProblem(text) === undefined, fits)
  })
}

test('the deepest policies that fit leave the parser standing', () => {
  const texts = [
    when(`${'['.repeat(28)}1${']'.repeat(28)} == 1`),
    when(`${'{a: '.repeat(28)}1${'}'.repeat(28)} == 1`),
    when(`${Array(190).fill('1').join(' + ')} == 1`),
    when(`context${'.intent'.repeat(190)} == 1`),
    when(`${'if true then true else '.repeat(190)}true`),
    when(`${'(if true then (1 + '.repeat(15)}1${') else 2)'.repeat(15)} == 1`),
  ]
  for (const text of texts) {
    assert.equal(nestingProblem(text), undefined, text.slice(0, 60))
    compileSet('agent', text, [])
  }
  const problems: string[] = []
  compileSet('agent', when('true'), problems)
  assert.deepEqual(problems, [])
})
