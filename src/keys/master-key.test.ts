import assert from 'node:assert/strict'
import { chmod, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { systemRandom } from '../base/random.ts'
import { loadMasterKey } from './master-key.ts'

const env = { random: systemRandom }

test('a key is made once, for its owner alone, and found again', async (t) => {
  const folder = await emptyFolder(t)
  const file = join(folder, 'master.key')
  const made = await loadMasterKey(file, env)
  assert.equal(made.length, 32)
  assert.equal((await stat(file)).mode & 0o777, 0o600)
  assert.deepEqual(await loadMasterKey(file, env), made)
  assert.deepEqual(await readdir(folder), ['master.key'])
})

test('many that start at once agree on one key', async (t) => {
  const file = join(await emptyFolder(t), 'master.key')
  const keys = await Promise.all(Array.from({ length: 10 }, () => loadMasterKey(file, env)))
  const kept = await readFile(file)
  for (const key of keys) assert.deepEqual(Buffer.from(key), kept)
})

test('a file that others can read is refused', async (t) => {
  for (const mode of [0o640, 0o604, 0o660, 0o777]) {
    const file = join(await emptyFolder(t), 'master.key')
    await writeFile(file, systemRandom.bytes(32))
    await chmod(file, mode)
    await assert.rejects(loadMasterKey(file, env), {
      message: `expected mode 0600 on \`${file}\`, got 0${mode.toString(8)}`,
    })
  }
})

test('a file of another size is refused, and kept', async (t) => {
  const file = join(await emptyFolder(t), 'master.key')
  await writeFile(file, 'half', { mode: 0o600 })
  await assert.rejects(loadMasterKey(file, env), {
    message: `expected 32 bytes in \`${file}\`, got 4`,
  })
  assert.equal(await readFile(file, 'utf8'), 'half')
})

test('a link is not followed', async (t) => {
  const folder = await emptyFolder(t)
  await writeFile(join(folder, 'elsewhere'), systemRandom.bytes(32), { mode: 0o600 })
  await symlink(join(folder, 'elsewhere'), join(folder, 'master.key'))
  await assert.rejects(loadMasterKey(join(folder, 'master.key'), env), { code: 'ELOOP' })
})

test('a missing folder is a fault', async (t) => {
  const file = join(await emptyFolder(t), 'none', 'master.key')
  await assert.rejects(loadMasterKey(file, env), { code: 'ENOENT' })
})

async function emptyFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'behalf-key-'))
  t.after(() => rm(folder, { recursive: true }))
  return folder
}
