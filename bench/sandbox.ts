/**
 * `node bench/sandbox.ts`: what the sandbox costs, as ratios within one run.
 *
 * - start of T1 over bare `bwrap` (the same program, no filter, no limits), medians in turn
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
const [STARTS, CALLS, ROUNDS, AT_ONCE, LOOPS] = [40, 2_100, 7, 50, 500]

const NEWLINE = 10

const root = mkdtempSync('/tmp/behalf-bench-')
chmodSync(root, 0o755)
const echo = join(root, 'echo.mjs')
writeFileSync(echo, ECHO)
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

/** The end of the answer's line. */
async function answered(stdout: Readable): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const look = (chunk: Buffer): void => {
    if (chunk.at(-1) === NEWLINE) resolve()
  }
  stdout.on('data', look)
  await promise
  stdout.off('data', look)
}

async function warm(): Promise<{ bare: number; jailed: number }> {
  const child = spawn(process.execPath, [echo], { env: {}, stdio: ['pipe', 'pipe', 'inherit'] })
  const ran = must(await sandboxed({ ...CLOSED, command: 'node', args: [echo] }, env))
  await calls(child.stdin, child.stdout, 500)
  await calls(ran.stdin, ran.stdout, 500)
  const [bare, jailed]: [number[], number[]] = [[], []]
  // In turn, so that what else the machine does falls on both.
  for (let round = 0; round < ROUNDS; round++) {
    bare.push(median(await calls(child.stdin, child.stdout, CALLS / ROUNDS)))
    jailed.push(median(await calls(ran.stdin, ran.stdout, CALLS / ROUNDS)))
  }
  child.kill()
  ran.kill()
  await ran.exit
  return { bare: median(bare), jailed: median(jailed) }
}

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
  'fork bomb': {
    args: ['-c', 'b(){ b & b & b; }; b 2>/dev/null; while :; do b 2>/dev/null; done'],
  },
  'processor, 8 processes': {
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

/** The neighbour: a warm server in a sandbox of its own. Its p99 alone and beside each bomb. */
async function neighbour(): Promise<Record<string, number>> {
  const quiet = must(await sandboxed({ ...CLOSED, command: 'node', args: [echo] }, env))
  await calls(quiet.stdin, quiet.stdout, 500)
  const found: Record<string, number> = {
    alone: p99(await calls(quiet.stdin, quiet.stdout, LOOPS)),
  }
  for (const [name, bomb] of Object.entries(BOMBS)) {
    const limits = { processes: 64, memoryBytes: 256 * 2 ** 20, ...bomb.limits }
    const ran = must(
      await sandboxed({ ...CLOSED, command: '/bin/sh', args: [], ...bomb, limits }, env),
    )
    ran.stdout.resume()
    ran.stderr.resume()
    await systemClock.sleep(300)
    found[name] = p99(await calls(quiet.stdin, quiet.stdout, LOOPS))
    ran.kill()
    await ran.exit
  }
  quiet.kill()
  await quiet.exit
  return found
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}

function p99(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length * 0.99)] ?? Number.NaN
}

await jailStart()
const [bare, jailed]: [number[], number[]] = [[], []]
for (let i = 0; i < STARTS; i++) {
  bare.push(await bareStart())
  jailed.push(await jailStart())
}
const start = { bareMilliseconds: median(bare), t1Milliseconds: median(jailed) }
const call = await warm()
const beside = await neighbour()
const alone = beside['alone'] ?? Number.NaN
const report = {
  start: { ...start, ratio: start.t1Milliseconds / start.bareMilliseconds, aim: 3 },
  call: {
    bareMicroseconds: call.bare,
    t1Microseconds: call.jailed,
    ratio: call.jailed / call.bare,
    aim: 1.05,
  },
  atOnce: { sandboxes: AT_ONCE, milliseconds: await atOnce() },
  neighbour: {
    p99Microseconds: beside,
    ratios: Object.fromEntries(
      Object.entries(beside).map(([name, value]) => [name, value / alone]),
    ),
    aim: 3,
  },
}
process.stdout.write(`${JSON.stringify(report, null, 2)}\n`)
rmSync(root, { recursive: true })
