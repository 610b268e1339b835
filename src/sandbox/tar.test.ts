import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import * as fc from 'fast-check'
import { systemClock } from '../base/clock.ts'
import { must } from '../base/result.ts'
import { jailWorks } from './bubblewrap.ts'
import { sandboxed, type SandboxEnv, type SandboxSpec } from './sandboxed.ts'
import { CheckedTar, type Handed } from './tar.ts'

const env: SandboxEnv = { clock: systemClock, nodePath: process.execPath }
const CLOSED = { readOnly: [], readWrite: [], environment: {}, limits: {}, tier: 'T1' as const }

/** What comes of a stream in parts of `size` bytes. */
async function through(
  bytes: Buffer,
  { maxBytes = 1_000_000, size = 700 } = {},
): Promise<{ out: Buffer; handed: Handed } | string> {
  const tar = new CheckedTar(maxBytes)
  const parts: Buffer[] = []
  for (let at = 0; at < bytes.length; at += size) parts.push(bytes.subarray(at, at + size))
  const out: Buffer[] = []
  try {
    const fed = (async () => {
      for (const part of parts) if (!tar.write(part)) await systemClock.sleep(0)
      tar.end()
    })()
    for await (const chunk of tar) out.push(chunk as Buffer)
    await fed
  } catch (cause) {
    return (cause as Error).message
  }
  return { out: Buffer.concat(out), handed: tar.handed }
}

/** One entry as somebody hostile writes it. */
function entry(
  name: string,
  {
    type = '0',
    content = '',
    size = undefined as string | undefined,
    link = '',
    mode = '644',
  } = {},
): Buffer {
  const block = Buffer.alloc(512)
  block.write(name, 0, 'latin1')
  block.write(mode.padStart(7, '0'), 100)
  block.write('0000000', 108)
  block.write('0000000', 116)
  block.write((size ?? content.length.toString(8)).padStart(11, '0'), 124)
  block.write('00000000000', 136)
  block.write('        ', 148)
  block.write(type, 156)
  block.write(link, 157)
  block.write('ustar\x0000', 257)
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  const padding = Buffer.alloc((512 - (content.length % 512)) % 512)
  return Buffer.concat([block, Buffer.from(content), padding])
}

const END = Buffer.alloc(1_024)

function listed(tar: Buffer): string[] {
  const { stdout, status } = spawnSync('/usr/bin/tar', ['--list', '--verbose', '--numeric-owner'], {
    input: tar,
  })
  assert.equal(status, 0)
  return stdout
    .toString()
    .split('\n')
    .filter(Boolean)
    .map((line) => line.replace(/ +\d+-\d\d-\d\d \d\d:\d\d /, ' ').replaceAll(/ +/g, ' '))
}

test('tar: files and folders come out as nobody’s, everything else is left out', async () => {
  const name = `${'d'.repeat(90)}/${'e'.repeat(60)}/f`
  const long = entry('f')
  long.write(`${'d'.repeat(90)}/${'e'.repeat(60)}`, 345)
  long.write('        ', 148)
  const sum = long.reduce((total, byte) => total + byte, 0)
  long.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  const hostile = Buffer.concat([
    entry('./', { type: '5', mode: '777' }),
    entry('./report.txt', { content: 'hello' }),
    entry('bin//./tool', { content: 'x'.repeat(1_000), mode: '6755' }),
    entry('./folder', { type: '5', mode: '1777' }),
    entry('link', { type: '2', link: '/etc/passwd' }),
    entry('hard', { type: '1', link: '../../etc/passwd' }),
    entry('device', { type: '3' }),
    entry('pipe', { type: '6' }),
    long,
    END,
    entry('after-the-end', { content: 'x' }),
  ])
  for (const size of [1, 511, 512, 513, 100_000]) {
    const got = await through(hostile, { size })
    if (typeof got === 'string') throw new Error(got)
    assert.deepEqual(got.handed, { files: 3, bytes: 1_005, leftOut: 4 })
    assert.deepEqual(listed(got.out), [
      '-rw-r--r-- 0/0 5 report.txt',
      '-rwxr-xr-x 0/0 1000 bin/tool',
      'drwxr-xr-x 0/0 0 folder/',
      `-rw-r--r-- 0/0 0 ${name}`,
    ])
  }
})

const wrongSum = entry('a')
wrongSum.write('b', 0)
const base256 = entry('a')
base256.writeUInt8(0x80, 124)
base256.write('        ', 148)
base256.write(
  `${base256
    .reduce((total, byte) => total + byte, 0)
    .toString(8)
    .padStart(6, '0')}\0 `,
  148,
)
const REFUSED: [string, Buffer, RegExp][] = [
  ['a path from the root', entry('/etc/cron.d/x'), /no plain relative path/],
  ['a way up', entry('a/../../x'), /no plain relative path/],
  ['only a way up', entry('..', { type: '5' }), /no plain relative path/],
  ['a link that leads up by its name', entry('../x', { type: '2', link: '/' }), /no plain/],
  ['a line break', entry('a\nb'), /no plain relative path/],
  ['an escape sequence', entry('\x1b]0;x\x07'), /no plain relative path/],
  ['a backslash', entry('..\\x'), /no plain relative path/],
  ['content of a link', entry('x', { type: '2', content: 'hidden' }), /is no file and has content/],
  ['content of a folder', entry('x', { type: '5', content: 'hidden' }), /a folder has content/],
  ['a long name of GNU’s', entry('././@LongLink', { type: 'L', content: '/etc/x' }), /no file/],
  ['a header of pax', entry('x', { type: 'x', content: '11 path=/x\n' }), /no file/],
  ['a size that is none', entry('a', { size: '-1' }), /a number is not octal/],
  ['a size in base 256', base256, /a number is not octal/],
  ['a wrong sum', wrongSum, /a header has the wrong sum/],
  ['no tar', Buffer.alloc(512, 'x'), /it is no ustar/],
]
for (const [name, bytes, want] of REFUSED) {
  test(`tar: refused: ${name}`, async () => {
    const got = await through(Buffer.concat([bytes, END]))
    assert.match(typeof got === 'string' ? got : 'it came out', want)
  })
}

test('tar: what is cut short, or larger than it may be, is worth nothing', async () => {
  const whole = Buffer.concat([entry('a', { content: 'x'.repeat(2_000) }), END])
  for (const length of [0, 100, 512, 1_000, 2_560]) {
    assert.equal(await through(whole.subarray(0, length)), 'it ends too early', String(length))
  }
  assert.equal(await through(whole, { maxBytes: 2_000 }), 'it is too large')
  // A size beyond all that comes.
  const lying = Buffer.concat([entry('a', { size: '77777777777' }), END])
  assert.equal(await through(lying), 'it ends too early')
})

test('tar: whatever is changed in a tar, nothing but plain relative files and folders comes out', async () => {
  const whole = Buffer.concat([
    entry('a/b', { content: 'x'.repeat(600) }),
    entry('c', { type: '5' }),
    END,
  ])
  const change = fc.tuple(fc.nat(whole.length - 1), fc.nat(255))
  await fc.assert(
    fc.asyncProperty(fc.array(change, { maxLength: 6 }), async (changes) => {
      const changed = Buffer.from(whole)
      for (const [at, byte] of changes) changed.writeUInt8(byte, at)
      // As a forger would, so that not the sum alone refuses.
      for (const at of [0, 1_536]) {
        changed.write('        ', at + 148)
        const sum = changed.subarray(at, at + 512).reduce((total, byte) => total + byte, 0)
        changed.write(`${sum.toString(8).padStart(6, '0')}\0 `, at + 148)
      }
      const got = await through(changed)
      if (typeof got === 'string') return
      for (const line of listed(got.out)) {
        const [mode = '', owner, , ...path] = line.split(' ')
        assert.match(mode, /^(-rw-r--r--|-rwxr-xr-x|drwxr-xr-x)$/)
        assert.equal(owner, '0/0')
        assert.doesNotMatch(path.join(' '), /^\/|(^|\/)\.\.(\/|$)/)
      }
    }),
    { numRuns: 200 },
  )
})

async function handedOut(
  t: TestContext,
  script: string,
  more: Partial<SandboxSpec> = {},
): Promise<{ out: Buffer | string; code: number | null } | undefined> {
  const usable = await jailWorks(env)
  if (!usable.ok) {
    t.skip(usable.error.message)
    return undefined
  }
  const spec = { ...CLOSED, command: '/bin/sh', args: ['-c', script], output: true, ...more }
  const ran = must(await sandboxed(spec, env))
  ran.stdin.end()
  ran.stdout.resume()
  ran.stderr.resume()
  const parts: Buffer[] = []
  let out: Buffer | string
  try {
    for await (const chunk of ran.output ?? []) parts.push(chunk as Buffer)
    out = Buffer.concat(parts)
  } catch (cause) {
    out = (cause as Error).message
  }
  return { out, code: (await ran.exit).code }
}

test('T1: what a program leaves comes out as a tar that unpacks to files', async (t) => {
  const got = await handedOut(
    t,
    `cd /output && mkdir -p a && echo hello > a/b && ln -s /etc/passwd link && ln a/b hard && mkfifo pipe && chmod 755 a/b && exit 3`,
  )
  if (got === undefined) return
  assert.equal(got.code, 3)
  assert.ok(Buffer.isBuffer(got.out), String(got.out))
  const root = mkdtempSync('/tmp/behalf-tar-')
  t.after(() => rmSync(root, { recursive: true }))
  writeFileSync(join(root, 'out.tar'), got.out)
  execFileSync('/usr/bin/tar', ['-xpf', join(root, 'out.tar'), '-C', root])
  assert.equal(readFileSync(join(root, 'a/b'), 'utf8'), 'hello\n')
  assert.equal(statSync(join(root, 'a/b')).mode & 0o7777, 0o755)
  const names = listed(got.out).map((line) => line.split(' ').at(-1))
  assert.deepEqual(new Set(names), new Set(['a/', 'a/b', 'hard']))
  assert.equal(names.length, 3)
})

test('T1: a program that is ended, or forges the tar, hands out nothing', async (t) => {
  const ended = await handedOut(t, 'echo x > /output/x; sleep 60', {
    limits: { wallMilliseconds: 500 },
  })
  if (ended === undefined) return
  assert.equal(ended.out, 'it ends too early')
  // It finds the pipe by way of its parent, and says something else first.
  const forged = await handedOut(
    t,
    `head -c 512 /dev/zero | tr '\\0' x > /proc/$PPID/fd/6 || echo "no way" > /output/x`,
  )
  assert.ok(forged !== undefined)
  if (Buffer.isBuffer(forged.out)) assert.deepEqual(listed(forged.out).length, 1)
  else assert.equal(forged.out, 'it is no ustar')
  const full = await handedOut(t, 'head -c 200000 /dev/zero > /output/big', {
    limits: { scratchBytes: 65_536 },
  })
  assert.ok(Buffer.isBuffer(full?.out), String(full?.out))
  assert.match(listed(full.out).join(), /^-rw-r--r-- 0\/0 (6\d{4}) big$/)
})

test('T0 hands nothing out', async (t) => {
  const root = mkdtempSync('/tmp/behalf-tar-')
  t.after(() => rmSync(root, { recursive: true }))
  chmodSync(root, 0o755)
  writeFileSync(join(root, 'x.mjs'), '')
  const spec = { ...CLOSED, command: 'node', args: [join(root, 'x.mjs')], output: true }
  const got = await sandboxed({ ...spec, tier: 'T0' }, env)
  assert.equal(got.ok ? 'ran' : got.error.message, 'T0 hands nothing out')
})
