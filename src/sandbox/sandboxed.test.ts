import assert from 'node:assert/strict'
import { chmod, mkdir, mkdtemp, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { FakeClock, systemClock } from '../base/clock.ts'
import { must } from '../base/result.ts'
import { sandboxed, type SandboxEnv, type SandboxSpec, type Sandboxed } from './sandboxed.ts'

const env: SandboxEnv = { clock: systemClock, nodePath: process.execPath }

/** A folder that the jail's user may enter, with a mount to read, one to write, and a secret beside them. */
async function folder(t: TestContext): Promise<string> {
  const root = await realpath(await mkdtemp(join(tmpdir(), 'behalf-sandbox-')))
  t.after(async () => await rm(root, { recursive: true }))
  await chmod(root, 0o755)
  await mkdir(join(root, 'open'))
  await mkdir(join(root, 'work'))
  await chmod(join(root, 'work'), 0o777)
  await writeFile(join(root, 'open/note.txt'), 'open')
  await writeFile(join(root, 'secret.txt'), 'secret')
  return root
}

async function script(root: string, text: string): Promise<string> {
  const file = join(root, 'program.mjs')
  await writeFile(file, text)
  return file
}

function spec(root: string, file: string, more: Partial<SandboxSpec> = {}): SandboxSpec {
  return {
    command: 'node',
    args: [file],
    readOnly: [join(root, 'open')],
    readWrite: [join(root, 'work')],
    environment: {},
    limits: { wallMilliseconds: 20_000 },
    ...more,
  }
}

async function outputOf(
  ran: Sandboxed,
): Promise<{ out: string; err: string; code: number | null }> {
  ran.stdin.end()
  const [out, err, { code }] = await Promise.all([textOf(ran.stdout), textOf(ran.stderr), ran.exit])
  return { out, err, code }
}

async function textOf(stream: AsyncIterable<unknown>): Promise<string> {
  let text = ''
  for await (const chunk of stream) text += String(chunk)
  return text
}

async function jailWorks(t: TestContext, root: string): Promise<boolean> {
  const probe = await sandboxed(spec(root, await script(root, ''), { tier: 'T1' }), env)
  if (probe.ok) return (await probe.value.exit).code === 0
  t.skip(`T1: ${probe.error.message}`)
  return false
}

async function listening(t: TestContext, where: string | number): Promise<Server> {
  const server = createServer((socket) => socket.end()).listen(where)
  await new Promise((resolve) => server.once('listening', resolve))
  t.after(() => server.close())
  return server
}

/** Tries everything that a program might, and prints what it got. */
const PROBE = `
import fs from 'node:fs'
import net from 'node:net'
import dns from 'node:dns/promises'
import { createRequire } from 'node:module'
const require = createRequire(import.meta.url)
const [root, port, parent] = process.argv.slice(2)
const report = {}
const attempt = async (name, work) => {
  try { report[name] = String(await work()) } catch { report[name] = 'refused' }
}
const connects = (options) => new Promise((resolve, reject) => {
  const socket = net.connect(options, () => { socket.destroy(); resolve('connected') })
  socket.on('error', reject)
})
await attempt('read a mount', () => fs.readFileSync(root + '/open/note.txt'))
await attempt('write a mount to read', () => fs.writeFileSync(root + '/open/new', ''))
await attempt('write a mount to write', () => (fs.writeFileSync(root + '/work/new', 'x'), 'written'))
await attempt('read beside the mounts', () => fs.readFileSync(root + '/secret.txt'))
await attempt('read by way of a mount', () => fs.readFileSync(root + '/open/../secret.txt'))
await attempt('read by bytes', () => fs.readFileSync(Buffer.from(root + '/open/../secret.txt')))
await attempt('link into a mount and read', () => {
  fs.symlinkSync(root + '/secret.txt', root + '/work/link')
  return fs.readFileSync(root + '/work/link')
})
await attempt('hard link and read', () => {
  fs.linkSync(root + '/secret.txt', root + '/work/hard')
  return fs.readFileSync(root + '/work/hard')
})
await attempt('passwords', () => fs.readFileSync('/etc/shadow'))
await attempt('users', () => fs.readFileSync('/etc/passwd'))
await attempt("parent's environment", () => fs.readFileSync('/proc/' + parent + '/environ'))
await attempt("first process's environment", () => fs.readFileSync('/proc/1/environ').toString().includes('BEHALF'))
await attempt('the root of the first process', () => fs.readFileSync('/proc/1/root' + root + '/secret.txt'))
await attempt('import', async () => (await import(root + '/open/../package.json')).default)
await attempt('host loopback', () => connects({ port: Number(port), host: '127.0.0.1' }))
await attempt('unix socket', () => connects({ path: root + '/work/socket' }))
await attempt('metadata service', () => connects({ port: 80, host: '169.254.169.254' }))
await attempt('names', () => dns.resolve('example.com'))
await attempt('fetch', () => fetch('http://127.0.0.1:' + port))
await attempt('SQLite', () => (new (require('node:sqlite').DatabaseSync)(root + '/open/out.db').exec('create table t(x)'), 'made'))
await attempt('signal to the parent', () => process.kill(Number(parent), 0))
await attempt('core pattern', () => (fs.writeFileSync('/proc/sys/kernel/core_pattern', '|/x'), 'written'))
await attempt('user namespace', () => require('node:child_process').execFileSync('/usr/bin/unshare', ['-U', 'true']))
await attempt('environment', () => Object.keys(process.env).filter((name) => !['PWD', 'TMPDIR'].includes(name)))
console.log(JSON.stringify(report))
`

const WANT = {
  'read a mount': 'open',
  'write a mount to read': 'refused',
  'write a mount to write': 'written',
  'read beside the mounts': 'refused',
  'read by way of a mount': 'refused',
  'read by bytes': 'refused',
  'link into a mount and read': 'refused',
  'hard link and read': 'refused',
  passwords: 'refused',
  users: 'refused',
  "parent's environment": 'refused',
  'the root of the first process': 'refused',
  import: 'refused',
  'host loopback': 'refused',
  'unix socket': 'refused',
  'metadata service': 'refused',
  names: 'refused',
  fetch: 'refused',
  'signal to the parent': 'refused',
  'core pattern': 'refused',
  SQLite: 'refused',
  'user namespace': 'refused',
  environment: '',
}

for (const tier of ['T0', 'T1'] as const) {
  test(`${tier}: what a program can reach is what was named`, async (t) => {
    const root = await folder(t)
    if (tier === 'T1' && !(await jailWorks(t, root))) return
    const server = await listening(t, 0)
    await listening(t, join(root, 'work/socket'))
    const address = server.address()
    const port = typeof address === 'object' ? address?.port : undefined
    const file = await script(root, PROBE)
    const args = [file, root, String(port), String(process.pid)]
    const ran = must(await sandboxed(spec(root, file, { args, tier }), env))
    assert.equal(ran.tier, tier)
    const { out, err } = await outputOf(ran)
    assert.deepEqual(
      JSON.parse(out === '' ? `"${err}"` : out),
      // In a jail the first process is bubblewrap, whose environment is as empty as the program's.
      { ...WANT, "first process's environment": tier === 'T0' ? 'refused' : 'false' },
    )
    assert.equal(existsSync(join(root, 'open/out.db')), false)
    assert.equal(await readFile(join(root, 'work/new'), 'utf8'), 'x')
  })

  test(`${tier}: the environment is what was given`, async (t) => {
    const root = await folder(t)
    if (tier === 'T1' && !(await jailWorks(t, root))) return
    const file = await script(root, 'console.log(JSON.stringify(process.env))')
    const environment = { MEMORY_FILE_PATH: '/somewhere' }
    const ran = must(await sandboxed(spec(root, file, { environment, tier }), env))
    const {
      PWD: _pwd,
      TMPDIR: _scratch,
      ...seen
    } = JSON.parse((await outputOf(ran)).out) as Record<string, string>
    assert.deepEqual(seen, environment)
  })

  test(`${tier}: a program that spins ends with its time`, async (t) => {
    const root = await folder(t)
    if (tier === 'T1' && !(await jailWorks(t, root))) return
    const clock = new FakeClock()
    const file = await script(root, 'process.stdout.write("up"); for (;;);')
    // The probe of a jail takes a wall clock of its own.
    const limits = { wallMilliseconds: 60_000 }
    const ran = must(await sandboxed(spec(root, file, { tier, limits }), { ...env, clock }))
    await new Promise((resolve) => ran.stdout.once('data', resolve))
    await clock.advance(60_000)
    const { code, signal, ended } = await ran.exit
    assert.deepEqual(
      { code, signal, ended },
      { code: null, signal: 'SIGKILL', ended: 'wall_clock' },
    )
  })
}

test('T1: what a program started ends with it', async (t) => {
  const root = await folder(t)
  if (!(await jailWorks(t, root))) return
  const file = await script(
    root,
    `import { spawn } from 'node:child_process'
     spawn('/bin/sh', ['-c', 'while :; do echo x >> ${root}/work/beat; done'], { detached: true, stdio: 'ignore' })
     setTimeout(() => console.log('up'), 200)
     setTimeout(() => {}, 1e9)`,
  )
  const ran = must(await sandboxed(spec(root, file, { tier: 'T1' }), env))
  await new Promise((resolve) => ran.stdout.once('data', resolve))
  ran.kill()
  await ran.exit
  const beats = async (): Promise<number> => (await readFile(join(root, 'work/beat'))).length
  // The kernel ends the namespace's last processes just after its first one.
  let before = -1
  for (let now = await beats(); now !== before; now = await beats()) {
    before = now
    await systemClock.sleep(50)
  }
  assert.ok(before > 0)
})

test('T1: an executable runs, as nobody', async (t) => {
  const root = await folder(t)
  if (!(await jailWorks(t, root))) return
  const ran = must(
    await sandboxed({ ...spec(root, ''), command: '/usr/bin/id', args: ['-u'], tier: 'T1' }, env),
  )
  const { out, code } = await outputOf(ran)
  assert.equal(code, 0)
  assert.notEqual(out.trim(), '0')
})

test('without bubblewrap JavaScript falls back to T0, and the report says why', async (t) => {
  const root = await folder(t)
  const file = await script(root, 'console.log(process.permission?.has("fs.read"))')
  const none = { ...env, bubblewrapPath: '/nowhere/bwrap' }
  const ran = must(await sandboxed(spec(root, file), none))
  assert.equal(ran.tier, 'T0')
  assert.match(ran.fellBack ?? '', /^no (bubblewrap at `\/nowhere\/bwrap`|system call filter)/)
  assert.equal((await outputOf(ran)).out, 'false\n')
  const refused = await sandboxed(spec(root, file, { tier: 'T1' }), none)
  assert.equal(refused.ok, false)
  assert.equal(!refused.ok && refused.error.reason, 'tier_unavailable')
})

test('refused before anything runs', async (t) => {
  const root = await folder(t)
  const file = await script(root, '')
  await mkdir(join(root, 'leak'))
  await symlink(join(root, 'secret.txt'), join(root, 'leak/link'))
  const none = {
    ...env,
    bubblewrapPath: '/nowhere/bwrap',
    protectedPaths: [join(root, 'secret.txt')],
  }
  const refusals: [string, Partial<SandboxSpec>, string][] = [
    ['an executable at T0', { command: '/usr/bin/id', args: [], tier: 'T0' }, 'not_javascript'],
    ['an executable without T1', { command: '/usr/bin/id', args: [] }, 'not_javascript'],
    ['a bare name', { command: 'npx', args: [] }, 'command_missing'],
    ['no such file', { args: ['/nowhere/x.mjs'] }, 'command_missing'],
    ['an option to Node', { args: ['--allow-fs-read=*', file] }, 'command_missing'],
    [
      'our Node with an option',
      { command: process.execPath, args: ['-e', '1'] },
      'command_missing',
    ],
    [
      'options to Node by its environment',
      { environment: { NODE_OPTIONS: '--allow-net' } },
      'environment_refused',
    ],
    ...['BASH_FUNC_/bin/mount%%', 'BASH_ENV', 'SHELLOPTS', 'PS4', 'LIBMOUNT_FSTAB'].map(
      (name): [string, Partial<SandboxSpec>, string] => [
        `code for a shell by ${name}`,
        { environment: { [name]: '() { id; }' } },
        'environment_refused',
      ],
    ),
    ['code for the linker', { environment: { LD_PRELOAD: '/x.so' } }, 'environment_refused'],
    ['the root', { readOnly: ['/'] }, 'mount_refused'],
    ['processes', { readOnly: ['/proc/self'] }, 'mount_refused'],
    ['devices', { readWrite: ['/dev/shm'] }, 'mount_refused'],
    ['what does not exist', { readOnly: [join(root, 'none')] }, 'mount_refused'],
    ['a relative path', { readOnly: ['open'] }, 'mount_refused'],
    ['a wildcard', { readOnly: [`${root}/*`] }, 'mount_refused'],
    ['our own secrets', { readOnly: [root] }, 'mount_refused'],
    ['a working folder outside', { cwd: root }, 'mount_refused'],
    ['a link that leads out', { readOnly: [join(root, 'leak')], tier: 'T0' }, 'link_leaves_mount'],
  ]
  for (const [name, more, want] of refusals) {
    const got = await sandboxed(spec(root, file, more), none)
    assert.equal(got.ok ? 'ran' : got.error.reason, want, name)
  }
})
