/** An installation on a Postgres that is not ours (`DATABASE_URL`): nothing of it lies in the home but its keys. */

import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { startServer } from '../scripts/start-server.ts'
import { testDatabase } from '../src/store/testing.ts'
import { must, openClerks } from './clerks.ts'
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
