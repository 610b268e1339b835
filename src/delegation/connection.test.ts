import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testActor } from '../audit/testing.ts'
import { assignOwner } from '../accountability/assign-owner.ts'
import { must } from '../base/result.ts'
import { archetypeSubject } from '../identity/agent.ts'
import { endAgent } from '../identity/agent-state.ts'
import { findAgent } from '../identity/agent-store.ts'
import { entriesFrom } from '../people/testing.ts'
import { checkDelegations } from './check-delegations.ts'
import { type Connection, connectClient, endConnection } from './connection.ts'
import { connectionsOf, openConnections } from './connection-store.ts'
import { countBelow, findDelegation } from './delegation-store.ts'
import { revoke, suspend } from './end.ts'
import { verifySignedDelegation } from './signed-delegation.ts'
import { agentsOf, loadTree } from './standing.ts'
import { openTestOffice, type TestOffice, testRequest } from './testing.ts'
import { closeWindow, findWindow, openWindow, windowsOf } from './window.ts'

/** What Alice asks for: her own client, for programs of uid 1000. */
function request(
  office: TestOffice,
  more: Partial<Parameters<typeof connectClient>[0]> = {},
): Parameters<typeof connectClient>[0] {
  const [details] = [testRequest(office).details as readonly object[]]
  const read = JSON.parse(JSON.stringify(details[0])) as { stages?: unknown }
  delete read.stages
  return {
    client: 'claude',
    purpose: 'work in Claude Code',
    archetype: office.agent.archetype,
    selectors: ['unix:uid:1000'],
    details: [read as never],
    lifetimeSeconds: 86_400,
    ...more,
  }
}

async function connected(office: TestOffice): Promise<Connection> {
  await owned(office)
  return must(await connectClient(request(office), office.alice, office))
}

async function owned(office: TestOffice): Promise<void> {
  const subject = archetypeSubject(office.agent.archetype)
  must(await assignOwner({ owned: subject, owner: office.paul.person }, testActor, office))
}

async function stateOf(office: TestOffice, connection: Connection): Promise<string | undefined> {
  return (await findDelegation(office.store.db, connection.delegation))?.state
}

test('each window is an agent of its own below the client, with all that the client has', async (t) => {
  const office = await openTestOffice(t)
  const connection = await connected(office)
  const [first, second] = [
    must(await openWindow(connection, office)),
    must(await openWindow(connection, office)),
  ]
  assert.notEqual(first.agent.id, second.agent.id)
  for (const { agent, delegation } of [first, second]) {
    assert.equal(agent.parent, connection.agent)
    assert.deepEqual(agent.selectors, ['unix:uid:1000'])
    assert.equal(delegation.person, office.alice.person)
    assert.equal(delegation.parent, connection.delegation)
    const tree = await office.store.snapshot((tx) => loadTree(tx, delegation.id))
    assert.ok(tree)
    assert.deepEqual(agentsOf(tree), [agent.id, connection.agent])
    const { claims } = must(verifySignedDelegation(delegation.signed, office))
    const client = await findAgent(office.store.db, connection.agent)
    assert.deepEqual(claims.may_act, { sub: agent.spiffeId })
    assert.deepEqual(claims.act, { sub: client?.spiffeId })
  }
  assert.deepEqual(
    (await windowsOf(connection, office)).map(({ id }) => id).toSorted(),
    [first.agent.id, second.agent.id].toSorted(),
  )
  await checkDelegations(office.store, office)
  const made = (await entriesFrom(0, office.store)).find(
    ({ kind }) => kind === 'connection_created',
  )
  assert.deepEqual(made, {
    v: 1,
    kind: 'connection_created',
    time: connection.createdAt,
    by: {
      type: 'person',
      person: office.alice.person,
      session: office.alice.id,
      presence: 'session',
    },
    touches: [connection.id],
    connection: connection.id,
    client: 'claude',
    agent: connection.agent,
    delegation: connection.delegation,
  })
})

test('a closed window is an ended agent, and its delegation is completed', async (t) => {
  const office = await openTestOffice(t)
  const connection = await connected(office)
  const { agent, delegation } = must(await openWindow(connection, office))
  const reason = 'its window was closed'
  await closeWindow(connection, { agent: agent.id, reason }, office)
  assert.equal((await findAgent(office.store.db, agent.id))?.state, 'ended')
  assert.equal((await findDelegation(office.store.db, delegation.id))?.state, 'completed')
  assert.equal(await stateOf(office, connection), 'active')
  assert.deepEqual(await windowsOf(connection, office), [])
  assert.deepEqual(await findWindow(connection, agent.id, office), {
    ok: false,
    error: { reason: 'window_ended' },
  })
  const size = (await entriesFrom(0, office.store)).length
  await closeWindow(connection, { agent: agent.id, reason }, office)
  assert.equal((await entriesFrom(0, office.store)).length, size)
  await checkDelegations(office.store, office)
})

test('more windows may be opened in a lifetime than may be open at once', async (t) => {
  const office = await openTestOffice(t)
  const connection = await connected(office)
  for (let i = 0; i < 3; i++) {
    const { agent } = must(await openWindow(connection, office))
    await closeWindow(connection, { agent: agent.id, reason: 'closed' }, office)
  }
  assert.equal(await countBelow(office.store.db, connection.delegation), 0)
})

test('ending a connection ends its delegation, its windows and the client', async (t) => {
  const office = await openTestOffice(t)
  const connection = await connected(office)
  const windows = [
    must(await openWindow(connection, office)),
    must(await openWindow(connection, office)),
  ]
  const ended = must(await endConnection({ id: connection.id }, office.alice, office))
  assert.ok(ended.endedAt)
  assert.equal(await stateOf(office, connection), 'revoked')
  for (const id of [connection.agent, ...windows.map(({ agent }) => agent.id)]) {
    assert.equal((await findAgent(office.store.db, id))?.state, 'ended')
  }
  assert.equal((await openWindow(connection, office)).ok, false)
  assert.deepEqual(await openWindow(ended, office), {
    ok: false,
    error: { reason: 'connection_ended' },
  })
  assert.deepEqual(await endConnection({ id: connection.id }, office.alice, office), {
    ok: false,
    error: { reason: 'connection_ended' },
  })
  assert.deepEqual(await office.store.snapshot((tx) => openConnections(tx)), [])
  assert.deepEqual(await office.store.snapshot((tx) => connectionsOf(tx, office.alice.person)), [
    ended,
  ])
  await checkDelegations(office.store, office)
})

test('what a crash left half ended is ended by asking again', async (t) => {
  const office = await openTestOffice(t)
  const connection = await connected(office)
  const { agent } = must(await openWindow(connection, office))
  must(await revoke({ delegation: connection.delegation }, office.alice, office))
  must(await endAgent({ agent: connection.agent }, testActor, office))
  must(await endConnection({ id: connection.id }, office.alice, office))
  assert.equal((await findAgent(office.store.db, agent.id))?.state, 'ended')
})

test('who may not revoke the delegation may not end the connection', async (t) => {
  const office = await openTestOffice(t)
  const connection = await connected(office)
  assert.deepEqual(await endConnection({ id: connection.id }, office.sam, office), {
    ok: false,
    error: { reason: 'not_entitled' },
  })
  assert.equal(await stateOf(office, connection), 'active')
  // Whoever answers for the client may, and administrators.
  must(await endConnection({ id: connection.id }, office.paul, office))
})

test('a suspended delegation opens no window, and keeps those that are open', async (t) => {
  const office = await openTestOffice(t)
  const connection = await connected(office)
  const { agent } = must(await openWindow(connection, office))
  const { delegation } = connection
  must(await suspend({ delegation, reason: 'waiting' }, office.alice, office))
  const refused = await openWindow(connection, office)
  assert.equal(!refused.ok && refused.error.reason, 'delegation_suspended')
  assert.deepEqual(
    (await windowsOf(connection, office)).map(({ id }) => id),
    [agent.id],
  )
})

test('a window of another connection is none of this one', async (t) => {
  const office = await openTestOffice(t)
  const one = await connected(office)
  const other = must(await connectClient(request(office), office.alice, office))
  const { agent } = must(await openWindow(other, office))
  assert.deepEqual(await findWindow(one, agent.id, office), {
    ok: false,
    error: { reason: 'unknown_window' },
  })
  assert.equal((await findWindow(other, agent.id, office)).ok, true)
})

test('nothing stays of a connection that is refused', async (t) => {
  const office = await openTestOffice(t)
  const nobody = await connectClient(request(office), office.alice, office)
  assert.equal(!nobody.ok && nobody.error.reason, 'nobody_accountable')
  await owned(office)
  const cases = [
    [request(office, { selectors: [] }), 'bad_selector'],
    [request(office, { selectors: ['unix:uid:root'] }), 'bad_selector'],
    [request(office, { archetype: 'nobody' }), 'nobody_accountable'],
    [request(office, { details: [] }), 'invalid_authorization_details'],
    [request(office, { lifetimeSeconds: 0 }), 'invalid_request'],
  ] as const
  for (const [asked, reason] of cases) {
    const refused = await connectClient(asked, office.alice, office)
    assert.equal(!refused.ok && refused.error.reason, reason)
  }
  assert.deepEqual(await office.store.snapshot((tx) => openConnections(tx)), [])
  const entries = await entriesFrom(0, office.store)
  const count = (kind: string): number => entries.filter((entry) => entry.kind === kind).length
  // The office's own agent is the only one that is left.
  assert.equal(count('agent_created') - count('agent_ended'), 1)
})
