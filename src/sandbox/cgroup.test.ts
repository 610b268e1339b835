import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { must } from '../base/result.ts'
import { systemClock } from '../base/clock.ts'
import { controlGroup, unifiedGroup, V2 } from './cgroup.ts'
import { hostMark } from './leftovers.ts'
import { limitsOf } from './limits.ts'

const bounds = must(limitsOf({ memoryBytes: 64 * 2 ** 20, processes: 20 }))

/** The control files of one group, as the kernel would make them. */
const FILES: Readonly<Record<string, string>> = {
  'cgroup.procs': '',
  'cgroup.subtree_control': '',
  'memory.max': '',
  'memory.swap.max': '',
  'memory.oom.group': '',
  'memory.current': '4096\n',
  'memory.peak': '8192\n',
  'memory.events': 'low 0\nhigh 0\nmax 7\noom 2\noom_kill 1\noom_group_kill 1\n',
  'pids.max': '',
  'pids.current': '3\n',
  'pids.peak': '5\n',
  'pids.events': 'max 4\n',
  'cpu.stat': 'usage_usec 2500000\nuser_usec 2000000\n',
  'cpu.idle': '',
  'cpu.weight': '',
}

function hierarchy(t: TestContext, without: readonly string[] = []): string {
  const root = mkdtempSync('/tmp/behalf-cgroup-')
  t.after(() => rmSync(root, { recursive: true }))
  mkdirSync(join(root, 'behalf/one'), { recursive: true })
  for (const [name, text] of Object.entries(FILES)) {
    for (const folder of ['', 'behalf', 'behalf/one']) {
      if (folder !== 'behalf/one' || !without.includes(name)) {
        writeFileSync(join(root, folder, name), text)
      }
    }
  }
  writeFileSync(join(root, 'cgroup.controllers'), 'cpuset cpu io memory pids\n')
  return root
}

test('cgroup v2: what is written, and what is read', async (t) => {
  const root = hierarchy(t)
  const written = (path: string): string => readFileSync(join(root, path), 'latin1')
  const group = unifiedGroup(root, 'one', bounds)
  assert.deepEqual(group?.folders, [join(root, 'behalf/one')])
  assert.equal(written('cgroup.subtree_control'), '+memory +pids +cpu')
  assert.equal(written('behalf/cgroup.subtree_control'), '+memory +pids +cpu')
  assert.equal(written('behalf/one/memory.max'), '67108864')
  assert.equal(written('behalf/one/memory.swap.max'), '0')
  assert.equal(written('behalf/one/memory.oom.group'), '1')
  // With bubblewrap's own.
  assert.equal(written('behalf/one/pids.max'), '21')
  assert.deepEqual(group?.use(), {
    memoryBytes: 8192,
    processes: 5,
    cpuSeconds: 2.5,
    oomKills: 1,
    refusedForks: 4,
  })
  await group?.add(4_711)
  assert.equal(written('behalf/one/cgroup.procs'), '4711')
  group?.yield()
  assert.equal(written('behalf/one/cpu.idle'), '1')
})

test('cgroup v2: without `memory.peak`, `pids.peak` and `cpu.idle` (before 5.19, 6.1 and 5.15) the next best', (t) => {
  const root = hierarchy(t, ['memory.peak', 'pids.peak', 'cpu.idle'])
  const group = unifiedGroup(root, 'one', bounds)
  const { memoryBytes, processes } = group?.use() ?? {}
  assert.deepEqual({ memoryBytes, processes }, { memoryBytes: 4096, processes: 3 })
  group?.yield()
  assert.equal(readFileSync(join(root, 'behalf/one/cpu.weight'), 'latin1'), '1')
})

test('cgroup v2: none, where a limit cannot be written, and nothing is made of it', (t) => {
  for (const missing of ['memory.max', 'pids.max']) {
    const root = hierarchy(t, [missing])
    assert.equal(unifiedGroup(root, 'one', bounds), undefined, missing)
    assert.equal(existsSync(join(root, 'behalf/one', missing)), false)
  }
  const root = hierarchy(t)
  writeFileSync(join(root, 'cgroup.controllers'), 'cpuset cpu io pids\n')
  assert.equal(unifiedGroup(root, 'one', bounds), undefined)
  assert.equal(readFileSync(join(root, 'cgroup.subtree_control'), 'latin1'), '')
})

test('a real group holds memory and processes to the byte, and goes with what is in it', async (t) => {
  const name = `${hostMark()}-test`
  const group = controlGroup(name, bounds)
  if (group === undefined) return t.skip('this user may make no control group here')
  t.after(() => group.remove())
  const child = spawn(process.execPath, ['-e', BOMB], { stdio: ['pipe', 'ignore', 'ignore'] })
  const exit = new Promise<string | null>((resolve) => {
    child.once('exit', (_, signal) => resolve(signal))
  })
  await group.add(child.pid ?? 0)
  child.stdin.end()
  assert.equal(await exit, 'SIGKILL')
  const { memoryBytes, oomKills, cpuSeconds } = group.use()
  assert.ok(memoryBytes <= bounds.memoryBytes && memoryBytes > bounds.memoryBytes * 0.9)
  assert.ok(oomKills >= 1 && cpuSeconds > 0)
  while (!group.remove()) await systemClock.sleep(5)
  assert.deepEqual(group.folders.filter(existsSync), [])
  const isUnified = group.folders.some((folder) =>
    V2.some((root) => folder === join(root, 'behalf', name)),
  )
  t.diagnostic(isUnified ? 'version 2' : 'version 1')
})

const BOMB = `process.stdin.on('end', () => { const kept = []; for (;;) kept.push(Buffer.alloc(1048576, 1)) }).resume()`
