import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { sql } from 'kysely'
import { decodeEntry, type Entry } from '../audit/entry.ts'
import { testActor } from '../audit/testing.ts'
import { must } from '../base/result.ts'
import type { Store } from '../store/store.ts'
import { agentIdSchema, agentNamedBy } from './agent.ts'
import { endAgent, resumeAgent, suspendAgent } from './agent-state.ts'
import { findAgent, listAgents, listArchetypes } from './agent-store.ts'
import { createAgent, createArchetype } from './create-agent.ts'
import { parseSpiffeId } from './spiffe-id.ts'
import { openTestIdentity, testAccountable, testAgent, type TestIdentity } from './testing.ts'

async function entries(store: Store): Promise<Entry[]> {
  const { rows } = await sql<{ entry: Buffer }>`select entry from log_entry order by index`.execute(
    store.db,
  )
  return rows.map(({ entry }) => decodeEntry(entry))
}

async function open(t: TestContext): Promise<TestIdentity> {
  const env = await openTestIdentity(t)
  must(await createArchetype({ name: 'tax-preparer', description: 'prepares' }, testActor, env))
  return env
}

test('an archetype is made once, and recorded', async (t) => {
  const env = await open(t)
  assert.deepEqual(
    await createArchetype({ name: 'tax-preparer', description: 'another' }, testActor, env),
    { ok: false, error: { reason: 'archetype_exists' } },
  )
  assert.deepEqual(await env.store.snapshot(listArchetypes), [
    { name: 'tax-preparer', description: 'prepares' },
  ])
  assert.deepEqual(await entries(env.store), [
    {
      v: 1,
      kind: 'archetype_created',
      time: env.clock.nowMilliseconds(),
      by: testActor,
      touches: ['archetype:tax-preparer'],
      archetype: 'archetype:tax-preparer',
      description: 'prepares',
    },
  ])
})

test('refuses names of archetypes', async (t) => {
  const env = await openTestIdentity(t)
  for (const name of ['', 'A', 'a_b', 'a b', '-a', 'a-', 'a/b', '..', 'a'.repeat(64), 'ä']) {
    const created = await createArchetype({ name, description: '' }, testActor, env)
    assert.deepEqual(created, { ok: false, error: { reason: 'bad_name' } })
  }
})

test('an agent has an identity of its own, and the entry freezes who answers', async (t) => {
  const env = await open(t)
  const agent = await testAgent(env, { selectors: ['unix:uid:0'] })
  const other = await testAgent(env, { parent: agent.id })

  assert.ok(agentIdSchema.safeParse(agent.id).success)
  assert.equal(agent.spiffeId, `spiffe://acme.example/agent/tax-preparer/${agent.id.slice(4)}`)
  assert.deepEqual(must(parseSpiffeId(agent.spiffeId)), agent.spiffeId)
  assert.equal(must(agentNamedBy(agent.spiffeId, env.trustDomain)), agent.id)
  assert.notEqual(agent.id, other.id)
  for (const name of [agent.id, agent.spiffeId] as const) {
    assert.deepEqual(await env.store.snapshot((tx) => findAgent(tx, name)), agent)
  }
  assert.deepEqual((await entries(env.store)).slice(1), [
    {
      v: 1,
      kind: 'agent_created',
      time: env.clock.nowMilliseconds(),
      by: testActor,
      touches: [agent.id],
      agent: agent.id,
      spiffeId: agent.spiffeId,
      archetype: 'archetype:tax-preparer',
      selectors: ['unix:uid:0'],
      accountable: testAccountable,
    },
    {
      v: 1,
      kind: 'agent_created',
      time: env.clock.nowMilliseconds(),
      by: testActor,
      touches: [other.id],
      agent: other.id,
      spiffeId: other.spiffeId,
      archetype: 'archetype:tax-preparer',
      parent: agent.id,
      selectors: [],
      accountable: testAccountable,
    },
  ])
})

test('refused agents leave nothing behind', async (t) => {
  const env = await open(t)
  const parent = await testAgent(env)
  must(await suspendAgent({ agent: parent.id, reason: 'test' }, testActor, env))
  const before = await entries(env.store)
  for (const [request, reason] of [
    [{ archetype: 'nobody', selectors: [] }, 'unknown_archetype'],
    [{ archetype: 'tax-preparer', selectors: ['uid:0'] }, 'bad_selector'],
    [
      {
        archetype: 'tax-preparer',
        selectors: [],
        parent: 'agt_00000000-0000-4000-8000-000000000000',
      },
      'unknown_parent',
    ],
    [{ archetype: 'tax-preparer', selectors: [], parent: parent.id }, 'parent_not_active'],
  ] as const) {
    const created = await createAgent(request, testActor, testAccountable, env)
    assert.equal(created.ok ? undefined : created.error.reason, reason)
  }
  assert.deepEqual(await entries(env.store), before)
  assert.equal((await env.store.snapshot((tx) => listAgents(tx, { limit: 10 }))).length, 1)
})

function wrong(state: string): object {
  return { ok: false, error: { reason: 'wrong_state', state } }
}

test('states: each way that is open, each that is not', async (t) => {
  const env = await open(t)
  const { id: agent } = await testAgent(env)
  const suspend = () => suspendAgent({ agent, reason: 'nobody_accountable' }, testActor, env)
  const resume = () => resumeAgent({ agent }, testActor, env)
  const end = () => endAgent({ agent }, testActor, env)

  assert.deepEqual(await resume(), wrong('active'))
  const suspended = must(await suspend())
  assert.deepEqual([suspended.state, suspended.suspendedFor], ['suspended', 'nobody_accountable'])
  assert.deepEqual(await env.store.snapshot((tx) => findAgent(tx, agent)), suspended)
  assert.deepEqual(await suspend(), wrong('suspended'))
  const resumed = must(await resume())
  assert.deepEqual([resumed.state, resumed.suspendedFor], ['active', undefined])
  must(await suspend())
  assert.equal(must(await end()).state, 'ended')
  for (const act of [suspend, resume, end]) assert.deepEqual(await act(), wrong('ended'))

  const kinds = (await entries(env.store)).map(({ kind, touches }) => [kind, touches])
  assert.deepEqual(kinds.slice(2), [
    ['agent_suspended', [agent]],
    ['agent_resumed', [agent]],
    ['agent_suspended', [agent]],
    ['agent_ended', [agent]],
  ])
})

test('an unknown agent has no state to change', async (t) => {
  const env = await open(t)
  const agent = 'agt_00000000-0000-4000-8000-000000000000'
  assert.deepEqual(await endAgent({ agent }, testActor, env), {
    ok: false,
    error: { reason: 'unknown_agent' },
  })
})

test('pages of agents follow each other, filtered', async (t) => {
  const env = await open(t)
  const made = []
  for (let n = 0; n < 5; n++) made.push(await testAgent(env))
  const [first] = made
  assert.ok(first)
  must(await suspendAgent({ agent: first.id, reason: 'test' }, testActor, env))
  const ids = made.map(({ id }) => id).toSorted()

  const list = async (page: Parameters<typeof listAgents>[1]): Promise<string[]> =>
    (await env.store.snapshot((tx) => listAgents(tx, page))).map(({ id }) => id)
  const page = await list({ limit: 3 })
  assert.deepEqual(page, ids.slice(0, 3))
  assert.deepEqual(await list({ limit: 3, after: page[2] as typeof first.id }), ids.slice(3))
  assert.deepEqual(await list({ limit: 9, state: 'suspended' }), [first.id])
  assert.deepEqual(await list({ limit: 9, archetype: 'other' }), [])
})
