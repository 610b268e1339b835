/** Refusals beyond a budget suspend the agent, at whichever gateway they were said; and nobody else's. */

import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { sql } from 'kysely'
import type { EntryOf } from '../audit/entry.ts'
import { entriesBetween } from '../audit/queries.ts'
import { testActor } from '../audit/testing.ts'
import type { JsonObject } from '../base/canonical-json.ts'
import { must } from '../base/result.ts'
import { subDelegate } from '../delegation/sub-delegate.ts'
import { setRefusalBudget } from '../delegation/refusal-budget.ts'
import { testDelegation } from '../delegation/testing.ts'
import { resumeAgent } from '../identity/agent-state.ts'
import { findAgent } from '../identity/agent-store.ts'
import type { AgentId } from '../identity/agent.ts'
import { testAgent } from '../identity/testing.ts'
import { observeListing } from '../registry/observe.ts'
import { testListing } from '../registry/testing.ts'
import {
  call,
  openTestGateways,
  send,
  testCaller,
  type TestCaller,
  type TestGateway,
  type TestGateways,
} from './testing.ts'

const BUDGET = { refusals: 3, withinSeconds: 600 }
const BEYOND = { path: '/clients/2077/w2' }
const WITHIN = { path: '/clients/1042/w2' }

interface Scene {
  readonly office: TestGateways
  readonly one: TestGateway
  readonly other: TestGateway
}

async function twoGateways(t: TestContext): Promise<Scene> {
  const office = await openTestGateways(t)
  const open = (): Promise<TestGateway> => office.open({ refusalBudget: BUDGET })
  return { office, one: await open(), other: await open() }
}

/** An agent that may read below `/clients/1042`, however often. */
async function reader(office: TestGateways): Promise<TestCaller> {
  const agent = await testAgent(office)
  const delegation = await testDelegation(office, {
    delegate: { archetype: agent.archetype, agent: agent.id },
    details: [detail(office, '/clients/1042')],
  })
  return testCaller(agent, delegation, office)
}

function detail(office: TestGateways, prefix: string, more: JsonObject = {}): JsonObject {
  return {
    type: 'mcp_call',
    locations: [office.location],
    actions: ['tools/call:read'],
    arguments: { read: { path: { prefix } } },
    ...more,
  }
}

async function stateOf(office: TestGateways, agent: AgentId): Promise<string | undefined> {
  return (await findAgent(office.store.db, agent))?.state
}

async function suspensions(office: TestGateways): Promise<EntryOf<'agent_suspended'>[]> {
  const entries = await entriesBetween(office.store.db, { from: 0 })
  return entries.flatMap(({ entry }) => (entry.kind === 'agent_suspended' ? [entry] : []))
}

async function times(count: number, work: (at: number) => Promise<unknown>): Promise<void> {
  for (let at = 0; at < count; at++) await work(at)
}

test('refusals count over all gateways; the one beyond the budget suspends, and a person resumes', async (t) => {
  const { office, one, other } = await twoGateways(t)
  const caller = await reader(office)
  const { agent } = caller
  await times(3, (at) => call(at % 2 === 0 ? one : other, caller, 'read', BEYOND))
  assert.equal(await stateOf(office, agent.id), 'active')
  assert.equal((await call(other, caller, 'read', WITHIN)).answer['error'], undefined)

  await call(other, caller, 'read', BEYOND)
  assert.equal(await stateOf(office, agent.id), 'suspended')
  const [entry] = await suspensions(office)
  assert.deepEqual(entry?.refusals, { count: 4, budget: 3, withinSeconds: 600 })
  assert.equal(entry.reason, 'it was refused 4 times within 600 seconds')
  assert.equal(entry.delegation, caller.delegation.id)
  assert.equal(entry.accountable?.person, office.paul.person)
  assert.deepEqual(entry.by, { type: 'system', part: 'gateway' })

  // What was permitted before is refused at both now, and does not count again.
  const made = one.upstreams.made.length + other.upstreams.made.length
  for (const gateway of [one, other]) {
    const { answer } = await call(gateway, caller, 'read', WITHIN)
    assert.equal((answer['result'] as JsonObject)['isError'], true)
  }
  assert.equal(one.upstreams.made.length + other.upstreams.made.length, made)

  must(await resumeAgent({ agent: agent.id }, testActor, office))
  assert.equal(await stateOf(office, agent.id), 'active')
  // What was refused before the suspension is paid for.
  await times(3, () => call(one, caller, 'read', BEYOND))
  assert.equal(await stateOf(office, agent.id), 'active')
  await call(one, caller, 'read', BEYOND)
  assert.equal(await stateOf(office, agent.id), 'suspended')
  assert.equal((await suspensions(office)).length, 2)
  await office.check()
})

test('two gateways that count beyond the budget at once suspend once', async (t) => {
  const { office, one, other } = await twoGateways(t)
  const caller = await reader(office)
  await Promise.all([caller.token(one), caller.token(other)])
  await Promise.all(
    Array.from({ length: 12 }, (_, at) => call(at % 2 ? one : other, caller, 'read', BEYOND)),
  )
  assert.equal(await stateOf(office, caller.agent.id), 'suspended')
  assert.equal((await suspensions(office)).length, 1)
  await office.check()
})

test('what lies before the window is forgotten', async (t) => {
  const { office, one } = await twoGateways(t)
  const caller = await reader(office)
  await times(3, () => call(one, caller, 'read', BEYOND))
  await sql`update agent_refusal set at = at - 600000`.execute(office.store.db)
  await times(3, () => call(one, caller, 'read', BEYOND))
  assert.equal(await stateOf(office, caller.agent.id), 'active')
  await call(one, caller, 'read', BEYOND)
  assert.equal(await stateOf(office, caller.agent.id), 'suspended')
})

test('whoever answers for a kind of agent sets its budget, and nobody else', async (t) => {
  const { office, one } = await twoGateways(t)
  const wanted = { archetype: 'tax-preparer', refusals: 1, withinSeconds: 60 }
  const refused = await setRefusalBudget(wanted, office.alice, office)
  assert.equal(!refused.ok && refused.error.reason, 'not_entitled')
  for (const wrong of [{ refusals: 0 }, { refusals: 10_001 }, { withinSeconds: 604_801 }]) {
    const bad = await setRefusalBudget({ ...wanted, ...wrong }, office.paul, office)
    assert.equal(!bad.ok && bad.error.reason, 'bad_budget')
  }
  must(await setRefusalBudget(wanted, office.paul, office))
  const caller = await reader(office)
  await times(2, () => call(one, caller, 'read', BEYOND))
  assert.equal(await stateOf(office, caller.agent.id), 'suspended')
  await office.check()
})

const OTHERS: readonly (readonly [
  string,
  (scene: Scene, victim: TestCaller) => Promise<unknown>,
])[] = [
  ['a server that drifts', ({ office }) => observeListing('documents', testListing([]), office)],
  [
    'whoever holds its token without its key',
    async ({ office, one }, victim) => {
      const thief = testCaller(victim.agent, victim.delegation, office)
      const stolen = { ...thief, token: () => victim.token(one) }
      await times(6, async () => {
        const { status } = await send(one, stolen, { text: '{}' })
        assert.equal(status, 401)
      })
    },
  ],
  [
    'an agent that it handed work on to',
    async ({ office, one }, victim) => {
      const helper = await testAgent(office)
      const below = must(
        await subDelegate(
          {
            purpose: 'help',
            delegate: { archetype: helper.archetype, agent: helper.id },
            details: [detail(office, '/clients/1042')],
          },
          { agent: victim.agent.id, delegation: victim.delegation.id },
          office,
        ),
      )
      const caller = testCaller(helper, below, office)
      await times(4, () => call(one, caller, 'read', BEYOND))
      assert.equal(await stateOf(office, helper.id), 'suspended')
    },
  ],
]

for (const [name, attack] of OTHERS) {
  test(`nobody's agent is suspended by ${name}`, async (t) => {
    const scene = await twoGateways(t)
    const victim = await reader(scene.office)
    await attack(scene, victim)
    await times(6, () => call(scene.one, victim, 'read', WITHIN))
    assert.equal(await stateOf(scene.office, victim.agent.id), 'active')
    await scene.office.check()
  })
}

test('an agent is not suspended for a limit that another one used up', async (t) => {
  const { office, one } = await twoGateways(t)
  const agent = await testAgent(office)
  const delegation = await testDelegation(office, {
    delegate: { archetype: agent.archetype, agent: agent.id },
    details: [detail(office, '/clients/1042', { limits: { calls: 2 } })],
  })
  const victim = testCaller(agent, delegation, office)
  await times(2, () => call(one, victim, 'read', WITHIN))
  await times(6, async () => {
    const { answer } = await call(one, victim, 'read', WITHIN)
    assert.equal((answer['result'] as JsonObject)['isError'], true)
  })
  assert.equal(await stateOf(office, agent.id), 'active')
})
