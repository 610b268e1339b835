/**
 * `npm run bench -- --only sandbox`: what the sandbox costs, as ratios within one run.
 *
 * - start of T1 over bare `bwrap` (the same program, no filter, no limits), in turn
 * - one call of a warm stdio server in T1 over the same server without a sandbox
 * - 50 sandboxes at once
 * - the p99 of a neighbour while a bomb goes off beside it, over the same without one
 */

import { spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { getuid } from 'node:process'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { systemClock } from '../src/base/clock.ts'
import { must } from '../src/base/result.ts'
import { sandboxed, type SandboxSpec } from '../src/sandbox/sandboxed.ts'
import { NOBODY } from '../src/sandbox/identity.ts'
import { jailWorks } from '../src/sandbox/bubblewrap.ts'
import { median, rowOf, type Round, type Row } from './rows.ts'

const env = { clock: systemClock, nodePath: process.execPath }
const CLOSED = { readOnly: [], readWrite: [], environment: {}, limits: {}, tier: 'T1' as const }
const BARE =
  '--unshare-all --die-with-parent --ro-bind /usr /usr --symlink usr/bin /bin --symlink usr/lib /lib --symlink usr/lib64 /lib64 --proc /proc --dev /dev --tmpfs /tmp -- /usr/bin/echo up'.split(
    ' ',
  )
// What every stdio server does at least: reads a message, answers one.
const ECHO = `process.stdin.on('data', (chunk) => {
  const { id, params } = JSON.parse(chunk)
  process.stdout.write(JSON.stringify({ jsonrpc: '2.0', id, result: { content: [{ type: 'text', text: params.x }] } }) + '\\n')
})`
const [STARTS, CALLS, AT_ONCE, LOOPS] = [8, 300, 50, 500]

const NEWLINE = 10

let echo = ''
const identity = getuid?.() === 0 ? NOBODY : {}

/** To the first byte that the program writes. */
async function bareStart(): Promise<number> {
  const started = performance.now()
  const child = spawn('/usr/bin/bwrap', BARE, {
    env: {},
    stdio: ['pipe', 'pipe', 'pipe'],
    ...identity,
  })
  await new Promise((resolve) => child.stdout.once('data', resolve))
  const took = performance.now() - started
  await new Promise((resolve) => child.once('exit', resolve))
  return took
}

async function jailStart(): Promise<number> {
  const started = performance.now()
  const spec = { ...CLOSED, command: '/usr/bin/echo', args: ['up'] }
  const ran = must(await sandboxed(spec, env))
  await new Promise((resolve) => ran.stdout.once('data', resolve))
  const took = performance.now() - started
  await ran.exit
  return took
}

/** Round trips of one line, one after the other: microseconds each. */
async function calls(stdin: Writable, stdout: Readable, count: number): Promise<number[]> {
  const times: number[] = []
  const line = `${JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { x: 'y'.repeat(400) } })}\n`
  for (let i = 0; i < count; i++) {
    const started = performance.now()
    stdin.write(line)
    await answered(stdout)
    times.push((performance.now() - started) * 1_000)
  }
  return times
}

const listening = new WeakMap<Readable, { answered: () => void }>()

/** The end of the answer's line. One listener stays, as a client's does. */
async function answered(stdout: Readable): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const known = listening.get(stdout)
  if (known !== undefined) known.answered = resolve
  else {
    const heard = { answered: resolve }
    listening.set(stdout, heard)
    stdout.on('data', (chunk: Buffer) => {
      if (chunk.at(-1) === NEWLINE) heard.answered()
    })
  }
  await promise
}

async function startRound(): Promise<Round<'bare' | 'jailed'>> {
  const [bare, jailed]: [number[], number[]] = [[], []]
  for (let i = 0; i < STARTS; i++) {
    bare.push(await bareStart())
    jailed.push(await jailStart())
  }
  return { bare: median(bare), jailed: median(jailed) }
}

async function warmRounds(rounds: number): Promise<Round<'bare' | 'jailed'>[]> {
  const child = spawn(process.execPath, [echo], { env: {}, stdio: ['pipe', 'pipe', 'inherit'] })
  const ran = must(await sandboxed({ ...CLOSED, command: 'node', args: [echo] }, env))
  await calls(child.stdin, child.stdout, 500)
  await calls(ran.stdin, ran.stdout, 500)
  const found: Round<'bare' | 'jailed'>[] = []
  // In turn, so that what else the machine does falls on both.
  for (let round = 0; round < rounds; round++) {
    const bare = median(await calls(child.stdin, child.stdout, CALLS))
    const jailed = median(await calls(ran.stdin, ran.stdout, CALLS))
    found.push({ bare, jailed })
  }
  child.kill()
  ran.kill()
  await ran.exit
  return found
}

/** Milliseconds until each of them answered. */
async function atOnce(): Promise<number> {
  const started = performance.now()
  const all = await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      const ran = must(await sandboxed({ ...CLOSED, command: 'node', args: [echo] }, env))
      await calls(ran.stdin, ran.stdout, 1)
      return ran
    }),
  )
  const took = performance.now() - started
  for (const ran of all) ran.kill()
  await Promise.all(all.map((ran) => ran.exit))
  return took
}

const BOMBS: Readonly<Record<string, Partial<SandboxSpec>>> = {
  // Goes on forking when it is refused, as a shell would not.
  'fork bomb': { args: ['-c', "exec /usr/bin/perl -e 'fork while 1'"] },
  'busy loop of 8': {
    args: ['-c', 'for i in 1 2 3 4 5 6 7 8; do while :; do :; done & done; wait'],
  },
  'memory bomb': {
    args: [
      '-c',
      'while :; do /usr/bin/perl -e \'$x="x"x1e9 for 1..9\' & /usr/bin/perl -e \'$y="y"x1e9\'; done',
    ],
  },
  'output flood': { args: ['-c', '/usr/bin/yes'], limits: { outputBytes: 256 * 2 ** 20 } },
}

/** The p99 of a warm server in a sandbox of its own: alone, and beside each bomb. */
async function neighbourRound(): Promise<Round<string>> {
  const quiet = must(await sandboxed({ ...CLOSED, command: 'node', args: [echo] }, env))
  await calls(quiet.stdin, quiet.stdout, 500)
  const found: Record<string, number> = {
    alone: p99(await calls(quiet.stdin, quiet.stdout, LOOPS)),
  }
  for (const [name, bomb] of Object.entries(BOMBS)) {
    const ending = new AbortController()
    const going = goingOff(bomb, ending.signal)
    await systemClock.sleep(300)
    found[name] = p99(await calls(quiet.stdin, quiet.stdout, LOOPS))
    ending.abort()
    await going
  }
  quiet.kill()
  await quiet.exit
  return found
}

/** Sets a bomb off, and again as soon as it was ended by its limit. */
async function goingOff(bomb: Partial<SandboxSpec>, signal: AbortSignal): Promise<void> {
  const limits = { processes: 64, memoryBytes: 256 * 2 ** 20, ...bomb.limits }
  while (!signal.aborted) {
    const spec = { ...CLOSED, command: '/bin/sh', args: [], ...bomb, limits }
    const ran = must(await sandboxed(spec, env))
    ran.stdout.resume()
    ran.stderr.resume()
    const kill = (): void => ran.kill()
    signal.addEventListener('abort', kill)
    if (signal.aborted) kill()
    await ran.exit
    signal.removeEventListener('abort', kill)
  }
}

function p99(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length * 0.99)] ?? Number.NaN
}

/** The rows; none where this machine has no T1. */
export async function measureSandbox({ rounds }: { readonly rounds: number }): Promise<Row[]> {
  if (!(await jailWorks(env)).ok) return []
  const root = mkdtempSync('/tmp/behalf-bench-')
  chmodSync(root, 0o755)
  echo = join(root, 'echo.mjs')
  writeFileSync(echo, ECHO)
  try {
    await jailStart()
    const starts: Round<'bare' | 'jailed'>[] = []
    const neighbours: Round<string>[] = []
    for (let round = 0; round < rounds; round++) {
      starts.push(await startRound())
      neighbours.push(await neighbourRound())
    }
    const of = 'jailed'
    return [
      rowOf(
        starts,
        { name: 'sandbox T1, start to first byte', of, unit: 'ms', aim: '≤ 3' },
        { name: 'bare bwrap, the same program', of: 'bare' },
      ),
      rowOf(
        await warmRounds(rounds + 2),
        { name: 'sandbox T1, call of a warm server', of, unit: 'µs', aim: '≤ 1.05' },
        { name: 'the same server without a sandbox', of: 'bare' },
      ),
      {
        name: `sandbox T1, ${AT_ONCE} at once, until each answered`,
        value: await atOnce(),
        unit: 'ms',
        floor: '',
        ratio: Number.NaN,
        spread: Number.NaN,
      },
      ...Object.keys(BOMBS).map((bomb) =>
        rowOf(
          neighbours,
          { name: `sandbox, p99 beside a ${bomb}`, of: bomb, unit: 'µs', aim: '≤ 3' },
          { name: 'the same server, alone', of: 'alone' },
        ),
      ),
    ]
  } finally {
    rmSync(root, { recursive: true })
  }
}
