import assert from 'node:assert/strict'
import test from 'node:test'
import { testActor } from '../audit/testing.ts'
import { must, type Result } from '../base/result.ts'
import { logSize, staleAmong } from '../store/changes.ts'
import { createPerson } from './create-person.ts'
import { addMember, createGroup, removeMember } from './membership.ts'
import { findPerson, groupsOf, listGroups, membersOf } from './people-store.ts'
import { assignManager, deactivatePerson, reactivatePerson } from './person-state.ts'
import { addTestGroup, addTestPerson, entriesFrom, openTestPeople } from './testing.ts'

function reasonOf(result: Result<unknown>): string | undefined {
  return result.ok ? undefined : result.error.reason
}

test('a profile lies beside the log, sealed', async (t) => {
  const env = await openTestPeople(t)
  const request = { handle: 'alice', name: ' Alice Ångström ', email: 'alice@example.com' }
  const alice = must(await createPerson(request, testActor, env))
  assert.deepEqual(alice, { ...request, id: alice.id, name: 'Alice Ångström', active: true })
  assert.deepEqual(await env.store.snapshot(async (tx) => await findPerson(tx, 'alice')), alice)
  assert.deepEqual(await env.store.snapshot(async (tx) => await findPerson(tx, alice.id)), alice)

  const [entry] = await entriesFrom(0, env.store)
  assert.ok(entry?.kind === 'person_created')
  assert.ok(!JSON.stringify(entry).includes('example.com'))
  const { profile, ...rest } = entry
  assert.deepEqual(rest, {
    v: 1,
    kind: 'person_created',
    time: env.clock.nowMilliseconds(),
    by: testActor,
    touches: [alice.id],
    person: alice.id,
  })
  assert.deepEqual(await env.vault.open(env.store.db, profile), {
    handle: 'alice',
    name: 'Alice Ångström',
    email: 'alice@example.com',
  })
})

for (const [reason, request] of [
  ['bad_handle', { handle: 'Alice', name: 'Alice' }],
  ['bad_handle', { handle: 'per_01', name: 'Alice' }],
  ['bad_handle', { handle: '', name: 'Alice' }],
  ['bad_handle', { handle: 'a'.repeat(64), name: 'Alice' }],
  ['bad_handle', { handle: 'а-cyrillic', name: 'Alice' }],
  ['bad_name', { handle: 'alice', name: '  ' }],
  ['bad_name', { handle: 'alice', name: 'Al\u202eice' }],
  ['bad_name', { handle: 'alice', name: 'Al\0ice' }],
  ['bad_name', { handle: 'alice', name: 'a'.repeat(201) }],
  ['bad_email', { handle: 'alice', name: 'Alice', email: 'nobody' }],
  ['handle_taken', { handle: 'taken', name: 'Alice' }],
] as const) {
  test(`no person: ${reason} ${JSON.stringify(request).slice(0, 60)}`, async (t) => {
    const env = await openTestPeople(t)
    await addTestPerson('taken', env)
    assert.equal(reasonOf(await createPerson(request, testActor, env)), reason)
    assert.equal(await env.store.snapshot(logSize), 1)
  })
}

test('a handle is never reused', async (t) => {
  const env = await openTestPeople(t)
  await addTestPerson('alice', env)
  must(await deactivatePerson({ person: 'alice' }, testActor, env))
  const again = await createPerson({ handle: 'alice', name: 'Another' }, testActor, env)
  assert.equal(reasonOf(again), 'handle_taken')
})

test('a state changes once, and touches the person', async (t) => {
  const env = await openTestPeople(t)
  const alice = await addTestPerson('alice', env)
  const stale = async (readAt: number): Promise<string[]> =>
    await env.store.snapshot(async (tx) => await staleAmong(tx, [alice.id], readAt))
  assert.deepEqual(await stale(1), [])
  must(await deactivatePerson({ person: 'alice', reason: 'left' }, testActor, env))
  assert.deepEqual(await stale(1), [alice.id])
  const again = await deactivatePerson({ person: 'alice' }, testActor, env)
  assert.equal(reasonOf(again), 'already_inactive')
  must(await reactivatePerson({ person: alice.id }, testActor, env))
  assert.deepEqual(await stale(2), [alice.id])
  assert.equal(
    reasonOf(await reactivatePerson({ person: 'alice' }, testActor, env)),
    'already_active',
  )
  assert.equal(
    reasonOf(await reactivatePerson({ person: 'bob' }, testActor, env)),
    'unknown_person',
  )
  assert.equal(await env.store.snapshot(logSize), 3)
})

test('members come and go, and touch both sides', async (t) => {
  const env = await openTestPeople(t)
  const alice = await addTestPerson('alice', env)
  const bob = await addTestPerson('bob', env)
  const partners = await addTestGroup('partners', [bob, alice], env)
  const other = await addTestGroup('other', [], env)
  await env.store.snapshot(async (tx) => {
    assert.deepEqual(await groupsOf(tx, alice.id), [partners.id])
    assert.deepEqual(await membersOf(tx, partners.id), [alice, bob])
    assert.deepEqual(await listGroups(tx), [
      { ...other, members: [] },
      { ...partners, members: [alice.id, bob.id] },
    ])
  })
  const readAt = await env.store.snapshot(logSize)
  must(await removeMember({ group: 'partners', person: 'alice' }, testActor, env))
  const touched = await env.store.snapshot(
    async (tx) => await staleAmong(tx, [alice.id, bob.id, partners.id, other.id], readAt),
  )
  assert.deepEqual(touched.toSorted(), [partners.id, alice.id].toSorted())

  for (const [reason, result] of [
    ['not_a_member', await removeMember({ group: 'partners', person: 'alice' }, testActor, env)],
    ['already_member', await addMember({ group: partners.id, person: 'bob' }, testActor, env)],
    ['unknown_group', await addMember({ group: 'nobody', person: 'bob' }, testActor, env)],
    ['unknown_person', await addMember({ group: 'partners', person: 'carol' }, testActor, env)],
    ['unknown_group', await removeMember({ group: 'grp_x', person: 'bob' }, testActor, env)],
    ['name_taken', await createGroup({ name: 'partners' }, testActor, env)],
    ['bad_name', await createGroup({ name: 'Partners' }, testActor, env)],
  ] as const) {
    assert.equal(reasonOf(result), reason)
  }
})

test('the last active administrator stays, also when two remove each other at once', async (t) => {
  const env = await openTestPeople(t)
  const [alice, bob] = [await addTestPerson('alice', env), await addTestPerson('bob', env)]
  await addTestPerson('carol', env)
  const { id } = await addTestGroup('administrators', [alice, bob], env)
  const results = await Promise.all([
    deactivatePerson({ person: 'alice' }, testActor, env),
    removeMember({ group: id, person: bob.id }, testActor, env),
  ])
  assert.equal(results.filter((result) => result.ok).length, 1)
  assert.ok(results.map(reasonOf).includes('last_administrator'))
  const left = results[0].ok ? 'bob' : 'alice'
  for (const person of [left, (left === 'bob' ? bob : alice).id]) {
    assert.equal(reasonOf(await deactivatePerson({ person }, testActor, env)), 'last_administrator')
    assert.equal(
      reasonOf(await removeMember({ group: 'administrators', person }, testActor, env)),
      'last_administrator',
    )
  }
  must(await deactivatePerson({ person: 'carol' }, testActor, env))
})

test('managers form no circle', async (t) => {
  const env = await openTestPeople(t)
  for (const handle of ['alice', 'bob', 'carol']) await addTestPerson(handle, env)
  const assign = async (person: string, manager: string | null): Promise<string | undefined> =>
    reasonOf(await assignManager({ person, manager }, testActor, env))
  assert.equal(await assign('alice', 'alice'), 'manager_circle')
  assert.equal(await assign('alice', 'bob'), undefined)
  assert.equal(await assign('bob', 'carol'), undefined)
  assert.equal(await assign('carol', 'alice'), 'manager_circle')
  assert.equal(await assign('bob', null), undefined)
  assert.equal(await assign('carol', 'alice'), undefined)
  assert.equal(await assign('carol', 'nobody'), 'unknown_manager')
  assert.equal(await assign('nobody', 'carol'), 'unknown_person')
  const carol = await env.store.snapshot(async (tx) => await findPerson(tx, 'carol'))
  const alice = await env.store.snapshot(async (tx) => await findPerson(tx, 'alice'))
  assert.equal(carol?.manager, alice?.id)
})
