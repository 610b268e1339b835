import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sql } from 'kysely'
import { testActor } from '../audit/testing.ts'
import { must } from '../base/result.ts'
import type { Agent } from '../identity/agent.ts'
import { endAgent } from '../identity/agent-state.ts'
import { testAgent } from '../identity/testing.ts'
import { deactivatePerson } from '../people/person-state.ts'
import { entriesFrom } from '../people/testing.ts'
import { append } from '../audit/append.ts'
import { checkDelegations } from './check-delegations.ts'
import { claim } from './claim.ts'
import { type Delegation, MAX_DEPTH } from './delegation.ts'
import { revoke, suspend } from './end.ts'
import { verifySignedDelegation, verifyTree } from './signed-delegation.ts'
import { agentsOf, loadTree, type Tree } from './standing.ts'
import { subDelegate, type SubDelegateRequest } from './sub-delegate.ts'
import { openTestOffice, testDelegation, type TestOffice } from './testing.ts'

/** Part of what `testRequest` grants: one file, fewer calls. */
function part(
  office: TestOffice,
  to: Agent,
  more: Partial<SubDelegateRequest> = {},
): SubDelegateRequest {
  return {
    purpose: 'read the W-2',
    delegate: { archetype: to.archetype, agent: to.id },
    details: [
      {
        type: 'mcp_call',
        locations: [office.location],
        actions: ['tools/call:read'],
        arguments: { read: { path: { equals: '/clients/1042/w2.txt' } } },
        stages: ['collect'],
        limits: { calls: 2 },
      },
    ],
    ...more,
  }
}

const caller = (
  agent: Agent,
  { id }: Delegation,
): { agent: Agent['id']; delegation: Delegation['id'] } => ({
  agent: agent.id,
  delegation: id,
})

async function treeOf(office: TestOffice, { id }: Delegation): Promise<Tree> {
  const tree = await office.store.snapshot((tx) => loadTree(tx, id))
  assert.ok(tree)
  return tree
}

test('an agent passes part of its authority on, and the chain is kept', async (t) => {
  const office = await openTestOffice(t)
  const reader = await testAgent(office, { archetype: 'reader' })
  const helper = await testAgent(office, { archetype: 'reader' })
  const root = await testDelegation(office)
  const child = must(await subDelegate(part(office, reader), caller(office.agent, root), office))
  const grandchild = must(await subDelegate(part(office, helper), caller(reader, child), office))

  assert.equal(child.person, office.alice.person)
  assert.equal(child.parent, root.id)
  assert.deepEqual(child.ancestors, [root.id])
  assert.equal(child.expiresAt, root.expiresAt)
  assert.equal(child.stage, 'collect')
  assert.deepEqual(grandchild.ancestors, [root.id, child.id])

  const { claims } = must(verifySignedDelegation(grandchild.signed, office))
  assert.deepEqual(claims.act, { sub: reader.spiffeId, act: { sub: office.agent.spiffeId } })
  assert.deepEqual(claims.may_act, { sub: helper.spiffeId })
  assert.equal(claims.sub, office.alice.person)
  assert.equal(claims.parent, child.id)

  const tree = await treeOf(office, grandchild)
  assert.deepEqual(agentsOf(tree), [helper.id, reader.id, office.agent.id])
  assert.equal(verifyTree(tree, office).ok, true)
  const [entry] = (await entriesFrom(0, office.store)).slice(-1)
  assert.deepEqual(entry?.by, {
    type: 'agent',
    agent: reader.id,
    delegation: child.id,
    person: office.alice.person,
  })
  await checkDelegations(office.store, office)
})

test('INVARIANT (narrowing): what is wider than the parent is refused', async (t) => {
  const office = await openTestOffice(t)
  const reader = await testAgent(office, { archetype: 'reader' })
  const root = await testDelegation(office, { lifetimeSeconds: 600 })
  const [detail] = part(office, reader).details as object[]
  const change = (members: object): Partial<SubDelegateRequest> => ({
    details: [JSON.parse(JSON.stringify({ ...detail, ...members })) as never],
  })
  const wider: readonly (readonly [string, Partial<SubDelegateRequest>, string])[] = [
    [
      'another tool',
      change({ actions: ['tools/call:write'], arguments: undefined }),
      'not_contained',
    ],
    [
      'another file',
      change({ arguments: { read: { path: { prefix: '/clients' } } } }),
      'not_contained',
    ],
    ['any file', change({ arguments: undefined }), 'not_contained'],
    ['another stage', change({ stages: ['collect', 'draft'] }), 'not_contained'],
    ['a stage that the job has not', change({ stages: ['file'] }), 'not_contained'],
    ['any stage', change({ stages: undefined }), 'not_contained'],
    ['more calls', change({ limits: { calls: 11 } }), 'not_contained'],
    ['calls without limit', change({ limits: undefined }), 'not_contained'],
    ['a longer life', { lifetimeSeconds: 601 }, 'not_contained'],
    ['stages of its own', { stages: ['collect'] } as never, 'invalid_request'],
    ['movers of its own', { stageMovers: [office.sam.person] } as never, 'invalid_request'],
  ]
  for (const [name, more, reason] of wider) {
    const result = await subDelegate(part(office, reader, more), caller(office.agent, root), office)
    assert.equal(result.ok ? 'made' : result.error.reason, reason, name)
  }
  assert.equal(
    (await subDelegate(part(office, reader), caller(office.agent, root), office)).ok,
    true,
  )
  await checkDelegations(office.store, office)
})

test('another approver is not a narrower one, and an approval may be added', async (t) => {
  const office = await openTestOffice(t)
  const reader = await testAgent(office, { archetype: 'reader' })
  const root = await testDelegation(office)
  const file = (by: string | undefined): Partial<SubDelegateRequest> => ({
    details: [
      {
        type: 'mcp_call',
        locations: [office.location],
        actions: ['tools/call:file'],
        arguments: { file: { client: { equals: '1042' } } },
        stages: ['draft'],
        ...(by === undefined ? {} : { approval: { by } }),
      },
    ],
  })
  const attempt = async (by: string | undefined): Promise<boolean> =>
    (await subDelegate(part(office, reader, file(by)), caller(office.agent, root), office)).ok
  assert.equal(await attempt(undefined), false)
  assert.equal(await attempt(office.sam.person), false)
  assert.equal(await attempt(office.paul.person), false)
  assert.equal(await attempt(office.partners.id), true)
})

test('only the agent whose delegation it is, while it stands', async (t) => {
  const office = await openTestOffice(t)
  const { agent, alice, store } = office
  const reader = await testAgent(office, { archetype: 'reader' })
  const root = await testDelegation(office)
  const attempt = async (by: Agent, under: Delegation): Promise<string> => {
    const result = await subDelegate(part(office, reader), caller(by, under), office)
    return result.ok ? 'made' : result.error.reason
  }
  assert.equal(await attempt(reader, root), 'not_the_delegate')
  assert.equal(
    await attempt(agent, { ...root, id: `${root.id.slice(0, -2)}00` as never }),
    'not_the_delegate',
  )
  const unclaimed = await testDelegation(office, { delegate: { archetype: 'tax-preparer' } })
  assert.equal(await attempt(agent, unclaimed), 'not_the_delegate')

  const child = must(await subDelegate(part(office, reader), caller(agent, root), office))
  must(await suspend({ delegation: root.id }, alice, office))
  assert.equal(await attempt(agent, root), 'delegation_suspended')
  assert.equal(await attempt(reader, child), 'delegation_suspended')
  must(await revoke({ delegation: root.id }, alice, office))
  assert.equal(await attempt(reader, child), 'delegation_revoked')

  const altered = await testDelegation(office)
  await sql`update delegation set details = jsonb_set(details, '{0,limits,calls}', '1000')
    where id = ${altered.id}`.execute(store.db)
  assert.equal(await attempt(agent, altered), 'parent_not_as_signed')

  const late = await testDelegation(office)
  must(await endAgent({ agent: agent.id }, testActor, office))
  assert.equal(await attempt(agent, late), 'agent_not_active')
  must(await deactivatePerson({ person: 'alice' }, testActor, office))
  assert.equal(await attempt(agent, late), 'person_inactive')
})

test('a tree is at most sixteen deep', async (t) => {
  const office = await openTestOffice(t)
  let above = await testDelegation(office)
  for (let depth = 2; depth <= MAX_DEPTH; depth++) {
    above = must(await subDelegate(part(office, office.agent), caller(office.agent, above), office))
  }
  const result = await subDelegate(part(office, office.agent), caller(office.agent, above), office)
  assert.equal(result.ok ? 'made' : result.error.reason, 'too_deep')
  await checkDelegations(office.store, office)
})

test('of two instances that claim at once, one wins', async (t) => {
  const office = await openTestOffice(t)
  const made = await testDelegation(office, { delegate: { archetype: 'tax-preparer' } })
  const agents = [office.agent, await testAgent(office), await testAgent(office)]
  const other = await testAgent(office, { archetype: 'reader' })
  const attempt = (agent: Agent): Promise<string> =>
    office.store.transaction(async (tx) => {
      const { delegation } = (await loadTree(tx, made.id)) as Tree
      const claimed = await claim(tx, delegation, agent, office)
      if (!claimed.ok) return claimed.error.reason
      if (claimed.value.length > 0) await append(tx, claimed.value)
      return claimed.value.length > 0 ? 'claimed' : 'held'
    })
  assert.equal(await attempt(other), 'not_the_delegate')
  const outcomes = await Promise.all(agents.map(attempt))
  assert.deepEqual(outcomes.toSorted(), ['claimed', 'not_the_delegate', 'not_the_delegate'])
  assert.deepEqual(
    await Promise.all(agents.map(attempt)),
    outcomes.map((outcome) => (outcome === 'claimed' ? 'held' : outcome)),
  )
  await checkDelegations(office.store, office)
})
