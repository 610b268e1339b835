import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { silentDiagnostics } from '../base/diagnostics.ts'
import { SeededRandom } from '../base/random.ts'
import { must } from '../base/result.ts'
import { compilePolicies, type PolicySources } from '../decision/compile.ts'
import { decide } from '../decision/decide.ts'
import type { PolicySets } from '../decision/policy-set.ts'
import { newlyPermitted } from './newly-permitted.ts'
import { defaultPolicies } from './sources.ts'
import { readCall, type StatedCall } from './test-file.ts'

const defaults = await defaultPolicies()
const ALL = '@id("all") permit (principal, action, resource);'
const compiled = (sets: Partial<PolicySources>): PolicySets =>
  must(compilePolicies({ ...defaults, agent: ALL, person: ALL, ...sets }))
const found = (from: Partial<PolicySources>, to: Partial<PolicySources>) =>
  newlyPermitted(compiled(from), compiled(to), { random: new SeededRandom(1) }).found.map(
    ({ because, sentence }) => [because, sentence],
  )

const PREPARERS = `@id("preparers") permit (principal in Group::"preparers", action, resource in Server::"documents");`
const MAIL = `@id("mail") permit (principal in Group::"partners", action == Action::"tools/call", resource == Tool::"mail/send")
  when { context has stage && context.stage == "file" && context.chain < 3 };`
const LIMIT = (most: string): string => `${defaults.guardrail}
  @id("limit") forbid (principal, action, resource in ToolClass::"money")
  unless { context has amount && context.amount.lessThanOrEqual(decimal("${most}")) };`

test('a permit that is added is shown by a call that it permits', () => {
  assert.deepEqual(found({ person: PREPARERS }, { person: `${PREPARERS} ${MAIL}` }), [
    [
      '`person`: the permit `mail` would be added',
      'another-kind for somebody (partners), mail tools/call:send; class: read, stage: file',
    ],
  ])
})

test('a limit that moves is shown by an amount between', () => {
  assert.deepEqual(found({ guardrail: LIMIT('500.0') }, { guardrail: LIMIT('5000.0') }), [
    [
      '`guardrail`: the forbid `limit` would be gone',
      'another-kind for somebody, another-server tools/call:another_tool; class: money, amount: 500.01',
    ],
  ])
  assert.deepEqual(found({ guardrail: LIMIT('5000.0') }, { guardrail: LIMIT('500.0') }), [])
})

test('a guardrail that is gone is shown by what it stopped', () => {
  const guardrail = '@id("base") permit (principal, action, resource);'
  const shown = found({}, { guardrail })
  const wanted: readonly (readonly [forbid: string, about: RegExp])[] = [
    ['reviewed-servers', /reviewed: false/],
    ['sender-constrained', /boundBy: none/],
    ['ask-always', /agency: always/],
    ['ungrounded-sinks', /ungrounded: true/],
    ['ungrounded-amount', /ungrounded: true.*agency: strict/],
    ['constructed-links', /class: read.*ungrounded: true/],
    ['confidential-egress', /confidential: true/],
  ]
  assert.equal(shown.length, wanted.length)
  for (const [i, [forbid, about]] of wanted.entries()) {
    assert.equal(shown[i]?.[0], `\`guardrail\`: the forbid \`${forbid}\` would be gone`)
    assert.match(shown[i][1] ?? '', about)
  }
})

test('an intent that is not asked any more is shown by a call that it does not cover', () => {
  const intent = ALL
  assert.match(found({}, { intent })[0]?.[1] ?? '', /uncovered: action/)
})

test('operations are looked at as well', () => {
  const administration = `${defaults.administration}
    @id("interns") permit (principal in Group::"interns", action == Action::"policy.activate", resource);`
  assert.deepEqual(found({}, { administration }), [
    [
      '`administration`: the permit `interns` would be added',
      'somebody (interns), policy.activate (installation)',
    ],
  ])
})

test('what permits nothing new has nothing to show', () => {
  const dead = `@id("dead") permit (principal in Group::"preparers", action, resource == Tool::"documents/read");`
  assert.deepEqual(found({ person: PREPARERS }, { person: `${PREPARERS} ${dead}` }), [])
  assert.deepEqual(found({ person: ALL }, { person: PREPARERS }), [])
})

const CLASSES = ['read', 'write', 'egress', 'destructive', 'money'] as const
const rule = fc.record({
  effect: fc.constantFrom('permit', 'forbid'),
  principal: fc.constantFrom(
    'principal',
    'principal in Archetype::"a"',
    'principal in Archetype::"b"',
  ),
  on: fc.constantFrom('resource', ...CLASSES.map((one) => `resource in ToolClass::"${one}"`)),
  when: fc.constantFrom(
    '',
    'when { context.chain < 2 }',
    'when { context.boundBy == "mtls" }',
    'when { context has amount && context.amount.lessThan(decimal("10.0")) }',
    'unless { context has approval }',
  ),
})
const rules = fc
  .uniqueArray(
    rule.map(
      ({ effect, principal, on, when }) => `${effect} (${principal}, action, ${on}) ${when};`,
    ),
    { maxLength: 4 },
  )
  .map((texts) => texts.map((text, i) => `@id("p${i}") ${text}`).join('\n'))

test('what is shown is real, whatever the policies: Cedar itself agrees', () => {
  let shown = 0
  fc.assert(
    fc.property(rules, rules, (before, after) => {
      const [from, to] = [compiled({ agent: before }), compiled({ agent: after })]
      for (const one of newlyPermitted(from, to, { random: new SeededRandom(1) }).found) {
        shown++
        const { when, given } = one.test as StatedCall
        const request = readCall(when, given)
        const outcome = (policies: PolicySets): string =>
          decide(request, policies, { diagnostics: silentDiagnostics }).outcome
        assert.equal(outcome(to), 'permit', one.sentence)
        assert.notEqual(outcome(from), 'permit', one.sentence)
      }
    }),
    { numRuns: 15 },
  )
  assert.ok(shown > 5, `${shown} shown`)
})
