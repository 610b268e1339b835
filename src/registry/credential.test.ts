import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sql } from 'kysely'
import { must } from '../base/result.ts'
import { entriesFrom } from '../people/testing.ts'
import { openCredential, setCredential } from './credential.ts'
import { findServer } from './server-store.ts'
import { openTestDocuments, reasonOf } from './testing-documents.ts'
import { testReviewer } from './testing.ts'

test('credentials are sealed, replaceable, bound to their row, and in no record', async (t) => {
  const { env, server } = await openTestDocuments(t)
  const request = { server: 'documents', name: 'api-key', value: 'Bearer hunter2-hunter2' }
  must(await setCredential(request, testReviewer, env))
  const open = (name: string, env2 = env): Promise<string | undefined> =>
    env.store.snapshot((tx) => openCredential(tx, server.id, name, env2))
  assert.equal(await open('api-key'), 'Bearer hunter2-hunter2')
  assert.equal(await open('other'), undefined)
  must(await setCredential({ ...request, value: 'hunter3-hunter3' }, testReviewer, env))
  assert.equal(await open('api-key'), 'hunter3-hunter3')
  await assert.rejects(open('api-key', { ...env, masterKey: Buffer.alloc(32) }))
  await sql`update upstream_credential set name = 'moved'`.execute(env.store.db)
  await assert.rejects(open('moved'))
  const { rows } = await sql<{ dump: string }>`
    select coalesce(string_agg(encode(sealed, 'escape'), ''), '') as dump from upstream_credential`.execute(
    env.store.db,
  )
  assert.ok(!rows[0]?.dump.includes('hunter2') && !rows[0]?.dump.includes('hunter3-hunter3'))
  const log = await entriesFrom(0, env.store)
  assert.deepEqual(
    log.slice(-2).map(({ kind }) => kind),
    ['server_credential_set', 'server_credential_set'],
  )
  assert.ok(!JSON.stringify(log).includes('hunter3-hunter3'))
  const shown = await env.store.snapshot((tx) => findServer(tx, 'documents'))
  assert.ok(!JSON.stringify(shown).includes('hunter3-hunter3'))
  for (const [bad, reason] of [
    [{ ...request, value: '' }, 'bad_value'],
    [{ ...request, value: 'a\r\nx-admin: 1' }, 'bad_value'],
    [{ ...request, value: 'é' }, 'bad_value'],
    [{ ...request, name: 'Api Key' }, 'bad_name'],
    [{ ...request, server: 'x' }, 'unknown_server'],
  ] as const) {
    assert.equal(reasonOf(await setCredential(bad, testReviewer, env)), reason)
  }
})
