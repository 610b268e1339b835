import assert from 'node:assert/strict'
import test from 'node:test'
import { sql } from 'kysely'
import { testActor, type TestLog } from '../audit/testing.ts'
import { must } from '../base/result.ts'
import { logSize } from '../store/changes.ts'
import { authenticateSession, endSession } from './authenticate-session.ts'
import { deactivatePerson, reactivatePerson } from './person-state.ts'
import { personActor } from './session.ts'
import { issueSignInCode, signIn } from './sign-in.ts'
import { addTestPerson, entriesFrom, openTestPeople, signInTestPerson } from './testing.ts'

const BAD_CODE = { ok: false, error: { reason: 'bad_code' } }
const NOT_SIGNED_IN = { ok: false, error: { reason: 'not_signed_in' } }

async function codeFor(handle: string, env: TestLog): Promise<string> {
  return must(await issueSignInCode({ person: handle }, testActor, env)).code
}

/** The same code with another secret half. */
function wrong(code: string): string {
  return code.slice(0, -1) + (code.endsWith('0') ? '2' : '0')
}

test('a code becomes a session, and both are on record without their secrets', async (t) => {
  const env = await openTestPeople(t)
  const alice = await addTestPerson('alice', env)
  const first = await env.store.snapshot(logSize)
  const now = env.clock.nowMilliseconds() / 1000
  const issued = must(await issueSignInCode({ person: 'alice' }, testActor, env))
  assert.equal(issued.expiresAt, now + 600)

  const { token, session } = must(await signIn(issued, env))
  const { id } = session
  assert.deepEqual(session, {
    id,
    person: alice.id,
    handle: 'alice',
    presence: 'session',
    authTime: now,
    expiresAt: now + 12 * 3600,
    acr: 'urn:behalf:acr:one-time-code',
  })
  assert.deepEqual(await authenticateSession(token, env), { ok: true, value: session })

  const time = env.clock.nowMilliseconds()
  assert.deepEqual(await entriesFrom(first, env.store), [
    {
      v: 1,
      kind: 'sign_in_code_issued',
      time,
      by: testActor,
      person: alice.id,
      expiresAt: issued.expiresAt,
    },
    {
      v: 1,
      kind: 'signed_in',
      time,
      by: personActor(session),
      person: alice.id,
      session: id,
      method: 'one_time_code',
      expiresAt: session.expiresAt,
    },
  ])
  const kept = await sql<{ row: string }>`
    select s::text as row from session s union all select e::text from log_entry e`.execute(
    env.store.db,
  )
  for (const secret of [token, issued.code, issued.code.replaceAll('-', '')]) {
    assert.ok(kept.rows.every(({ row }) => !row.includes(secret)))
  }
})

test('a code works once, also when it is used twice at once', async (t) => {
  const env = await openTestPeople(t)
  await addTestPerson('alice', env)
  const code = await codeFor('alice', env)
  const both = await Promise.all([signIn({ code }, env), signIn({ code }, env)])
  assert.equal(both.filter((result) => result.ok).length, 1)
  assert.deepEqual(await signIn({ code }, env), BAD_CODE)
})

test('a newer code ends the one before', async (t) => {
  const env = await openTestPeople(t)
  await addTestPerson('alice', env)
  const older = await codeFor('alice', env)
  const newer = await codeFor('alice', env)
  assert.deepEqual(await signIn({ code: older }, env), BAD_CODE)
  assert.ok((await signIn({ code: newer }, env)).ok)
})

test('a code ends after ten minutes', async (t) => {
  const env = await openTestPeople(t)
  await addTestPerson('alice', env)
  await addTestPerson('bob', env)
  const alices = await codeFor('alice', env)
  const bobs = await codeFor('bob', env)
  await env.clock.advance(599_999)
  assert.ok((await signIn({ code: alices }, env)).ok)
  await env.clock.advance(1)
  assert.deepEqual(await signIn({ code: bobs }, env), BAD_CODE)
})

test('a code survives four wrong tries and no fifth', async (t) => {
  const env = await openTestPeople(t)
  await addTestPerson('alice', env)
  const before = await env.store.snapshot(logSize)
  for (const [tries, works] of [
    [4, true],
    [5, false],
  ] as const) {
    const code = await codeFor('alice', env)
    for (let i = 0; i < tries; i++) {
      assert.deepEqual(await signIn({ code: wrong(code) }, env), BAD_CODE)
    }
    assert.equal((await signIn({ code }, env)).ok, works)
  }
  // What anybody can cause is not recorded one by one.
  assert.equal(await env.store.snapshot(logSize), before + 3)
})

for (const [name, code] of [
  ['of nobody', '00000-00000-00000-00000-00000-00000-00000-00000'],
  ['that is none', 'hunter2'],
  ['with NUL', '\0'.repeat(40)],
] as const) {
  test(`a code ${name} is refused`, async (t) => {
    const env = await openTestPeople(t)
    assert.deepEqual(await signIn({ code }, env), BAD_CODE)
  })
}

test('nobody unknown or inactive gets a code, and an inactive person’s code is dead', async (t) => {
  const env = await openTestPeople(t)
  await addTestPerson('alice', env)
  const code = await codeFor('alice', env)
  must(await deactivatePerson({ person: 'alice' }, testActor, env))
  assert.deepEqual(await signIn({ code }, env), BAD_CODE)
  assert.deepEqual(await issueSignInCode({ person: 'alice' }, testActor, env), {
    ok: false,
    error: { reason: 'person_inactive' },
  })
  for (const person of ['bob', 'per_01', '\0', '']) {
    assert.deepEqual(await issueSignInCode({ person }, testActor, env), {
      ok: false,
      error: { reason: 'unknown_person' },
    })
  }
})

test('deactivation ends sessions at once, and reactivation revives none', async (t) => {
  const env = await openTestPeople(t)
  await addTestPerson('alice', env)
  await addTestPerson('bob', env)
  const alice = await signInTestPerson('alice', env)
  const bob = await signInTestPerson('bob', env)
  must(await deactivatePerson({ person: 'alice' }, personActor(bob.session), env))
  assert.deepEqual(await authenticateSession(alice.token, env), NOT_SIGNED_IN)
  must(await reactivatePerson({ person: 'alice' }, personActor(bob.session), env))
  assert.deepEqual(await authenticateSession(alice.token, env), NOT_SIGNED_IN)
  assert.ok((await authenticateSession(bob.token, env)).ok)
})

test('no session begins beside a deactivation, whoever comes first', async (t) => {
  const env = await openTestPeople(t)
  for (let round = 0; round < 5; round++) {
    const handle = `alice-${round}`
    await addTestPerson(handle, env)
    const code = await codeFor(handle, env)
    const [signedIn] = await Promise.all([
      signIn({ code }, env),
      deactivatePerson({ person: handle }, testActor, env),
    ])
    must(await reactivatePerson({ person: handle }, testActor, env))
    const token = signedIn.ok ? signedIn.value.token : ''
    assert.deepEqual(await authenticateSession(token, env), NOT_SIGNED_IN)
  }
})

test('a session ends by itself after twelve hours, or when its person says so', async (t) => {
  const env = await openTestPeople(t)
  await addTestPerson('alice', env)
  const one = await signInTestPerson('alice', env)
  const two = await signInTestPerson('alice', env)
  must(await endSession(one.session, env))
  assert.deepEqual(await endSession(one.session, env), NOT_SIGNED_IN)
  assert.deepEqual(await authenticateSession(one.token, env), NOT_SIGNED_IN)
  await env.clock.advance(12 * 3_600_000 - 1)
  assert.ok((await authenticateSession(two.token, env)).ok)
  await env.clock.advance(1)
  assert.deepEqual(await authenticateSession(two.token, env), NOT_SIGNED_IN)
})

for (const token of ['', 'x', '\0'.repeat(43), 'A'.repeat(43), 'A'.repeat(1_000_000)]) {
  test(`the token ${JSON.stringify(token.slice(0, 4))} (${token.length}) proves nothing`, async (t) => {
    const env = await openTestPeople(t)
    assert.deepEqual(await authenticateSession(token, env), NOT_SIGNED_IN)
  })
}
