import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { sql } from 'kysely'
import { checkLog } from '../audit/check-log.ts'
import { testActor } from '../audit/testing.ts'
import { digestOfJson } from '../base/bytes.ts'
import { systemClock } from '../base/clock.ts'
import { must, type Result } from '../base/result.ts'
import { revoke } from '../delegation/end.ts'
import { testDelegation, testServer, type TestOffice } from '../delegation/testing.ts'
import { testAgent } from '../identity/testing.ts'
import { addMember, removeMember } from '../people/membership.ts'
import { deactivatePerson } from '../people/person-state.ts'
import type { Session } from '../people/session.ts'
import { entriesFrom } from '../people/testing.ts'
import type { Approval, Binding } from './approval.ts'
import { findApproval, pendingFor } from './approval-store.ts'
import { decideApproval, requestApproval } from './approve.ts'
import { checkApprovals } from './check-approvals.ts'
import { findApproved } from './consume.ts'
import {
  approvedTest,
  makeApproved,
  openTestApprovals,
  testApproval,
  testBinding,
} from './testing.ts'

/** What came of it: the state, or the reason of the refusal. */
function outcome(result: Result<Approval>): string {
  return result.ok ? result.value.state : result.error.reason
}

async function decide(
  office: TestOffice,
  { id, shownDigest }: Approval,
  by: Session,
  decision: 'approve' | 'deny' = 'approve',
): Promise<string> {
  return outcome(await decideApproval({ id, decision, shownDigest }, by, office))
}

async function stateOf(office: TestOffice, { id }: Approval): Promise<string | undefined> {
  return (await office.store.snapshot((tx) => findApproval(tx, id)))?.state
}

test('a partner says yes to exactly what was shown, and the call goes through once', async (t) => {
  const office = await openTestApprovals(t)
  const { store, paul } = office
  const binding = testBinding(office, await testDelegation(office))
  const shown = { arguments: { client: '1042\u202e' }, openWarnings: ['box 12\nis open'] }
  const asked = must(await requestApproval(testApproval(office, binding, { shown }), office))

  assert.equal(asked.state, 'pending')
  assert.deepEqual(asked.entitledPeople, [paul.person])
  assert.equal(asked.expiresAt, asked.requestedAt + 60_000)
  assert.equal(
    JSON.stringify(asked.shown),
    String.raw`{"arguments":{"client":"1042\\u{202e}"},"openWarnings":["box 12\\nis open"]}`,
  )
  assert.equal(asked.shownDigest, digestOfJson(asked.shown))
  const [waiting, ...more] = await store.snapshot((tx) => pendingFor(tx, paul.person))
  assert.deepEqual(waiting, asked)
  assert.deepEqual(more, [])
  assert.deepEqual(await store.snapshot((tx) => pendingFor(tx, office.alice.person)), [])
  assert.equal(await store.snapshot((tx) => findApproved(tx, binding)), undefined)

  assert.equal(await decide(office, asked, paul), 'approved')
  assert.equal((await store.snapshot((tx) => findApproved(tx, binding)))?.decidedBy, paul.person)
  assert.equal(outcome(await makeApproved(office, asked, binding)), 'consumed')
  assert.equal(outcome(await makeApproved(office, asked, binding)), 'approval_not_usable')
  assert.equal(await store.snapshot((tx) => findApproved(tx, binding)), undefined)

  const said = (await entriesFrom(0, store)).slice(-3)
  assert.deepEqual(
    said.map((entry) => [entry.kind, entry.touches]),
    [
      ['approval_requested', [asked.id]],
      ['approval_decided', [asked.id]],
      ['call_intended', undefined],
    ],
  )
  assert.ok(said[0]?.kind === 'approval_requested')
  assert.deepEqual(await office.vault.open(store.db, said[0].shown), asked.shown)
  assert.deepEqual(said[1]?.by, {
    type: 'person',
    person: paul.person,
    session: paul.id,
    presence: 'session',
  })
  await checkApprovals(store, office)
  await checkLog(store)
})

test('the same question again is the same request', async (t) => {
  const office = await openTestApprovals(t)
  const binding = testBinding(office, await testDelegation(office))
  const request = testApproval(office, binding)
  const first = must(await requestApproval(request, office))
  const again = await Promise.all(
    [1, 2, 3].map(() => requestApproval({ ...request, call: 'g1.9' }, office)),
  )
  assert.deepEqual(
    again.map((result) => must(result).id),
    [first.id, first.id, first.id],
  )
  assert.equal(await decide(office, first, office.paul), 'approved')
  assert.equal(must(await requestApproval(request, office)).id, first.id)
  assert.equal(outcome(await makeApproved(office, first, binding)), 'consumed')
  assert.notEqual(must(await requestApproval(request, office)).id, first.id)
  await checkApprovals(office.store, office)
})

test('of many who ask at once, one asks', async (t) => {
  const office = await openTestApprovals(t)
  const request = testApproval(office, testBinding(office, await testDelegation(office)))
  const asked = await Promise.all([1, 2, 3, 4, 5].map(() => requestApproval(request, office)))
  assert.equal(new Set(asked.map((result) => must(result).id)).size, 1)
  await checkApprovals(office.store, office)
})

test('a no stands, also for who asks again', async (t) => {
  const office = await openTestApprovals(t)
  const request = testApproval(office, testBinding(office, await testDelegation(office)))
  const asked = must(await requestApproval(request, office))
  assert.equal(await decide(office, asked, office.paul, 'deny'), 'denied')
  assert.deepEqual(await requestApproval(request, office), {
    ok: false,
    error: { reason: 'denied', approval: asked.id },
  })
  assert.equal(await decide(office, asked, office.paul), 'not_pending')
  assert.equal(outcome(await makeApproved(office, asked, request.binding)), 'approval_not_usable')
  await checkApprovals(office.store, office)
})

test('who may decide is fixed when it is asked', async (t) => {
  const office = await openTestApprovals(t)
  const { alice, paul, sam, ada } = office
  const binding = testBinding(office, await testDelegation(office))
  const asked = must(await requestApproval(testApproval(office, binding), office))
  for (const nobody of [alice, sam, ada]) {
    assert.equal(await decide(office, asked, nobody), 'not_entitled')
  }
  must(await addMember({ group: 'partners', person: 'sam' }, testActor, office))
  assert.equal(await decide(office, asked, sam), 'not_entitled', 'joined afterwards')
  must(await removeMember({ group: 'partners', person: 'paul' }, testActor, office))
  assert.equal(await decide(office, asked, paul), 'not_entitled', 'left since')
  must(await addMember({ group: 'partners', person: 'paul' }, testActor, office))
  const other = { ...asked, shownDigest: digestOfJson({ client: '1043' }) }
  assert.equal(await decide(office, other, paul), 'not_what_was_shown')
  const unknown = { ...asked, id: 'apr_01k00000000000000000000001' } as const
  assert.equal(await decide(office, unknown, paul), 'unknown_approval')
  assert.equal(await decide(office, asked, paul), 'approved')
  assert.equal(await decide(office, asked, paul, 'deny'), 'not_pending')
  await checkApprovals(office.store, office)
})

test('an inactive person neither decides nor is asked', async (t) => {
  const office = await openTestApprovals(t)
  const made = await testDelegation(office)
  const asked = must(await requestApproval(testApproval(office, testBinding(office, made)), office))
  must(await deactivatePerson({ person: 'paul' }, testActor, office))
  assert.equal(await decide(office, asked, office.paul), 'person_inactive')
  const next = testBinding(office, made, { argumentsDigest: digestOfJson({ client: '1' }) })
  for (const entitled of [office.partners.id, office.paul.person] as const) {
    const result = await requestApproval(testApproval(office, next, { entitled }), office)
    assert.equal(outcome(result), 'nobody_entitled')
  }
})

test('of two answers at once, one counts', async (t) => {
  const office = await openTestApprovals(t)
  must(await addMember({ group: 'partners', person: 'sam' }, testActor, office))
  const made = await testDelegation(office)
  for (let i = 0; i < 5; i++) {
    const argumentsDigest = digestOfJson({ client: `${i}` })
    const binding = testBinding(office, made, { argumentsDigest })
    const asked = must(await requestApproval(testApproval(office, binding), office))
    const outcomes = await Promise.all([
      decide(office, asked, office.paul),
      decide(office, asked, office.sam, 'deny'),
    ])
    assert.equal(outcomes.filter((each) => each === 'not_pending').length, 1)
    await checkApprovals(office.store, office)
  }
})

test('what does not belong together is not asked', async (t) => {
  const office = await openTestApprovals(t)
  const made = await testDelegation(office)
  const other = await testAgent(office)
  const binding = testBinding(office, made)
  const ask = async (more: Partial<Binding>, request = {}): Promise<string> =>
    outcome(await requestApproval(testApproval(office, { ...binding, ...more }, request), office))
  assert.equal(await ask({ agents: [other.id] }), 'other_caller')
  assert.equal(await ask({ agents: [office.agent.id, other.id] }), 'other_caller')
  assert.equal(await ask({ person: office.sam.person }), 'other_caller')
  assert.equal(await ask({ delegation: 'dlg_01k00000000000000000000001' }), 'unknown_delegation')
  assert.equal(await ask({}, { shown: { text: 'x'.repeat(262_145) } }), 'shown_too_large')
  await assert.rejects(ask({}, { lifetimeMilliseconds: 86_400_001 }), RangeError)
  await assert.rejects(ask({}, { lifetimeMilliseconds: Number.NaN }), RangeError)

  const unclaimed = await testDelegation(office, { delegate: { archetype: 'tax-preparer' } })
  assert.equal(await ask({ delegation: unclaimed.id }), 'other_caller')
  const asked = must(await requestApproval(testApproval(office, binding), office))
  must(await revoke({ delegation: made.id }, office.alice, office))
  assert.equal(await decide(office, asked, office.paul), 'delegation_revoked')
  const next = { argumentsDigest: digestOfJson({ client: '1' }) }
  assert.equal(await ask(next), 'delegation_revoked')
})

test('a tree asks at most twenty questions at once', async (t) => {
  const office = await openTestApprovals(t)
  const made = await testDelegation(office)
  const ask = async (i: number): Promise<string> => {
    const argumentsDigest = digestOfJson({ client: `${i}` })
    const binding = testBinding(office, made, { argumentsDigest })
    return outcome(await requestApproval(testApproval(office, binding), office))
  }
  for (let i = 0; i < 20; i++) assert.equal(await ask(i), 'pending')
  assert.equal(await ask(20), 'too_many_open')
  assert.equal(await ask(3), 'pending')
})

test('a yes expires by the database’s clock', async (t) => {
  const office = await openTestApprovals(t)
  const binding = testBinding(office, await testDelegation(office))
  const brief = { lifetimeMilliseconds: 400 }
  const yes = await approvedTest(office, binding, brief)
  const late = testBinding(office, { id: binding.delegation } as never, {
    argumentsDigest: digestOfJson({ client: '2' }),
  })
  const pending = must(await requestApproval(testApproval(office, late, brief), office))
  await systemClock.sleep(450)
  assert.equal(await stateOf(office, yes), 'expired')
  assert.equal(await office.store.snapshot((tx) => findApproved(tx, binding)), undefined)
  assert.equal(outcome(await makeApproved(office, yes, binding)), 'approval_not_usable')
  assert.equal(await decide(office, pending, office.paul), 'not_pending')
  assert.deepEqual(await office.store.snapshot((tx) => pendingFor(tx, office.paul.person)), [])
  const again = must(await requestApproval(testApproval(office, binding), office))
  assert.notEqual(again.id, yes.id)
  assert.equal(again.state, 'pending')
  await checkApprovals(office.store, office)
})

test('INVARIANT (approval binding): a call that differs in anything does not use the yes', async (t) => {
  const office = await openTestApprovals(t)
  const made = await testDelegation(office)
  const twin = await testDelegation(office)
  const other = await testAgent(office)
  const binding = testBinding(office, made)
  const yes = await approvedTest(office, binding)
  const different: readonly Partial<Binding>[] = [
    { agents: [other.id] },
    { agents: [office.agent.id, other.id] },
    { person: office.sam.person },
    { delegation: twin.id },
    { server: 'srv_01k00000000000000000000001' },
    { action: 'tools/call:pay' },
    { definition: digestOfJson('another definition') },
    { argumentsDigest: digestOfJson({ client: '1043' }) },
  ]
  for (const more of different) {
    const call = { ...binding, ...more }
    assert.equal(outcome(await makeApproved(office, yes, call)), 'approval_for_another_call')
    assert.equal(await office.store.snapshot((tx) => findApproved(tx, call)), undefined)
  }
  assert.equal(await stateOf(office, yes), 'approved')
  assert.equal(outcome(await makeApproved(office, yes, binding)), 'consumed')
})

test('a yes that the table alone says is none', async (t) => {
  const office = await openTestApprovals(t)
  const { store, paul } = office
  const made = await testDelegation(office)
  const binding = testBinding(office, made)
  const asked = must(await requestApproval(testApproval(office, binding), office))
  const elsewhere = testBinding(office, made, { argumentsDigest: digestOfJson({ client: '2' }) })
  const genuine = await approvedTest(office, elsewhere)
  const forge = async (signed: string): Promise<string> => {
    await sql`update approval set state = 'approved', decided_by = ${paul.person}, signed = ${signed}
      where id = ${asked.id}`.execute(store.db)
    return outcome(await makeApproved(office, asked, binding))
  }
  assert.equal(await forge('a.b.c'), 'not_as_signed')
  assert.equal(await forge(genuine.signed ?? ''), 'not_as_signed')
  await sql`update approval set expires_at = expires_at + 3600000 where id = ${genuine.id}`.execute(
    store.db,
  )
  assert.equal(outcome(await makeApproved(office, genuine, elsewhere)), 'not_as_signed')
})

test('another call on the same server of the same tree voids what waits', async (t) => {
  const office = await openTestApprovals(t)
  const made = await testDelegation(office)
  const elsewhere = await testServer('ledger', office)
  const unrelated = await testDelegation(office)
  const at = (client: string, more: Partial<Binding> = {}): Binding =>
    testBinding(office, made, { argumentsDigest: digestOfJson({ client }), ...more })
  const going = await approvedTest(office, at('1'))
  const approved = await approvedTest(office, at('2'))
  const pending = must(await requestApproval(testApproval(office, at('3')), office))
  const spared = [
    await approvedTest(office, at('4'), { independent: true }),
    await approvedTest(office, at('5', { server: elsewhere.id })),
    await approvedTest(office, at('6', { delegation: unrelated.id })),
  ]
  assert.equal(outcome(await makeApproved(office, going, at('1'), 'g1.7')), 'consumed')
  assert.equal(await stateOf(office, approved), 'voided')
  assert.equal(await stateOf(office, pending), 'voided')
  for (const each of spared) assert.equal(await stateOf(office, each), 'approved')
  assert.equal(outcome(await makeApproved(office, approved, at('2'))), 'approval_not_usable')
  assert.equal(await decide(office, pending, office.paul), 'not_pending')
  const voided = (await entriesFrom(0, office.store)).filter((e) => e.kind === 'approval_voided')
  assert.deepEqual(
    new Map(voided.map((entry) => [entry.approval, [entry.touches, entry.reason]])),
    new Map(
      [approved, pending].map(({ id }) => [
        id,
        [[id], 'another call on the same server went through: g1.7'],
      ]),
    ),
  )
  await checkApprovals(office.store, office)
  await checkLog(office.store)
})

test('INVARIANT (approval binding): used once, whoever races', async (t) => {
  const office = await openTestApprovals(t)
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom('make', 'deny', 'approve', 'ask', 'revoke', 'other'), {
        minLength: 3,
        maxLength: 8,
      }),
      async (moves) => {
        const made = await testDelegation(office)
        const binding = testBinding(office, made)
        const asked = await approvedTest(office, binding)
        const twin = testBinding(office, made, { argumentsDigest: digestOfJson({ client: '9' }) })
        const other = await approvedTest(office, twin)
        const third = testBinding(office, made, { argumentsDigest: digestOfJson({ client: '8' }) })
        const waiting = must(await requestApproval(testApproval(office, third), office))
        const acts: Readonly<Record<string, () => Promise<unknown>>> = {
          make: () => makeApproved(office, asked, binding),
          other: () => makeApproved(office, other, twin),
          deny: () => decide(office, waiting, office.paul, 'deny'),
          approve: () => decide(office, waiting, office.paul),
          ask: () => requestApproval(testApproval(office, binding), office),
          revoke: () => revoke({ delegation: made.id }, office.alice, office),
        }
        await Promise.all(moves.map(async (move) => await acts[move]?.()))
        await checkApprovals(office.store, office)
        // Each voids the other, so one of the two went through at most, and once.
        const used = (await entriesFrom(0, office.store)).filter(
          (e) => e.kind === 'call_intended' && e.delegation === made.id,
        )
        const tried = moves.includes('make') || moves.includes('other')
        assert(used.length <= 1)
        // Nothing is made under a delegation that was revoked first.
        if (!moves.includes('revoke')) assert.equal(used.length, tried ? 1 : 0)
      },
    ),
    { numRuns: 30 },
  )
  await checkLog(office.store)
})
