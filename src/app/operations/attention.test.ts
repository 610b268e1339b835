/** Who is told of a suspended agent, what they are told, and who is not. */

import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { sql } from 'kysely'
import { assignOwner } from '../../accountability/assign-owner.ts'
import type { Output } from '../../api/operations.ts'
import { testActor } from '../../audit/testing.ts'
import { must } from '../../base/result.ts'
import { delegate } from '../../delegation/delegate.ts'
import { testRequest } from '../../delegation/testing.ts'
import { call } from '../../gateway/testing.ts'
import { archetypeSubject } from '../../identity/agent.ts'
import { resumeAgent, suspendAgent } from '../../identity/agent-state.ts'
import { activatePolicies } from '../../policy/testing.ts'
import { bearer, openScene, type Scene } from '../access/testing.ts'
import type { Installation } from '../installation.ts'
import { routes } from '../routes.ts'

interface Overspent extends Scene {
  readonly env: Installation
}

/** Alice's agent, for which Sam answers, reached three times for what it was not given, and is suspended. */
async function overspent(
  t: TestContext,
  before: (scene: Scene) => Promise<void> = async () => undefined,
): Promise<Overspent> {
  const scene = await openScene(t)
  await before(scene)
  const { office, caller } = scene
  const gateway = await office.open({ refusalBudget: { refusals: 2, withinSeconds: 600 } })
  const archetype = archetypeSubject(office.agent.archetype)
  must(await assignOwner({ owned: archetype, owner: office.sam.person }, testActor, office))
  for (const path of ['/clients/1', '/clients/2', '/clients/3'])
    await call(gateway, caller, 'read', { path })
  const env = { ...gateway.env, masterKey: office.random.bytes(32) } as unknown as Installation
  return { ...scene, gateway, env }
}

async function attention({ env }: Overspent, token: string): Promise<Output<'listAttention'>> {
  const path = '/api/v1/attention'
  const headers: Record<string, string> = bearer(token)
  const route = routes(env).find((one) => one.method === 'GET' && one.path === path)
  const answer = await route?.handle({
    method: 'GET',
    path,
    query: new URLSearchParams(),
    parameters: {},
    headers,
    times: (name) => (headers[name] === undefined ? 0 : 1),
    body: Buffer.alloc(0),
    signal: new AbortController().signal,
  })
  assert.equal(answer?.status, 200, String(answer?.body))
  return JSON.parse(String(answer.body)) as Output<'listAttention'>
}

test('whoever answers learns that an agent was suspended, for which refusals, and lets it go on', async (t) => {
  const scene = await overspent(t)
  const { agents, approvals, more } = await attention(scene, scene.sam)
  assert.deepEqual([approvals, more, agents.length], [[], false, 1])
  const [agent] = agents
  assert.ok(agent)
  const { refusals, since, entry, ...told } = agent
  assert.deepEqual(told, {
    id: scene.office.agent.id,
    archetype: scene.office.agent.archetype,
    suspendedFor: 'it was refused 3 times within 600 seconds',
    as: ['answers'],
    accountable: { person: scene.office.sam.person, name: told.accountable?.name },
    delegations: [],
  })
  assert.deepEqual(
    refusals.map(({ what, why }) => [what, why]),
    Array.from({ length: 3 }, () => [
      'documents tools/call:read',
      'intent: outside_intent_arguments',
    ]),
  )
  assert.ok(refusals.every((one) => one.entry < (entry ?? 0) && one.time <= (since ?? 0)))
  must(await resumeAgent({ agent: scene.office.agent.id }, testActor, scene.office))
  assert.deepEqual((await attention(scene, scene.sam)).agents, [])
})

test('the person it works for learns it too, and who may let it go on', async (t) => {
  const scene = await overspent(t)
  const [agent] = (await attention(scene, scene.alice)).agents
  assert.deepEqual(agent?.as, ['delegated'])
  assert.equal(agent.accountable?.person, scene.office.sam.person)
  assert.deepEqual(
    agent.delegations.map(({ id }) => id),
    [scene.delegation.id],
  )
  assert.equal(agent.refusals.length, 3)
})

test('nobody else is told', async (t) => {
  const scene = await overspent(t)
  assert.deepEqual(await attention(scene, scene.ada), { approvals: [], agents: [], more: false })
})

test('an agent for which nobody answers is told to those who may say who does', async (t) => {
  const scene = await overspent(t)
  await sql`delete from owner`.execute(scene.office.store.db)
  assert.deepEqual((await attention(scene, scene.sam)).agents, [])
  const [agent] = (await attention(scene, scene.ada)).agents
  assert.deepEqual([agent?.as, agent?.accountable, agent?.refusals], [['appoints'], undefined, []])
})

test('what was refused under another person’s delegation is not for those who only delegated', async (t) => {
  let own = ''
  const scene = await overspent(t, async ({ office }) => {
    const more = { delegate: { archetype: office.agent.archetype, agent: office.agent.id } }
    own = must(await delegate(testRequest(office, more), office.ada, office)).id
  })
  const [agent] = (await attention(scene, scene.ada)).agents
  assert.deepEqual(agent?.as, ['delegated'])
  assert.deepEqual([agent.delegations.map(({ id }) => id), agent.refusals], [[own], []])
  assert.equal((await attention(scene, scene.alice)).agents[0]?.refusals.length, 3)
})

test('a suspension that a person ordered says its reason, and no refusals from before', async (t) => {
  const scene = await overspent(t)
  const { office } = scene
  must(await resumeAgent({ agent: office.agent.id }, testActor, office))
  const request = { agent: office.agent.id, reason: 'looks confused' }
  must(await suspendAgent(request, testActor, office))
  const [agent] = (await attention(scene, scene.alice)).agents
  assert.deepEqual([agent?.suspendedFor, agent?.refusals], ['looks confused', []])
})

test('policy may say that nobody is told', async (t) => {
  const scene = await overspent(t)
  const administration = `@id("a") permit (principal, action == Action::"session.show", resource);`
  must(await activatePolicies({ administration }, testActor, scene.office))
  await assert.rejects(attention(scene, scene.sam), /403/)
})
