import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { sha256 } from '../base/bytes.ts'
import { must } from '../base/result.ts'
import { growTestLog, openTestLog, turnOf } from './testing.ts'
import { copyLog, folderTileSource, storeTileSource } from './tile-source.ts'
import { verifyLog } from './verify.ts'

test('a copy in a folder verifies as the database does', async (t) => {
  const log = await openTestLog(t)
  const folder = await mkdtemp(join(tmpdir(), 'log-'))
  t.after(() => rm(folder, { recursive: true }))
  await growTestLog(log, 600)
  await turnOf(log)
  assert.equal(await copyLog(storeTileSource(log.store), folder), 600)
  const source = folderTileSource(folder)
  const verified = must(await verifyLog(source, { log: log.vkey }, { sha256 }))
  assert.equal(verified.size, 600)
  await writeFile(join(folder, 'tile/entries/001'), 'x')
  const altered = await verifyLog(source, { log: log.vkey }, { sha256 })
  assert.equal(altered.ok ? 'verified' : altered.error.index, 256)
  for (const path of ['../log', '/etc/passwd', 'tile/0/../../checkpoint', 'tile/7/000', 'tile/0']) {
    assert.equal(await source(path), undefined)
    assert.equal(await storeTileSource(log.store)(path), undefined)
  }
})

test('nothing beyond the checkpoint is served', async (t) => {
  const log = await openTestLog(t)
  await growTestLog(log, 3)
  const source = storeTileSource(log.store)
  assert.equal(await source('checkpoint'), undefined)
  assert.equal(await source('tile/entries/000.p/3'), undefined)
  await turnOf(log)
  await growTestLog(log, 2, 'more')
  assert.equal((await source('tile/0/000.p/3'))?.length, 96)
  assert.equal(await source('tile/0/000.p/5'), undefined)
  const bundle = await source('tile/entries/000.p/5')
  assert.deepEqual(bundle, await source('tile/entries/000.p/3'))
})
