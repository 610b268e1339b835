import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { sha256 } from '../base/bytes.ts'
import { fileHighWaterMark } from './high-water-mark.ts'

test('the high-water mark in a file outlives the process; one that cannot be read is a fault', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'mark-'))
  t.after(() => rm(folder, { recursive: true }))
  const file = join(folder, 'mark.json')
  const head = { size: 7, root: sha256('root') }
  assert.equal(await fileHighWaterMark(file).read(), undefined)
  await fileHighWaterMark(file).raise(head)
  assert.deepEqual(await fileHighWaterMark(file).read(), head)
  await writeFile(file, '{"size":7}')
  await assert.rejects(fileHighWaterMark(file).read(), {
    message: `expected a high-water mark in \`${file}\`, restore it from its backup`,
  })
})
