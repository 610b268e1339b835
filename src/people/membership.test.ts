import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sql } from 'kysely'
import { testActor } from '../audit/testing.ts'
import { must } from '../base/result.ts'
import { addMember, createGroup, removeMember } from './membership.ts'
import { addTestPerson, entriesFrom, openTestPeople } from './testing.ts'

test('a person joins groups and leaves them, each once and on record', async (t) => {
  const env = await openTestPeople(t)
  const sam = await addTestPerson('sam', env)
  const staff = must(await createGroup({ name: 'staff' }, testActor, env))
  const before = (await entriesFrom(0, env.store)).length
  const outcomes: string[] = []
  for (const [change, group, person] of [
    [addMember, 'staff', 'sam'],
    [addMember, staff.id, sam.id],
    [addMember, 'nobodys', 'sam'],
    [addMember, 'staff', 'nobody'],
    [removeMember, 'staff', 'sam'],
    [removeMember, 'staff', 'sam'],
  ] as const) {
    const changed = await change({ group, person }, testActor, env)
    outcomes.push(changed.ok ? changed.value.name : changed.error.reason)
  }
  assert.deepEqual(outcomes, [
    'staff',
    'already_member',
    'unknown_group',
    'unknown_person',
    'staff',
    'not_a_member',
  ])
  const touched = [staff.id, sam.id]
  assert.deepEqual(
    (await entriesFrom(before, env.store)).map(({ kind, touches }) => [kind, touches]),
    [
      ['group_member_added', touched],
      ['group_member_removed', touched],
    ],
  )
})

test('nobody is in more groups than an entry can name, whoever adds them at once', async (t) => {
  const env = await openTestPeople(t)
  const sam = await addTestPerson('sam', env)
  await sql`insert into "group" (id, name, created_at)
    select 'grp_' || i, 'g' || i, 0 from generate_series(1, 198) i`.execute(env.store.db)
  await sql`insert into group_member select id, ${sam.id} from "group"`.execute(env.store.db)
  const names = ['x', 'y', 'z']
  for (const name of names) must(await createGroup({ name }, testActor, env))
  const added = await Promise.all(
    names.map(async (group) => await addMember({ group, person: 'sam' }, testActor, env)),
  )
  assert.deepEqual(
    added.filter(({ ok }) => !ok),
    [{ ok: false, error: { reason: 'too_many_groups' } }],
  )
  const again = await addMember({ group: 'g1', person: 'sam' }, testActor, env)
  assert.equal(again.ok ? '' : again.error.reason, 'already_member')
  must(await removeMember({ group: 'g1', person: 'sam' }, testActor, env))
  must(await addMember({ group: 'g1', person: 'sam' }, testActor, env))
})
