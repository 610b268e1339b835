import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import {
  existsSync,
  lchownSync,
  lstatSync,
  readdirSync,
  readFileSync,
  chmodSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import * as fc from 'fast-check'
import { systemClock } from '../base/clock.ts'
import { must } from '../base/result.ts'
import { jailWorks } from './bubblewrap.ts'
import { GROUP_FOLDERS } from './cgroup.ts'
import { sweep } from './leftovers.ts'
import { limitsOf } from './limits.ts'
import { mountsOf } from './mounts.ts'
import { sandboxed, type SandboxEnv, type SandboxSpec } from './sandboxed.ts'
import { REFUSED_CALLS } from './seccomp.ts'

const env: SandboxEnv = { clock: systemClock, nodePath: process.execPath }

function folder(t: TestContext): string {
  const root = mkdtempSync('/tmp/behalf-limits-')
  t.after(() => rmSync(root, { recursive: true, force: true }))
  chmodSync(root, 0o755)
  return root
}

function program(root: string, text: string): Pick<SandboxSpec, 'command' | 'args'> {
  const file = join(root, 'program.mjs')
  writeFileSync(file, text)
  return { command: 'node', args: [file] }
}

const CLOSED = { readOnly: [], readWrite: [], environment: {}, limits: {} }

test('limits: defaults, and what is out of range or unknown', () => {
  assert.deepEqual(must(limitsOf({ processes: 5 })), {
    memoryBytes: 2 ** 30,
    processes: 5,
    openFiles: 1_024,
    scratchBytes: 64 * 2 ** 20,
    diskBytes: 2 ** 30,
    outputBytesPerSecond: 2 ** 25,
  })
  for (const asked of [
    { memoryBytes: 0 },
    { processes: 0.5 },
    { openFiles: -1 },
    { outputBytes: Number.NaN },
    { wallMilliseconds: Infinity },
    { unknown: 1 },
    { toString: 1 },
  ]) {
    assert.equal(limitsOf(asked as never).ok, false, JSON.stringify(asked))
  }
})

test('T1: the kernel refuses every call on the list, by its own word', async (t) => {
  const usable = await jailWorks(env)
  if (!usable.ok) return t.skip(usable.error.message)
  const root = folder(t)
  const spec = program(
    root,
    `const { dlopen, getInt32 } = process.getBuiltinModule('node:ffi')
     const i64 = 'i64'
     const { functions: c } = dlopen(null, {
       syscall: { arguments: [i64, i64, i64, i64, i64, i64, i64], return: i64 },
       __errno_location: { arguments: [], return: 'pointer' } })
     const report = {}
     for (const [name, number] of Object.entries(JSON.parse(process.argv[2]))) {
       const value = c.syscall(BigInt(number), 0n, 0n, 0n, 0n, 0n, 0n)
       report[name] = value === -1n ? getInt32(c.__errno_location(), 0) : 'got through'
     }
     console.log(JSON.stringify(report))`,
  )
  const args = [...spec.args, JSON.stringify(REFUSED_CALLS)]
  const ran = must(await sandboxed({ ...CLOSED, ...spec, args, tier: 'T1' }, env))
  ran.stdin.end()
  let out = ''
  for await (const chunk of ran.stdout) out += String(chunk)
  const [EPERM, ENOSYS, EOPNOTSUPP] = [1, 38, 95]
  const other = { clone3: ENOSYS, memfd_create: ENOSYS, openat2: ENOSYS, fallocate: EOPNOTSUPP }
  const want = Object.fromEntries(Object.keys(REFUSED_CALLS).map((name) => [name, EPERM]))
  assert.deepEqual(JSON.parse(out), { ...want, ...other })
})

test('T1: the exit says what was used, and the report what holds it', async (t) => {
  const usable = await jailWorks(env)
  if (!usable.ok) return t.skip(usable.error.message)
  const root = folder(t)
  mkdirSync(join(root, 'work'))
  chmodSync(join(root, 'work'), 0o777)
  const spec = program(
    root,
    `console.log(Buffer.alloc(50_000, 'x').toString())
     process.stdin.resume()`,
  )
  const ran = must(
    await sandboxed(
      { ...CLOSED, ...spec, readWrite: [join(root, 'work')], label: 'srv_1', tier: 'T1' },
      env,
    ),
  )
  ran.stdout.resume()
  // A watchdog has to have looked once.
  for (let i = 0; i < 500 && ran.stats().peakMemoryBytes < 1_000_000; i++) {
    await systemClock.sleep(10)
  }
  ran.stdin.end()
  const { ended, code, denied, used } = await ran.exit
  assert.deepEqual({ ended, code, denied }, { ended: 'itself', code: 0, denied: [] })
  assert.equal(used.outputBytes, 50_001)
  assert.ok(used.peakMemoryBytes > 1_000_000 && used.peakMemoryBytes < 200_000_000)
  assert.ok(ran.layers.includes('namespaces'))
})

test('T1: what forks without end is refused, counted, and goes behind everything else', async (t) => {
  const usable = await jailWorks(env)
  if (!usable.ok) return t.skip(usable.error.message)
  // A shell ends when it may not fork.
  const bomb = program(
    folder(t),
    `import { spawn } from 'node:child_process'
     const again = () => spawn('/bin/sleep', ['600'], { stdio: 'ignore' }).on('error', () => {})
     setInterval(() => { for (let i = 0; i < 10; i++) try { again() } catch {} }, 20)`,
  )
  const ran = must(
    await sandboxed({ ...CLOSED, ...bomb, limits: { processes: 64 }, tier: 'T1' }, env),
  )
  ran.stderr.resume()
  t.after(() => ran.kill())
  if (!ran.layers.includes('control group')) return t.skip('no control groups')
  const mark = new RegExp(`^host-\\d+-${process.pid}-`)
  const idle = (): string[] =>
    GROUP_FOLDERS.flatMap((parent) =>
      namesIn(parent)
        .filter((name) => mark.test(name) && existsSync(join(parent, name, 'cpu.idle')))
        .map((name) => readFileSync(join(parent, name, 'cpu.idle'), 'latin1').trim()),
    )
  if (idle().length === 0) return t.skip('a kernel without cpu.idle')
  while (idle()[0] === '0') await systemClock.sleep(5)
  // Not there any more, if it ended between two looks of ours.
  assert.ok(idle().every((each) => each === '1'))
  const { denied, used, ended } = await ran.exit
  assert.equal(ended, 'processes')
  assert.equal(denied[0]?.what, 'process')
  assert.ok((denied[0]?.times ?? 0) >= 200)
  assert.ok(used.peakProcesses >= 58 && used.peakProcesses <= 66, String(used.peakProcesses))
})

test('T1: started as root, the same label is the same user and another one another', async (t) => {
  const usable = await jailWorks(env)
  if (!usable.ok) return t.skip(usable.error.message)
  if (process.getuid?.() !== 0) return t.skip('not root')
  const users = await Promise.all(
    ['srv_1', 'srv_1', 'srv_2', undefined].map(async (label) => {
      const spec = { ...CLOSED, command: '/usr/bin/id', args: ['-u'], tier: 'T1' as const }
      const ran = must(await sandboxed({ ...spec, ...(label !== undefined && { label }) }, env))
      ran.stdin.end()
      let out = ''
      for await (const chunk of ran.stdout) out += String(chunk)
      return Number(out)
    }),
  )
  assert.equal(users[0], users[1])
  assert.notEqual(users[0], users[2])
  assert.equal(users[3], 65_534)
  assert.ok(!users.includes(0))
})

test('what a killed host left is gone after the next start', async (t) => {
  const usable = await jailWorks(env)
  if (!usable.ok) return t.skip(usable.error.message)
  const root = folder(t)
  const spec = program(root, `process.on('SIGTERM', () => {}); for (;;) {}`)
  const host = `
    const { sandboxed } = await import(${JSON.stringify(join(import.meta.dirname, 'sandboxed.ts'))})
    const { systemClock } = await import(${JSON.stringify(join(import.meta.dirname, '../base/clock.ts'))})
    for (const tier of ['T0', 'T1']) {
      await sandboxed({ ...${JSON.stringify({ ...CLOSED, ...spec })}, tier }, { clock: systemClock, nodePath: process.execPath })
    }
    console.log('up')
    setTimeout(() => {}, 1e9)`
  const child = spawn(process.execPath, ['--no-warnings', '--input-type=module', '-e', host], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await new Promise((resolve) => child.stdout.once('data', resolve))
  const mark = new RegExp(`host-\\d+-${child.pid}-`)
  const left = (): string[] => [
    ...[...GROUP_FOLDERS, '/tmp'].flatMap((parent) =>
      namesIn(parent).filter((name) => mark.test(name)),
    ),
    ...namesIn('/proc').filter((pid) =>
      commandLine(pid).some((arg) => arg.startsWith(spec.args[0] ?? '/')),
    ),
  ]
  assert.ok(left().length > 0)
  child.kill('SIGKILL')
  await new Promise((resolve) => child.once('exit', resolve))
  for (let i = 0; i < 50 && left().length > 0; i++) {
    sweep()
    await systemClock.sleep(20)
  }
  assert.deepEqual(left(), [])
})

test('a host that lives is not swept', async (t) => {
  const usable = await jailWorks(env)
  if (!usable.ok) return t.skip(usable.error.message)
  const spec = program(folder(t), `process.stdin.pipe(process.stdout)`)
  const ran = must(await sandboxed({ ...CLOSED, ...spec, tier: 'T1' }, env))
  sweep()
  ran.stdin.end('still here')
  let out = ''
  for await (const chunk of ran.stdout) out += String(chunk)
  assert.equal(out, 'still here')
})

test('mounts: a program cannot lead a later mount away by a link in what it may write', async (t) => {
  const root = folder(t)
  mkdirSync(join(root, 'work'))
  mkdirSync(join(root, 'secrets'))
  symlinkSync(join(root, 'secrets'), join(root, 'work/data'))
  const led = await mountsOf(
    { readOnly: [join(root, 'work/data')], readWrite: [join(root, 'work')] },
    {},
  )
  assert.equal(led.ok ? 'shown' : led.error.reason, 'mount_refused')
  mkdirSync(join(root, 'work/own'))
  const own = await mountsOf(
    { readOnly: [join(root, 'work/own')], readWrite: [join(root, 'work')] },
    {},
  )
  assert.equal(own.ok, true)
})

test('mounts: a program of one sandbox cannot lead the mount of another away', async (t) => {
  const root = folder(t)
  mkdirSync(join(root, 'work/folder'), { recursive: true })
  mkdirSync(join(root, 'home'))
  mkdirSync(join(root, 'home/keys'))
  // What the program of another sandbox, which may write `work`, puts there.
  link(join(root, 'home'), join(root, 'work/data'))
  link('../home', join(root, 'work/relative'))
  for (const path of ['work/data', 'work/data/keys', 'work/relative', 'work/relative/keys']) {
    const led = await mountsOf({ readOnly: [join(root, path)], readWrite: [] }, {})
    assert.match(
      led.ok ? 'shown' : led.error.message,
      /^`.+`: expected no link but the system's/,
      path,
    )
  }
  assert.equal(
    (await mountsOf({ readOnly: [join(root, 'work/folder')], readWrite: [] }, {})).ok,
    true,
  )
  if (existsSync('/bin') && lstatSync('/bin').isSymbolicLink()) {
    assert.equal((await mountsOf({ readOnly: ['/bin/sh'], readWrite: [] }, {})).ok, true)
  }
})

test('mounts: whatever is asked for, nothing of the host or of ours is shown', async (t) => {
  const root = folder(t)
  mkdirSync(join(root, 'home/keys'), { recursive: true })
  mkdirSync(join(root, 'data'))
  symlinkSync('/', join(root, 'data/root'))
  symlinkSync('/proc', join(root, 'data/proc'))
  symlinkSync('../home', join(root, 'data/home'))
  const part = fc.constantFrom(
    '..',
    '.',
    '',
    'data',
    'home',
    'keys',
    'root',
    'proc',
    'self',
    'dev',
    'etc',
    '*',
    'a,b',
    '\0',
    '\n',
    '-',
    '%2e%2e',
  )
  const path = fc
    .tuple(
      fc.constantFrom('/', root, `${root}/data`, '', '/proc', '/dev/shm', '//'),
      fc.array(part, { maxLength: 5 }),
    )
    .map(([start, parts]) => [start, ...parts].join('/'))
  await fc.assert(
    fc.asyncProperty(
      fc.array(path, { maxLength: 3 }),
      fc.array(path, { maxLength: 3 }),
      async (readOnly, readWrite) => {
        const found = await mountsOf(
          { readOnly, readWrite },
          { protectedPaths: [join(root, 'home')] },
        )
        if (!found.ok) return
        for (const { real, named } of found.value) {
          assert.ok(real.startsWith('/') && !real.includes('\0') && real !== '/', real)
          assert.ok(!/^\/(proc|sys|dev)(\/|$)/.test(real), real)
          assert.ok(
            !real.startsWith(join(root, 'home')) && !join(root, 'home').startsWith(`${real}/`),
            real,
          )
          assert.ok(!/[*,]/.test(named))
        }
      },
    ),
    { numRuns: 500 },
  )
})

test('a specification out of any range is refused or bounded, never run without bounds', async (t) => {
  const file = program(folder(t), '')
  const number = fc.oneof(fc.integer(), fc.double(), fc.constant(undefined))
  const names = [
    'wallMilliseconds',
    'cpuSeconds',
    'memoryBytes',
    'processes',
    'openFiles',
    'scratchBytes',
    'diskBytes',
    'outputBytes',
  ]
  const limits = fc.dictionary(fc.constantFrom(...names, 'constructor', 'x'), number)
  fc.assert(
    fc.property(limits, (asked) => {
      const got = limitsOf(asked)
      if (!got.ok) return
      for (const [name, value] of Object.entries(got.value)) {
        assert.ok(Number.isSafeInteger(value) && value >= 0, name)
      }
      for (const name of [
        'memoryBytes',
        'processes',
        'openFiles',
        'scratchBytes',
        'diskBytes',
      ] as const) {
        assert.ok(got.value[name] < 2 ** 51, name)
      }
    }),
  )
  const refused = await sandboxed({ ...CLOSED, ...file, limits: { memoryBytes: 1 } }, env)
  assert.equal(refused.ok ? 'ran' : refused.error.reason, 'limit_refused')
})

/** A link of nobody's, were we root. */
function link(target: string, path: string): void {
  symlinkSync(target, path)
  if (process.getuid?.() === 0) lchownSync(path, 65_534, 65_534)
}

function namesIn(path: string): string[] {
  return existsSync(path) ? readdirSync(path) : []
}

function commandLine(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
  } catch {
    return []
  }
}
