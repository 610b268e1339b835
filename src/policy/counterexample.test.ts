import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeededRandom } from '../base/random.ts'
import { must } from '../base/result.ts'
import { compilePolicies } from '../decision/compile.ts'
import {
  findCounterexample,
  lostProperties,
  propertySchema,
  reachText,
  tryProperties,
} from './counterexample.ts'
import { defaultPolicies } from './sources.ts'

const ALL = '@id("all") permit (principal, action, resource);'
const LIMIT = `@id("base") permit (principal, action, resource);
  @id("small") forbid (principal, action, resource in ToolClass::"money")
  unless { context has amount && context.amount.lessThanOrEqual(decimal("500.0")) };`

const sets = async (guardrail?: string) =>
  must(
    compilePolicies({
      ...(await defaultPolicies()),
      agent: ALL,
      person: ALL,
      ...(guardrail !== undefined && { guardrail }),
    }),
  )

const untrustedMoney = propertySchema.parse({
  name: 'no untrusted value reaches a money tool without a yes',
  where: { class: 'money', ungrounded: true, approved: false, agency: 'doubt' },
})

test('the product’s guardrails keep it: no counterexample, and how far that reaches', async () => {
  const found = findCounterexample(untrustedMoney, await sets(), { random: new SeededRandom(1) })
  assert.equal(found.counterexample, undefined)
  assert.ok(found.exhaustive && found.tried === found.of && found.tried > 100)
  assert.equal(reachText(found), `in all ${found.of} calls`)
})

test('all calls are tried where they are few: the only one that breaks is found, wherever it is', async () => {
  const names = Array.from(
    { length: 30 },
    (_, i) => `@id("s${i}") permit (
    principal in Archetype::"k${i % 5}", action, resource in Server::"s${i}");`,
  )
  // No scope of a permit for people meets this kind: sampling where permits meet looks elsewhere.
  const person = `@id("all") permit (principal, action, resource);
    @id("none") forbid (principal, action, resource)
    unless { context.agent in Archetype::"k4" && resource in ToolClass::"money" && context.confidential };`
  const policies = must(
    compilePolicies({
      ...(await defaultPolicies()),
      agent: names.join('\n'),
      person,
      guardrail: '@id("base") permit (principal, action, resource);',
    }),
  )
  const ask = (where: object, most: number) =>
    findCounterexample(propertySchema.parse({ name: 'x', where }), policies, {
      random: new SeededRandom(1),
      most,
    })
  const where = { method: 'tools/call', server: 's29', archetype: 'k4', person: 'somebody' }
  const all = ask(where, 12_000)
  assert.match(all.counterexample?.sentence ?? '', /^k4 .* s29 .*class: money, confidential: true$/)
  const kept = ask({ ...where, confidential: false }, 12_000)
  assert.deepEqual([kept.counterexample, kept.exhaustive, kept.tried], [undefined, true, kept.of])
  const sampled = ask({ ...where, confidential: false }, 20)
  assert.deepEqual([sampled.exhaustive, sampled.tried, sampled.of], [false, 20, kept.of])
  assert.equal(reachText(sampled), `in 20 drawn of ${kept.of} calls`)
})

test('a rule that a dial lifts is told to be lifted', async () => {
  const where = { ...untrustedMoney.where, agency: undefined }
  const found = findCounterexample({ ...untrustedMoney, where }, await sets(), {
    random: new SeededRandom(1),
  })
  assert.match(found.counterexample?.sentence ?? '', /ungrounded: true, agency: never/)
})

test('without the guardrail it is broken, and the call that breaks it is told', async () => {
  const policies = await sets('@id("base") permit (principal, action, resource);')
  const { counterexample, tried } = findCounterexample(untrustedMoney, policies, {
    random: new SeededRandom(1),
  })
  assert.equal(tried, 1)
  assert.equal(
    counterexample?.sentence,
    'another-kind for somebody, another-server tools/call:another_tool; class: money, ungrounded: true',
  )
  assert.deepEqual(counterexample.test, {
    given: {
      agent: { archetype: 'another-kind' },
      person: { handle: 'somebody' },
      server: { tier: 'T1' },
      reviewed: {
        class: 'money',
        sinks: [
          { path: 'to', kind: 'email' },
          { path: 'link', kind: 'url' },
          { path: 'amount', kind: 'amount' },
        ],
      },
      time: '2026-01-05T10:00:00Z',
      ungrounded: ['to', 'link', 'amount'],
    },
    when: {
      tool: 'another-server/another_tool',
      arguments: {
        to: 'someone@another.example',
        link: 'https://another.example/a',
        amount: 1,
      },
    },
  })
})

test('a limit is tried on both sides', async () => {
  const policies = await sets(LIMIT)
  const search = (where: object, never: string) =>
    findCounterexample(propertySchema.parse({ name: 'x', where, never }), policies, {
      random: new SeededRandom(1),
    }).counterexample?.test.when.arguments?.['amount']
  const where = { class: 'money', method: 'tools/call' }
  assert.equal(search(where, 'deny'), 500.01)
  assert.notEqual(search(where, 'permit'), 500.01)
})

test('what is too much to try all is sampled, the same for the same seed', async () => {
  const groups = Array.from({ length: 40 }, (_, i) => `Group::"g${i}"`)
  const person = groups
    .map((group, i) => `@id("p${i}") permit (principal in ${group}, action, resource);`)
    .join('\n')
  const policies = must(compilePolicies({ ...(await defaultPolicies()), agent: ALL, person }))
  const property = propertySchema.parse({ name: 'x', where: { group: null } })
  const ask = (seed: number) =>
    findCounterexample(property, policies, { random: new SeededRandom(seed) })
  assert.deepEqual(ask(7), ask(7))
  assert.equal(ask(7).counterexample, undefined)
})

const NO_MONEY = JSON.stringify({
  name: 'readers never pay without a yes',
  where: { archetype: 'reader', class: 'money', approved: false },
})

test('a property in a version is tried at every publish', async () => {
  const asking = `@id("base") permit (principal, action, resource);
    @id("asks") @require("approval")
    forbid (principal in Archetype::"reader", action, resource in ToolClass::"money")
    unless { context has approval };`
  const kept = { 'money.property.json': NO_MONEY }
  assert.deepEqual(tryProperties(kept, await sets(asking)).problems, [])
  assert.deepEqual(tryProperties(kept, await sets(asking.replace('reader', 'clerk'))).problems, [
    'money.property.json: `readers never pay without a yes` does not hold: reader for somebody, another-server tools/call:another_tool; class: money',
  ])
  assert.deepEqual(
    tryProperties({ 'x.property.json': '{"name":"x","wher":{}}', 'x.test.json': '' }, await sets())
      .problems,
    ['x.property.json: `where`: Invalid input: expected object, received undefined'],
  )
})

test('more properties than anybody can try are refused', async () => {
  const many = Object.fromEntries(
    Array.from({ length: 51 }, (_, i) => [`p${i}.property.json`, NO_MONEY]),
  )
  assert.deepEqual(tryProperties(many, await sets()), {
    problems: ['expected at most 50 properties, got 51'],
    tried: [],
  })
})

test('a property that is gone, or says something else, is told', () => {
  const kept = { 'a.property.json': NO_MONEY }
  const lost = ['the property `readers never pay without a yes` would no longer be checked']
  assert.deepEqual(lostProperties(kept, {}), lost)
  assert.deepEqual(lostProperties({}, kept), [])
  assert.deepEqual(lostProperties(kept, { 'tests/b.property.json': NO_MONEY }), [])
  const weaker = NO_MONEY.replace('"approved":false', '"approved":false,"ungrounded":true')
  assert.deepEqual(lostProperties(kept, { 'a.property.json': weaker }), lost)
})
