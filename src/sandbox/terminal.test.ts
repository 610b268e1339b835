import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { systemClock } from '../base/clock.ts'
import { must } from '../base/result.ts'
import { jailWorks } from './bubblewrap.ts'
import { sandboxed, type SandboxEnv, type Sandboxed } from './sandboxed.ts'

const env: SandboxEnv = { clock: systemClock, nodePath: process.execPath }
const CLOSED = { readOnly: [], readWrite: [], environment: {}, limits: {} }
const SIZE = { rows: 33, columns: 99 }

const INSIDE = `
const { openSync, readlinkSync, writeSync } = require('node:fs')
const { dlopen, getInt32 } = process.getBuiltinModule('node:ffi')
const i64 = 'i64'
const { functions: c } = dlopen(null, {
  ioctl: { arguments: [i64, i64, i64], return: i64 }, __errno_location: { arguments: [], return: 'pointer' } })
const failed = (value) => BigInt.asIntN(32, value) === -1n ? getInt32(c.__errno_location(), 0) : 'got through'
const say = (what) => writeSync(1, JSON.stringify(what) + '\\n')
say({
  terminals: [0, 1, 2].map((fd) => require('node:tty').isatty(fd)),
  path: readlinkSync('/proc/self/fd/0'),
  size: process.stdout.getWindowSize(),
  args: process.argv.slice(2),
  pushes: [0, openSync('/dev/tty', 'r+')].map((fd) => failed(c.ioctl(BigInt(fd), 0x5412n, 0n))),
})
process.on('SIGINT', () => { say('interrupted'); process.exit(7) })
process.stdout.on('resize', () => say(process.stdout.getWindowSize()))
process.stdin.on('data', (chunk) => say(String(chunk)))
`

async function started(t: TestContext, args: readonly string[]): Promise<Sandboxed | undefined> {
  const usable = await jailWorks(env)
  if (!usable.ok) {
    t.skip(usable.error.message)
    return undefined
  }
  const root = mkdtempSync('/tmp/behalf-terminal-')
  t.after(() => rmSync(root, { recursive: true }))
  chmodSync(root, 0o755)
  const file = join(root, 'inside.cjs')
  writeFileSync(file, INSIDE)
  const spec = { ...CLOSED, command: 'node', args: [file, ...args], tier: 'T1' as const }
  const program = must(await sandboxed({ ...spec, terminal: SIZE }, env))
  t.after(() => program.kill())
  return program
}

/** The JSON lines of an output; what a terminal echoes is none. */
async function* said(program: Sandboxed): AsyncGenerator {
  let text = ''
  for await (const chunk of program.stdout) {
    const lines = (text + String(chunk)).split(/\r?\n/)
    text = lines.pop() ?? ''
    for (const line of lines.map((each) => each.replace(/^\^C/, ''))) {
      if (/^[[{"]/.test(line)) yield JSON.parse(line)
    }
  }
}

test('T1: a program has a terminal of its own, whatever its arguments are', async (t) => {
  const args = ["it's", '"$(id)"', '`id`', '; exit 3', '-x', '', 'a\nb', '\\', '!!', '*']
  const program = await started(t, args)
  if (program === undefined) return
  const lines = said(program)
  const EPERM = 1
  assert.deepEqual((await lines.next()).value, {
    terminals: [true, true, true],
    path: '/dev/pts/0',
    size: [99, 33],
    args,
    pushes: [EPERM, EPERM],
  })
  program.resize({ rows: 20, columns: 50 })
  // Rows and columns are set one after the other: the program may see it between them.
  const sizes = [(await lines.next()).value]
  if (sizes[0]?.[0] !== 50) sizes.push((await lines.next()).value)
  assert.deepEqual(sizes.at(-1), [50, 20])
  program.stdin.write('typed\r')
  assert.deepEqual((await lines.next()).value, 'typed\n')
  // What the person's Ctrl-C is over a pipe.
  program.stdin.write('\x03')
  assert.equal((await lines.next()).value, 'interrupted')
  const { code, ended } = await program.exit
  assert.deepEqual({ code, ended }, { code: 7, ended: 'itself' })
  program.resize(SIZE)
})

test('T0 has no terminal, and nothing runs without the one that was asked for', async () => {
  const spec = { ...CLOSED, command: 'node', args: [join(import.meta.dirname, 'escape-egress.ts')] }
  const got = await sandboxed({ ...spec, tier: 'T0', terminal: SIZE }, env)
  assert.deepEqual(got.ok ? 'ran' : [got.error.reason, got.error.message], [
    'tier_unavailable',
    'T0 has no terminal',
  ])
})
