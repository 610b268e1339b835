import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assignOwner } from '../accountability/assign-owner.ts'
import { must } from '../base/result.ts'
import type { DelegationId } from '../delegation/delegation.ts'
import { moveStage } from '../delegation/stage.ts'
import { loadTree } from '../delegation/standing.ts'
import { openTestOffice, testDelegation, type TestOffice } from '../delegation/testing.ts'
import { testActor } from '../audit/testing.ts'
import { resumeAgent, suspendAgent } from '../identity/agent-state.ts'
import { archetypeSubject } from '../identity/agent.ts'
import { createGroup, addMember, removeMember } from '../people/membership.ts'
import { deactivatePerson, reactivatePerson } from '../people/person-state.ts'
import { logSize, staleAmong } from '../store/changes.ts'
import { loadFacts, type Facts } from './load-facts.ts'

async function read(
  office: TestOffice,
  id: DelegationId,
): Promise<{ facts: Facts; readAt: number }> {
  return await office.store.snapshot(async (tx) => {
    const readAt = await logSize(tx)
    const tree = await loadTree(tx, id)
    assert(tree !== undefined)
    return { facts: await loadFacts(tx, { tree, agents: [office.agent.id] }), readAt }
  })
}

/** Paul answers for the agents of the archetype. */
async function own(office: TestOffice): Promise<void> {
  const owned = archetypeSubject(office.agent.archetype)
  must(await assignOwner({ owned, owner: office.paul.person }, testActor, office))
}

test('the facts of a call, and what they relied on', async (t) => {
  const office = await openTestOffice(t)
  await own(office)
  const group = must(await createGroup({ name: 'preparers' }, testActor, office))
  must(await addMember({ group: 'preparers', person: office.alice.person }, testActor, office))
  const { id } = await testDelegation(office)
  const { facts } = await read(office, id)
  const archetype = archetypeSubject(office.agent.archetype)
  assert.deepEqual(
    { ...facts, relied: facts.relied.toSorted() },
    {
      agents: [{ id: office.agent.id, archetype: office.agent.archetype, state: 'active' }],
      people: [
        {
          id: office.alice.person,
          handle: 'alice',
          active: true,
          groups: [{ id: group.id, name: 'preparers' }],
        },
      ],
      delegation: { id, depth: 0 },
      agency: {},
      stage: 'collect',
      accountable: {
        person: office.paul.person,
        name: 'Paul',
        path: [
          { via: 'agent', subject: office.agent.id },
          { via: 'archetype', subject: archetype },
          { via: 'person', subject: office.paul.person },
        ],
      },
      relied: [
        'policy',
        id,
        office.agent.id,
        archetype,
        office.alice.person,
        group.id,
        office.paul.person,
      ].toSorted(),
    },
  )
})

test('an agent for whom nobody answers is as good as suspended', async (t) => {
  const office = await openTestOffice(t)
  await own(office)
  const { id } = await testDelegation(office)
  must(
    await assignOwner(
      { owned: archetypeSubject(office.agent.archetype), owner: null },
      testActor,
      office,
    ),
  )
  const { facts } = await read(office, id)
  assert.equal(facts.accountable, undefined)
  assert.deepEqual(
    facts.agents.map(({ state }) => state),
    ['suspended'],
  )
})

test('one instant: no fact changes without a subject that was relied on', async (t) => {
  const office = await openTestOffice(t)
  await own(office)
  const { id } = await testDelegation(office)
  must(await createGroup({ name: 'others' }, testActor, office))
  const membership = { group: 'others', person: office.alice.person }
  const by = testActor
  const changes: readonly (readonly [name: string, change: () => Promise<unknown>])[] = [
    ['stage', () => moveStage({ delegation: id, stage: 'draft' }, office.alice, office)],
    ['group', () => addMember(membership, by, office)],
    ['group again', () => removeMember(membership, by, office)],
    ['agent', () => suspendAgent({ agent: office.agent.id, reason: 'x' }, by, office)],
    ['agent again', () => resumeAgent({ agent: office.agent.id }, by, office)],
    [
      'owner',
      () =>
        assignOwner(
          { owned: archetypeSubject(office.agent.archetype), owner: office.ada.person },
          by,
          office,
        ),
    ],
    [
      'nobody',
      () =>
        assignOwner({ owned: archetypeSubject(office.agent.archetype), owner: null }, by, office),
    ],
    [
      'somebody',
      () =>
        assignOwner(
          { owned: archetypeSubject(office.agent.archetype), owner: office.paul.person },
          by,
          office,
        ),
    ],
    ['the answering person', () => deactivatePerson({ person: office.paul.person }, by, office)],
    ['the person', () => deactivatePerson({ person: office.alice.person }, by, office)],
    ['the person again', () => reactivatePerson({ person: office.alice.person }, by, office)],
  ]
  for (const [name, change] of changes) {
    const before = await read(office, id)
    await change()
    const after = await read(office, id)
    assert.notDeepEqual(after.facts, before.facts, `${name}: expected a change`)
    const stale = await office.store.transaction((tx) =>
      staleAmong(tx, before.facts.relied, before.readAt),
    )
    assert(stale.length > 0, `${name}: expected something relied on to be touched`)
  }
})
