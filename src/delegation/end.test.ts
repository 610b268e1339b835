import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sql } from 'kysely'
import { assignOwner } from '../accountability/assign-owner.ts'
import { append, lockHead } from '../audit/append.ts'
import { testActor } from '../audit/testing.ts'
import { systemClock } from '../base/clock.ts'
import { must, type Result } from '../base/result.ts'
import { testAgent } from '../identity/testing.ts'
import { deactivatePerson } from '../people/person-state.ts'
import { addMember } from '../people/membership.ts'
import type { Session } from '../people/session.ts'
import { entriesFrom } from '../people/testing.ts'
import { checkDelegations } from './check-delegations.ts'
import { claim } from './claim.ts'
import type { Delegation, DelegationId } from './delegation.ts'
import { findDelegation } from './delegation-store.ts'
import { complete, resume, revoke, suspend } from './end.ts'
import { moveStage } from './stage.ts'
import { loadTree, standing } from './standing.ts'
import { subDelegate } from './sub-delegate.ts'
import { openTestOffice, testDelegation, type TestOffice } from './testing.ts'

/** What came of it: the new state or stage, or the reason of the refusal. */
function outcome(result: Result<Delegation>, of: 'state' | 'stage'): string | null {
  return result.ok ? result.value[of] : result.error.reason
}

async function stands(office: TestOffice, id: DelegationId): Promise<string> {
  return await office.store.snapshot(async (tx) => {
    const tree = await loadTree(tx, id)
    if (tree === undefined) return 'unknown'
    const result = standing(tree, Math.floor(systemClock.nowMilliseconds() / 1_000))
    return result.ok ? 'stands' : result.error.reason
  })
}

async function below(office: TestOffice, parent: Delegation): Promise<Delegation> {
  const { archetype, id } = office.agent
  const [detail] = parent.details
  const request = {
    purpose: 'a part',
    delegate: { archetype, agent: id },
    details: [detail as never],
  }
  return must(await subDelegate(request, { agent: id, delegation: parent.id }, office))
}

test('ending one delegation ends all below it, and marks one row', async (t) => {
  const office = await openTestOffice(t)
  const { alice, store } = office
  const root = await testDelegation(office)
  const child = await below(office, root)
  const grandchild = await below(office, child)
  const sibling = await below(office, root)
  const size = (await entriesFrom(0, store)).length

  must(await suspend({ delegation: child.id, reason: 'wait' }, alice, office))
  assert.deepEqual(
    await Promise.all([root, child, grandchild, sibling].map(({ id }) => stands(office, id))),
    ['stands', 'delegation_suspended', 'delegation_suspended', 'stands'],
  )
  must(await resume({ delegation: child.id }, alice, office))
  assert.equal(await stands(office, grandchild.id), 'stands')
  must(await revoke({ delegation: root.id, reason: 'wrong client' }, alice, office))
  for (const { id } of [root, child, grandchild, sibling]) {
    assert.equal(await stands(office, id), 'delegation_revoked')
  }
  const said = (await entriesFrom(size, store)).map(({ kind, touches }) => [kind, touches])
  assert.deepEqual(said, [
    ['delegation_suspended', [child.id]],
    ['delegation_resumed', [child.id]],
    ['delegation_revoked', [root.id]],
  ])
  await checkDelegations(store, office)
})

test('what can follow what', async (t) => {
  const office = await openTestOffice(t)
  const acts = { suspend, resume, complete, revoke }
  const wants: readonly (readonly [readonly (keyof typeof acts)[], string])[] = [
    [['suspend'], 'suspended'],
    [['suspend', 'suspend'], 'wrong_state'],
    [['resume'], 'wrong_state'],
    [['suspend', 'resume'], 'active'],
    [['suspend', 'complete'], 'completed'],
    [['suspend', 'revoke'], 'revoked'],
    [['complete'], 'completed'],
    [['complete', 'resume'], 'wrong_state'],
    [['complete', 'suspend'], 'wrong_state'],
    [['complete', 'revoke'], 'wrong_state'],
    [['revoke'], 'revoked'],
    [['revoke', 'resume'], 'wrong_state'],
    [['revoke', 'complete'], 'wrong_state'],
    [['revoke', 'revoke'], 'wrong_state'],
  ]
  for (const [steps, want] of wants) {
    const { id } = await testDelegation(office)
    let last: string | null = null
    for (const step of steps) {
      last = outcome(await acts[step]({ delegation: id }, office.alice, office), 'state')
      await checkDelegations(office.store, office)
    }
    assert.equal(last, want, steps.join(' '))
  }
})

test('who may stop it, and who may let it go on', async (t) => {
  const office = await openTestOffice(t)
  const { alice, paul, sam, ada, agent } = office
  must(await assignOwner({ owned: agent.id, owner: office.partners.id }, testActor, office))
  must(await assignOwner({ owned: agent.id, owner: paul.person }, testActor, office))
  const { id } = await testDelegation(office)
  const act = async (
    what: typeof suspend,
    by: Session,
    delegation: DelegationId = id,
  ): Promise<string | null> => outcome(await what({ delegation }, by, office), 'state')

  for (const what of [suspend, complete, revoke]) assert.equal(await act(what, sam), 'not_entitled')
  // Paul answers for the agent: he may stop it, and let go on what he stopped.
  assert.equal(await act(complete, paul), 'not_entitled')
  assert.equal(await act(suspend, paul), 'suspended')
  assert.equal(await act(resume, sam), 'not_entitled')
  assert.equal(await act(resume, alice), 'not_entitled')
  assert.equal(await act(resume, paul), 'active')
  // The delegator does not go over an administrator's head.
  assert.equal(await act(suspend, ada), 'suspended')
  assert.equal(await act(resume, alice), 'not_entitled')
  assert.equal(await act(resume, paul), 'not_entitled')
  assert.equal(await act(resume, ada), 'active')
  assert.equal(await act(suspend, alice), 'suspended')
  assert.equal(await act(resume, alice), 'active')
  assert.equal(await act(revoke, paul), 'revoked')
  assert.equal(await act(revoke, alice, 'dlg_01k00000000000000000000001'), 'unknown_delegation')

  const other = await testDelegation(office)
  must(await deactivatePerson({ person: 'alice' }, testActor, office))
  assert.equal(await stands(office, other.id), 'person_inactive')
  assert.equal(await act(revoke, alice, other.id), 'person_inactive')
  assert.equal(await act(revoke, ada, other.id), 'revoked')
})

test('a delegation expires by the database’s clock', async (t) => {
  const office = await openTestOffice(t)
  const root = await testDelegation(office, { lifetimeSeconds: 2 })
  const child = await below(office, root)
  assert.equal(await stands(office, child.id), 'stands')
  await systemClock.sleep(root.expiresAt * 1_000 - systemClock.nowMilliseconds() + 20)
  assert.equal(await stands(office, root.id), 'delegation_expired')
  assert.equal(await stands(office, child.id), 'delegation_expired')
  const moved = await moveStage({ delegation: root.id, stage: 'draft' }, office.alice, office)
  assert.equal(outcome(moved, 'stage'), 'delegation_expired')
  for (const what of [suspend, complete, resume]) {
    const result = await what({ delegation: root.id }, office.alice, office)
    assert.equal(result.ok, false)
  }
  await checkDelegations(office.store, office)
  must(await revoke({ delegation: root.id }, office.alice, office))
  assert.equal(await stands(office, child.id), 'delegation_revoked')
})

test('a tree stands until the second it expires, whatever clock it was loaded by', async (t) => {
  const office = await openTestOffice(t)
  const { id, expiresAt } = await testDelegation(office)
  const tree = await office.store.snapshot((tx) => loadTree(tx, id))
  assert.ok(tree)
  assert.deepEqual(standing(tree, expiresAt - 1), { ok: true, value: undefined })
  assert.deepEqual(standing(tree, expiresAt), {
    ok: false,
    error: { reason: 'delegation_expired', delegation: id },
  })
})

test('people move the stage, forward', async (t) => {
  const office = await openTestOffice(t)
  const { alice, paul, sam, partners, store } = office
  const stages = ['collect', 'draft', 'file']
  const root = await testDelegation(office, { stages, stageMovers: [partners.id] })
  const child = await below(office, root)
  const move = async (stage: string, by: Session, id = root.id): Promise<string | null> =>
    outcome(await moveStage({ delegation: id, stage }, by, office), 'stage')

  assert.equal(await move('draft', sam), 'not_entitled')
  assert.equal(await move('draft', office.ada), 'not_entitled')
  assert.equal(await move('draft', alice, child.id), 'not_a_root')
  assert.equal(await move('review', alice), 'unknown_stage')
  assert.equal(await move('collect', alice), 'same_stage')
  assert.equal(await move('draft', paul), 'draft')
  assert.equal(await move('collect', alice), 'backward')
  assert.equal(await move('file', alice), 'file')
  const tree = await store.snapshot((tx) => loadTree(tx, child.id))
  assert.equal(tree?.delegation.stage, 'file')
  assert.equal(await move('draft', alice, 'dlg_01k00000000000000000000001'), 'unknown_delegation')

  const back = await testDelegation(office, {
    stages: ['collect', 'draft'],
    stagesReversible: true,
  })
  assert.equal(await move('draft', alice, back.id), 'draft')
  assert.equal(await move('collect', alice, back.id), 'collect')
  // Sam was not among the movers when it was made, but is a partner now.
  must(await addMember({ group: 'partners', person: 'sam' }, testActor, office))
  const other = await testDelegation(office, { stages, stageMovers: [partners.id] })
  assert.equal(await move('draft', sam, other.id), 'draft')
  must(await suspend({ delegation: other.id }, alice, office))
  assert.equal(await move('file', alice, other.id), 'delegation_suspended')

  const none = await testDelegation(office, { stages: ['collect', 'draft'] })
  assert.equal(await move('draft', paul, none.id), 'not_entitled')
  const moves = (await entriesFrom(0, store)).filter((entry) => entry.kind === 'stage_moved')
  assert.deepEqual(
    moves.slice(0, 2).map(({ from, to, touches, by }) => [from, to, touches, by]),
    [
      [
        'collect',
        'draft',
        [root.id],
        { type: 'person', person: paul.person, session: paul.id, presence: 'session' },
      ],
      [
        'draft',
        'file',
        [root.id],
        { type: 'person', person: alice.person, session: alice.id, presence: 'session' },
      ],
    ],
  )
  await checkDelegations(store, office)
})

test('at once, changes happen one after the other', async (t) => {
  const office = await openTestOffice(t)
  const { alice, ada, paul, partners, store } = office
  const stages = ['collect', 'draft', 'file']
  for (let round = 0; round < 5; round++) {
    const { id } = await testDelegation(office, { stages, stageMovers: [partners.id] })
    const results = await Promise.all([
      moveStage({ delegation: id, stage: 'draft' }, alice, office),
      moveStage({ delegation: id, stage: 'draft' }, paul, office),
      suspend({ delegation: id }, alice, office),
      revoke({ delegation: id }, ada, office),
      revoke({ delegation: id }, alice, office),
      complete({ delegation: id }, alice, office),
    ])
    assert.equal(results.slice(0, 2).filter((r) => r.ok).length <= 1, true)
    assert.equal(results.slice(3).filter((r) => r.ok).length, 1)
    await checkDelegations(store, office)
  }
})

test('a sub-delegation and the end of its parent never wait for each other', async (t) => {
  const office = await openTestOffice(t)
  await testAgent(office)
  for (let round = 0; round < 5; round++) {
    const root = await testDelegation(office)
    const [detail] = root.details
    const { archetype, id } = office.agent
    const request = { purpose: 'a part', delegate: { archetype }, details: [detail as never] }
    const results = await Promise.all([
      subDelegate(request, { agent: id, delegation: root.id }, office),
      subDelegate(request, { agent: id, delegation: root.id }, office),
      revoke({ delegation: root.id }, office.alice, office),
    ])
    assert.equal(results[2].ok, true)
    const entries = (await entriesFrom(0, office.store)).filter(
      (e) =>
        'delegation' in e && (e.delegation === root.id || ('parent' in e && e.parent === root.id)),
    )
    // INVARIANT (one instant): nothing comes from what was revoked before.
    assert.equal(entries.at(-1)?.kind, 'delegation_revoked')
  }
})

test('a claim and the end of what it claims never wait for each other', async (t) => {
  const office = await openTestOffice(t)
  const { archetype } = office.agent
  for (const end of [revoke, complete, suspend]) {
    const { id } = await testDelegation(office, { delegate: { archetype } })
    let ending: ReturnType<typeof revoke> | undefined
    // As the token endpoint does it: the head first, then the row.
    const claimed = await office.store.transaction(async (tx) => {
      await lockHead(tx)
      ending = end({ delegation: id }, office.alice, office)
      await untilSomebodyWaits(office)
      const found = await findDelegation(tx, id)
      assert(found !== undefined)
      const entries = await claim(tx, found, office.agent, office)
      await append(tx, must(entries))
      return entries
    })
    assert.equal(claimed.ok, true)
    assert.equal((await ending)?.ok, true)
    await checkDelegations(office.store, office)
  }
})

/** Resolves once a transaction waits for another. */
async function untilSomebodyWaits({ store }: Pick<TestOffice, 'store'>): Promise<void> {
  const { rows } = await sql<{ waiting: number }>`
    select count(*) as waiting from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock'`.execute(store.db)
  if (rows[0]?.waiting === 0) await untilSomebodyWaits({ store })
}

test('a reason that no entry can hold is refused', async (t) => {
  const office = await openTestOffice(t)
  const { id } = await testDelegation(office)
  const reason = 'x'.repeat(2_001)
  for (const what of [suspend, revoke]) {
    const result = await what({ delegation: id, reason }, office.alice, office)
    assert.equal(outcome(result, 'state'), 'reason_too_long')
  }
  const held = await revoke({ delegation: id, reason: reason.slice(1) }, office.alice, office)
  assert.equal(outcome(held, 'state'), 'revoked')
})
