import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { systemClock } from '../base/clock.ts'
import { must } from '../base/result.ts'
import { DiskWatch } from './disk-watch.ts'
import { halt } from './halt.ts'
import { isStopped, treeUse } from './process-tree.ts'
import { sandboxed } from './sandboxed.ts'

const MEBIBYTE = 2 ** 20
const TMPFS = 0x01021994
const never = new AbortController().signal

async function sleeper(t: TestContext): Promise<number> {
  const child = spawn('/bin/sh', ['-c', 'sleep 600 & wait'], { stdio: 'ignore', detached: true })
  await new Promise((resolve) => child.once('spawn', resolve))
  t.after(() => process.kill(-(child.pid ?? 0), 'SIGKILL'))
  return child.pid ?? 0
}

async function grown(root: number): Promise<Awaited<ReturnType<typeof treeUse>>> {
  for (;;) {
    const tree = await treeUse(root, async () => {})
    if ((tree?.pids.length ?? 0) > 1) return tree
    await systemClock.sleep(5)
  }
}

for (const parent of ['/dev/shm', '/tmp']) {
  test(`disk: what others wrote in its name is found without their word, in ${parent}`, async (t) => {
    if (!existsSync('/proc/self/io') || !existsSync(parent)) return t.skip('no Linux')
    if (parent === '/dev/shm' && statfsSync(parent).type !== TMPFS) return t.skip('no tmpfs')
    const folder = mkdtempSync(join(parent, 'behalf-disk-'))
    t.after(() => rmSync(folder, { recursive: true }))
    writeFileSync(join(folder, 'there before'), Buffer.alloc(4 * MEBIBYTE))
    const root = await sleeper(t)
    const filled = { folders: [folder], limit: 2 * MEBIBYTE }
    const watch = await DiskWatch.begun(filled, systemClock)
    assert.equal(await watch.isOver(root, await grown(root), never), false)
    // By us: no process of the tree has a word of it.
    writeFileSync(join(folder, 'within'), Buffer.alloc(MEBIBYTE, 1))
    assert.equal(await watch.isOver(root, await grown(root), never), false)
    writeFileSync(join(folder, 'over'), Buffer.alloc(2 * MEBIBYTE, 1))
    assert.equal(await watch.isOver(root, await grown(root), never), true)
    assert.ok(watch.usedBytes >= 3 * MEBIBYTE && watch.usedBytes < 3.5 * MEBIBYTE)
    // What is over stands still.
    while ((await grown(root))?.pids.every(isStopped) !== true) await systemClock.sleep(1)
  })
}

test('a program that is halted stands still, whole, and goes on as it was', async (t) => {
  if (!existsSync('/proc/self/stat')) return t.skip('no Linux')
  const root = await sleeper(t)
  const tree = await grown(root)
  const [, inner = 0] = tree?.pids ?? []
  process.kill(inner, 'SIGSTOP')
  while (!isStopped(inner)) await systemClock.sleep(1)
  const resume = await halt(root, tree)
  while (!isStopped(root)) await systemClock.sleep(1)
  resume()
  while (isStopped(root)) await systemClock.sleep(1)
  assert.equal(isStopped(inner), true, 'what it stopped itself stays so')
})

test('T0: the kernel holds its scratch, where it may be asked to; and the report says who holds what', async (t) => {
  const root = mkdtempSync('/tmp/behalf-scratch-test-')
  t.after(() => rmSync(root, { recursive: true }))
  const file = join(import.meta.dirname, 'escape-bombs.ts')
  const ran = must(
    await sandboxed(
      {
        command: 'node',
        args: [file, 'empty files in scratch'],
        readOnly: [],
        readWrite: [],
        environment: {},
        limits: { scratchBytes: MEBIBYTE, wallMilliseconds: 60_000 },
        tier: 'T0',
      },
      { clock: systemClock, nodePath: process.execPath },
    ),
  )
  ran.stdin.end()
  const { ended, code, denied } = await ran.exit
  if (ran.layers.includes('scratch of fixed size')) {
    assert.deepEqual([ran.totals.scratch, ended, code], ['kernel', 'itself', 28])
    return
  }
  assert.deepEqual([ran.totals.scratch, ended, code], ['watchdog', 'disk', null])
  assert.match(denied[0]?.detail ?? '', /^more than 1048576 bytes: it had \d+$/)
})
