/** Who asks for tokens too often, or is refused too often: bounded, told to wait, and on record as one. */

import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { EntryOf } from '../audit/entry.ts'
import { entriesBetween } from '../audit/queries.ts'
import type { JsonObject } from '../base/canonical-json.ts'
import { Allowances } from '../identity/allowance.ts'
import { testAgent } from '../identity/testing.ts'
import { RefusalRecords } from './refusal-records.ts'
import {
  openTestTokens,
  TEST_ISSUER,
  testExchange,
  testHolder,
  type TestTokenEnv,
  type TestTokens,
} from './testing.ts'
import { statesUncounted } from './uncounted-limits.ts'

interface Scene {
  readonly world: TestTokens
  readonly env: TestTokenEnv
  /** What came of an exchange: `issued`, or the reason and the status. */
  readonly ask: (form?: Readonly<Record<string, string>>, stolen?: boolean) => Promise<string>
  readonly refusals: () => Promise<EntryOf<'token_refused'>[]>
}

/** An agent that may be refused three times, and ask five times, before it has to wait. */
async function hasty(t: TestContext): Promise<Scene> {
  const world = await openTestTokens(t)
  const env = {
    ...world.env,
    refusalRecords: new RefusalRecords(world.env, { burst: 3, perSecond: 1 / 30 }),
    exchanges: new Allowances({ burst: 5, perSecond: 1 }, world.env),
  }
  const agent = await testAgent(env)
  const delegation = await world.delegation({ agent: agent.id })
  const [holder, thief] = [testHolder(env), testHolder(env)]
  const resource = `${TEST_ISSUER}/mcp/documents`
  return {
    world,
    env,
    ask: async (form = { resource }, stolen = false) => {
      const asker = { agent, holder: stolen ? thief : holder }
      const answer = await testExchange(asker, { delegation, form }, env)
      return answer.ok ? 'issued' : `${answer.error.reason} ${answer.error.status}`
    },
    refusals: async () => {
      const entries = await entriesBetween(env.store.db, { from: 0 })
      return entries.flatMap(({ entry }) => (entry.kind === 'token_refused' ? [entry] : []))
    },
  }
}

const WRONG = { resource: 'https://elsewhere.example/mcp' }

test('an agent that asks too often waits, and is served again', async (t) => {
  const { ask, env } = await hasty(t)
  for (let at = 0; at < 5; at++) assert.equal(await ask(), 'issued')
  assert.equal(await ask(), 'too_many_requests 429')
  await env.clock.advance(1_000)
  assert.equal(await ask(), 'issued')
})

test('who stole the SVID uses up nothing of the agent’s', async (t) => {
  const { ask } = await hasty(t)
  assert.equal(await ask(), 'issued')
  for (let at = 0; at < 8; at++) assert.notEqual(await ask(undefined, true), 'issued')
  assert.equal(await ask(), 'issued')
})

test('refusals that flood are one entry, with their number', async (t) => {
  const { ask, refusals, env } = await hasty(t)
  env.exchanges.take('warm')
  for (let at = 0; at < 3; at++) assert.equal(await ask(WRONG), 'resource_not_delegated 400')
  for (let at = 0; at < 40; at++) assert.equal(await ask(WRONG), 'too_many_requests 429')
  assert.equal((await refusals()).length, 3)
  await env.refusalRecords.flush()
  await env.refusalRecords.flush()
  const [, , , last, ...others] = await refusals()
  assert.equal(others.length, 0)
  assert.deepEqual([last?.more, last?.reason], [39, 'too_many_requests'])
  // The next that may stand by itself takes what was counted with it.
  await ask(WRONG)
  await env.clock.advance(30_000)
  assert.equal(await ask(WRONG), 'resource_not_delegated 400')
  assert.equal((await refusals()).at(-1)?.more, 1)
})

const detail = (more: JsonObject = {}): JsonObject => ({
  type: 'mcp_call',
  locations: [`${TEST_ISSUER}/mcp/documents`],
  actions: ['tools/call:pay'],
  ...more,
})

for (const [name, own, asked, want] of [
  ['a limit where there is none', [{}], { limits: { calls: 1 } }, true],
  ['a smaller limit', [{ limits: { calls: 3 } }], { limits: { calls: 1 } }, true],
  ['the same limit', [{ limits: { calls: 3 } }], { limits: { calls: 3 } }, false],
  ['an earlier end', [{}], { limits: { until: 1 } }, false],
  ['a total where there is none', [{}], { limits: { sum: { amount: 5 } } }, true],
  [
    'a smaller sum on an argument',
    [{ arguments: { pay: { amount: { sum: 9 } } } }],
    { arguments: { pay: { amount: { sum: 5 } } } },
    true,
  ],
  [
    'a limit that another of its details has, where the call may be charged to the other',
    [{}, { limits: { calls: 1 } }],
    { limits: { calls: 1 } },
    true,
  ],
] as const) {
  test(`asked for at the exchange, ${name} is ${want ? 'refused' : 'granted'}`, async (t) => {
    const details = own.map((one) => detail(one))
    const wanted = [detail(asked)]
    assert.equal(statesUncounted(wanted as never, details as never), want)
    const world = await openTestTokens(t)
    const agent = await testAgent(world.env)
    const delegation = await world.delegation({ agent: agent.id, details })
    const form = {
      resource: `${TEST_ISSUER}/mcp/documents`,
      authorization_details: JSON.stringify(wanted),
    }
    const answer = await world.exchange({ agent, holder: testHolder(world.env) }, delegation, form)
    assert.equal(answer.ok ? 'issued' : answer.error.reason, want ? 'limits_not_counted' : 'issued')
  })
}
