/** Installations on a Postgres that is not ours (`DATABASE_URL`): nothing of them lies in the home but their keys. */

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { startServer } from '../scripts/start-server.ts'
import { askOnce } from '../src/store/connection.ts'
import { makeRole } from '../src/store/serving-role.ts'
import { testDatabase } from '../src/store/testing.ts'
import { must } from '../scripts/set-up.ts'
import { openClerks } from './clerks.ts'
import { startCountingServer } from './counting-server.ts'

test('an installation on another Postgres, stopped and started again', async (t) => {
  const home = mkdtempSync(join(tmpdir(), 'behalf-own-'))
  const environment = { DATABASE_URL: await testDatabase(t) }
  const counter = await startCountingServer()
  let server = await startServer({ home, environment })
  t.after(async () => {
    await server.stop()
    await counter.close()
    rmSync(home, { recursive: true, force: true })
  })
  const port = Number(new URL(server.url).port)
  const { url, code = '' } = server
  const { administrator } = await openClerks({ url, code }, counter.url)
  const { id } = await must(administrator, 'createAgent', { archetype: 'clerk' })
  assert.equal(existsSync(join(home, 'installation/postgres')), false)

  await server.stop()
  server = await startServer({ home, environment, port })
  assert.equal(server.code, undefined, 'the installation is not empty any more')
  const { entries } = await must(administrator, 'logEntries', { from: 0, limit: 500 })
  assert.ok(entries.some(({ entry }) => entry['kind'] === 'agent_created' && entry['agent'] === id))
})

const ROLE = 'behalf_test_serving'

test('the owner prepares a Postgres, and the server serves it by a role that owns nothing', async (t) => {
  const home = mkdtempSync(join(tmpdir(), 'behalf-own-'))
  const owner = await testDatabase(t)
  await askOnce(owner, makeRole(ROLE))
  const serving = new URL(owner)
  serving.username = ROLE
  const environment = { DATABASE_URL: serving.href }
  // Before the owner has done so, the server says what is missing and who can mend it.
  await assert.rejects(
    startServer({ home, environment }),
    /lacks `store-0001`, and `behalf_test_serving` may not make it: run `behalf migrate`/,
  )
  const migrated = await promisify(execFile)(
    join(import.meta.dirname, '../bin/behalf'),
    ['migrate', '--serving-role', ROLE],
    { env: { PATH: process.env['PATH'] ?? '', HOME: home, DATABASE_URL: owner } },
  )
  assert.equal(migrated.stdout, `\`${ROLE}\` may serve\n`)
  const counter = await startCountingServer()
  const server = await startServer({ home, environment })
  t.after(async () => {
    await server.stop()
    await counter.close()
    rmSync(home, { recursive: true, force: true })
  })
  const { url, code = '' } = server
  const { administrator } = await openClerks({ url, code }, counter.url)
  await must(administrator, 'createAgent', { archetype: 'clerk' })
  await assert.rejects(askOnce(serving.href, 'delete from log_entry'), /permission denied/)
})
