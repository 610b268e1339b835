import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeededRandom } from '../base/random.ts'
import { must } from '../base/result.ts'
import { compilePolicies } from '../decision/compile.ts'
import { findCounterexample, propertySchema } from './counterexample.ts'
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
  where: { class: 'money', ungrounded: true, approved: false },
})

test('the product’s guardrails keep it: no counterexample, and how far that reaches', async () => {
  const found = findCounterexample(untrustedMoney, await sets(), { random: new SeededRandom(1) })
  assert.equal(found.counterexample, undefined)
  assert.ok(found.tried > 100 && found.tried <= found.of)
})

test('without the guardrail it is broken, and the call that breaks it is told', async () => {
  const policies = await sets('@id("base") permit (principal, action, resource);')
  const { counterexample, tried } = findCounterexample(untrustedMoney, policies, {
    random: new SeededRandom(1),
  })
  assert.equal(tried, 1)
  assert.deepEqual(
    [counterexample?.class, counterexample?.ungrounded, counterexample?.approved],
    ['money', true, false],
  )
})

test('a limit is tried on both sides', async () => {
  const policies = await sets(LIMIT)
  const search = (where: object, never: string) =>
    findCounterexample(propertySchema.parse({ name: 'x', where, never }), policies, {
      random: new SeededRandom(1),
    }).counterexample?.amount
  assert.equal(search({ class: 'money' }, 'deny'), 500.01)
  assert.notEqual(search({ class: 'money' }, 'permit'), 500.01)
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
