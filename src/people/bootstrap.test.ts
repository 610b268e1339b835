import assert from 'node:assert/strict'
import test from 'node:test'
import { must } from '../base/result.ts'
import { ADMINISTRATORS } from './administrators.ts'
import { bootstrap } from './bootstrap.ts'
import { findGroup, findPerson, membersOf } from './people-store.ts'
import { signIn } from './sign-in.ts'
import { addTestPerson, entriesFrom, openTestPeople, signInTestPerson } from './testing.ts'

test('an empty installation gets one administrator and a code for a day', async (t) => {
  const env = await openTestPeople(t)
  const issued = await bootstrap(env)
  assert.equal(issued?.expiresAt, env.clock.nowMilliseconds() / 1000 + 86_400)
  const administrators = await env.store.snapshot(async (tx) => {
    const group = await findGroup(tx, ADMINISTRATORS)
    return group === undefined ? [] : await membersOf(tx, group.id)
  })
  assert.deepEqual(
    administrators.map(({ handle, active }) => ({ handle, active })),
    [{ handle: 'administrator', active: true }],
  )
  assert.deepEqual(
    (await entriesFrom(0, env.store)).map(({ kind, by }) => [kind, by]),
    ['person_created', 'group_created', 'group_member_added', 'sign_in_code_issued'].map((kind) => [
      kind,
      { type: 'system', part: 'bootstrap' },
    ]),
  )
  must(await signIn({ code: issued?.code ?? '' }, env))
})

test('each start makes a new code until one was used', async (t) => {
  const env = await openTestPeople(t)
  const first = await bootstrap(env)
  await env.clock.advance(2 * 86_400_000)
  // Somebody else's sign-in cleans up, and the bootstrap stays open.
  await addTestPerson('alice', env)
  await signInTestPerson('alice', env)
  const second = await bootstrap(env)
  assert.ok(first !== undefined && second !== undefined)
  assert.deepEqual(await signIn(first, env), { ok: false, error: { reason: 'bad_code' } })
  must(await signIn(second, env))
  assert.equal(await bootstrap(env), undefined)
})

test('two servers that start at once make one administrator', async (t) => {
  const env = await openTestPeople(t)
  const codes = await Promise.all([bootstrap(env), bootstrap(env)])
  const works = []
  for (const issued of codes) works.push((await signIn(issued ?? { code: '' }, env)).ok)
  assert.deepEqual(works.filter(Boolean), [true])
})

test('an installation with people has no bootstrap', async (t) => {
  const env = await openTestPeople(t)
  await addTestPerson('alice', env)
  assert.equal(await bootstrap(env), undefined)
  const administrator = async (): Promise<unknown> =>
    await env.store.snapshot(async (tx) => await findPerson(tx, 'administrator'))
  assert.equal(await administrator(), undefined)
})
