import assert from 'node:assert/strict'
import { test } from 'node:test'
import { must } from '../base/result.ts'
import { openTestGateways } from '../gateway/testing.ts'
import { entriesFrom, signInTestPerson } from '../people/testing.ts'
import { authenticateSession } from '../people/authenticate-session.ts'
import { decideFor, INSTALLATION, knowAgent, knowPerson } from './asker.ts'
import type { HttpRequest } from './http.ts'
import type { Installation } from './installation.ts'
import { routes } from './routes.ts'

/** A request that shows `authorization`, so many times. */
function asked(path: string, authorization: string | undefined, times = 1): HttpRequest {
  return {
    method: 'GET',
    path,
    query: new URLSearchParams(),
    parameters: { path: 'checkpoint' },
    headers: authorization === undefined ? {} : { authorization },
    times: (name) => (name === 'authorization' && authorization !== undefined ? times : 0),
    body: new Uint8Array(),
    signal: new AbortController().signal,
  }
}

test('a credential that was sent twice is none, at every door that asks who is there', async (t) => {
  const office = await openTestGateways(t)
  const env = (await office.open()).env as unknown as Installation
  const { token, session } = await signInTestPerson('ada', office)
  const shown = `Bearer ${token}`
  assert.equal(must(await knowPerson(asked('/', shown), env)).person, session.person)
  for (const [name, authorization, times] of [
    ['none', undefined, 0],
    ['twice the same', shown, 2],
    ['another scheme', `DPoP ${token}`, 1],
    ['another case of the scheme', `bearer ${token}`, 1],
    ['something after it', `${shown} x`, 1],
    ['another token', `Bearer ${'A'.repeat(43)}`, 1],
  ] as const) {
    const person = await knowPerson(asked('/', authorization, times), env)
    assert.equal(person.ok ? '' : person.error.reason, 'not_signed_in', name)
    const agent = await knowAgent(asked('/', authorization, times), env)
    assert.equal(agent.ok ? '' : agent.error.reason, 'not_authenticated', name)
  }
  const tile = routes(env).find(({ path }) => path === '/log/{path*}')
  // Let in, and nothing was signed yet.
  assert.equal((await tile?.handle(asked('/log/checkpoint', shown)))?.status, 404)
  assert.equal((await tile?.handle(asked('/log/checkpoint', shown, 2)))?.status, 401)
})

test('a person who may not read the log is refused its tiles, on record', async (t) => {
  const office = await openTestGateways(t)
  const env = (await office.open()).env as unknown as Installation
  const { token } = await signInTestPerson('sam', office)
  const before = (await entriesFrom(0, office.store)).length
  const tile = routes(env).find(({ path }) => path === '/log/{path*}')
  assert.equal((await tile?.handle(asked('/log/checkpoint', `Bearer ${token}`)))?.status, 403)
  const session = must(await authenticateSession(token, env))
  const again = await decideFor(session, { operation: 'log.entries', target: INSTALLATION }, env)
  assert.deepEqual(again, {
    ok: false,
    error: { reason: 'not_permitted', message: '`log.entries` is not permitted to you' },
  })
  const recorded = (await entriesFrom(before, office.store)).map((entry) =>
    entry.kind === 'operation_refused' ? [entry.by, entry.operation, entry.reason] : entry.kind,
  )
  const by = { type: 'person', person: session.person, session: session.id, presence: 'session' }
  assert.deepEqual(recorded, [
    [by, 'log.entries', 'not_permitted'],
    [by, 'log.entries', 'not_permitted'],
  ])
})
