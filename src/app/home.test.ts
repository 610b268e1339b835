import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { claimHome } from './home.ts'

test('one server at a time', async (t) => {
  const home = join(mkdtempSync(join(tmpdir(), 'behalf-home-')), 'home')
  t.after(() => rmSync(home, { recursive: true }))
  const release = await claimHome(home)
  assert.equal(statSync(home).mode & 0o777, 0o700)
  await assert.rejects(claimHome(home), /stop the server that runs on it/)
  await release()
  await (
    await claimHome(home)
  )()
})

test('refuses a home whose sockets would have too long a path', async () => {
  await assert.rejects(claimHome(`/tmp/${'x'.repeat(60)}`), /expected a path of at most 58 bytes/)
})
