/**
 * The escape list: what programs try in a sandbox, tried against each tier of this machine.
 *
 * Call `escapes`. `behalf sandbox check` prints its rows; the tests hold them to their expected ends.
 */

import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { createServer as createHttpServer, type Server as HttpServer } from 'node:http'
import { createServer, type AddressInfo, type Server } from 'node:net'
import { join } from 'node:path'
import { getuid, kill } from 'node:process'
import { base64url, sha256 } from '../base/bytes.ts'
import { BOMBS, type Bomb } from './escape-bomb-list.ts'
import { EGRESS_ATTEMPTS, egressRules } from './escape-egress-list.ts'
import type { Prepared } from './escape-attempts.ts'
import { NOBODY } from './identity.ts'
import { hostMark } from './leftovers.ts'
import { sandboxed, type SandboxEnv, type SandboxSpec, type Tier } from './sandboxed.ts'
import type { Exit } from './report.ts'

/** One attempt in one tier. */
export interface EscapeRow {
  readonly tier: Tier
  readonly attempt: string
  readonly held: boolean
  /** What got through, or why that is known. */
  readonly detail: string
}

// Ways that only JavaScript's own tier closes: in a jail they lead nowhere.
const T0_ONLY = [
  'start a process',
  'start a worker',
  'load a native addon',
  'call a foreign function',
  'reach internal bindings',
  'open the inspector',
  'become another program',
]
// Tried by `refusedLink`: such a mount is refused before anything runs.
const ELSEWHERE = ['read through a symbolic link that lies in a mount']
// Node lets a program set any mode on what it may write, and its files are its user's: not held in T0.
const NOT_HELD_IN_T0 = [
  'make a program that lends its user’s rights',
  'make such a program at once',
]

const PROGRAMS = import.meta.dirname
// Long after its own end, however busy the machine is.
const WALL_MILLISECONDS = 300_000

/** Every attempt against `tier`, in turn. The tier must be there. */
export async function* escapes(tier: Tier, env: SandboxEnv): AsyncGenerator<EscapeRow> {
  const host = await prepare(env)
  try {
    yield* quick(tier, host, env)
    if (tier === 'T0') yield await refusedLink(host, env)
    for (const named of Object.entries(BOMBS)) {
      if ((named[1].only ?? tier) === tier) yield await exploded(tier, named, host, env)
    }
    if (tier === 'T1') yield* throughProxy(host, env)
  } finally {
    await host.remove()
  }
}

interface Host {
  readonly prepared: Prepared
  readonly http: HttpServer
  readonly canary: number
  remove(): Promise<void>
}

/** What a program may find: a folder with a secret, servers, and a process of its own user. */
async function prepare(env: SandboxEnv): Promise<Host> {
  const root = await mkdtemp('/tmp/behalf-escape-')
  const secret = base64url(sha256(`${hostMark()} ${root} ${env.clock.nowMilliseconds()}`))
  await chmod(root, 0o755)
  await mkdir(join(root, 'open'))
  await mkdir(join(root, 'work'))
  await chmod(join(root, 'work'), 0o777)
  // Readable by everybody: nothing but the sandbox stands before it.
  await writeFile(join(root, 'secret.txt'), secret, { mode: 0o644 })
  await writeFile(join(root, 'secret.json'), JSON.stringify(secret), { mode: 0o644 })
  const http = createHttpServer((request, response) => {
    if (request.url === '/redirect')
      response.writeHead(302, { location: `http://127.0.0.1:${port}/secret` })
    response.end(request.url === '/secret' ? secret : JSON.stringify(request.headers))
  })
  await listening(http, 0)
  const { port } = http.address() as AddressInfo
  const abstract = `behalf-${secret.slice(0, 16)}`
  const sockets = [createServer((s) => s.end(secret)), createServer((s) => s.end(secret))]
  await listening(sockets[0], join(root, 'work/socket'))
  await chmod(join(root, 'work/socket'), 0o777)
  await listening(sockets[1], `\0${abstract}`)
  const canary = spawn('/bin/sleep', ['600'], {
    env: { SECRET: secret },
    stdio: 'ignore',
    ...(getuid?.() === 0 && NOBODY),
  })
  const hostPid = canary.pid ?? 0
  return {
    prepared: { root, secret, port, hostPid, abstract },
    http,
    canary: hostPid,
    remove: async () => {
      canary.kill('SIGKILL')
      for (const server of [http, ...sockets]) server.close()
      http.closeAllConnections()
      await rm(root, { recursive: true, force: true })
    },
  }
}

async function* quick(tier: Tier, { prepared }: Host, env: SandboxEnv): AsyncGenerator<EscapeRow> {
  const { root } = prepared
  if (tier === 'T1') await symlink(join(root, 'secret.txt'), join(root, 'work/planted'))
  const without = tier === 'T1' ? T0_ONLY : [...ELSEWHERE, ...NOT_HELD_IN_T0]
  const args = [join(PROGRAMS, 'escape-attempts.ts'), JSON.stringify(prepared), without.join('\n')]
  const ran = await outcome(specOf(tier, root, args), env)
  await rm(join(root, 'work/planted'), { force: true })
  const last = ran.out.trim().split('\n').at(-1) ?? ''
  const report = parsed(last)
  if (report === undefined) {
    yield {
      tier,
      attempt: 'run the list',
      held: false,
      detail: `no report: ${ran.err.slice(0, 300)}`,
    }
    return
  }
  for (const [attempt, got] of Object.entries(report)) {
    yield { tier, attempt, held: got === null, detail: got ?? 'refused' }
  }
}

/** T0 follows links, so that a mount in which one leads out is refused whole. */
async function refusedLink({ prepared }: Host, env: SandboxEnv): Promise<EscapeRow> {
  const { root } = prepared
  await symlink(join(root, 'secret.txt'), join(root, 'work/planted'))
  const got = await sandboxed(specOf('T0', root, [join(PROGRAMS, 'escape-attempts.ts'), '{}']), env)
  await rm(join(root, 'work/planted'))
  if (got.ok) got.value.kill()
  return {
    tier: 'T0',
    attempt: 'read through a symbolic link that lies in a mount',
    held: !got.ok && got.error.reason === 'link_leaves_mount',
    detail: got.ok ? 'it ran' : `not started: ${got.error.reason}`,
  }
}

async function exploded(
  tier: Tier,
  [attempt, bomb]: readonly [string, Bomb],
  { prepared, canary }: Host,
  env: SandboxEnv,
): Promise<EscapeRow> {
  const { root } = prepared
  const work = join(root, 'work')
  const args = [join(PROGRAMS, 'escape-bombs.ts'), bomb.what, work]
  const spec = { ...specOf(tier, root, args), limits: bomb.limits }
  const { exit } = await outcome(spec, env)
  const beat = await settled(join(work, 'beat'), env)
  await rm(work, { recursive: true, force: true })
  await mkdir(work)
  await chmod(work, 0o777)
  if (exit === undefined) return { tier, attempt, held: false, detail: 'it was not started' }
  const held = bomb.holds(exit, tier) && beat && alive(canary)
  const { peakMemoryBytes, peakProcesses, diskBytes, outputBytes, cpuSeconds, measuredBy } =
    exit.used
  const used = { cpuSeconds, peakMemoryBytes, peakProcesses, diskBytes, outputBytes, measuredBy }
  return { tier, attempt, held, detail: `ended: ${exit.ended}; ${JSON.stringify(used)}` }
}

async function* throughProxy({ prepared, http }: Host, env: SandboxEnv): AsyncGenerator<EscapeRow> {
  const { port, root } = prepared
  const { rules, resolve } = egressRules(port)
  const texts = EGRESS_ATTEMPTS.map(({ text }) => text(port))
  const spec: SandboxSpec = {
    ...specOf('T1', root, [join(PROGRAMS, 'escape-egress.ts'), JSON.stringify(texts)]),
    egress: rules,
  }
  const { out, err } = await outcome(spec, { ...env, resolve })
  http.closeAllConnections()
  const answers = parsed(out) as unknown as readonly string[] | undefined
  for (const [i, { attempt, held }] of EGRESS_ATTEMPTS.entries()) {
    const answer = answers?.[i]
    const line = answer?.split('\r\n')[0] ?? `no answer: ${err.slice(0, 200)}`
    yield {
      tier: 'T1',
      attempt,
      held: answer !== undefined && held(answer, prepared.secret),
      detail: line || 'closed',
    }
  }
}

function specOf(tier: Tier, root: string, args: readonly string[]): SandboxSpec {
  return {
    command: 'node',
    args,
    readOnly: [join(root, 'open')],
    readWrite: [join(root, 'work')],
    environment: {},
    limits: { wallMilliseconds: WALL_MILLISECONDS },
    tier,
  }
}

async function outcome(
  spec: SandboxSpec,
  env: SandboxEnv,
): Promise<{ out: string; err: string; exit?: Exit }> {
  const ran = await sandboxed(spec, env)
  if (!ran.ok) return { out: '', err: `${ran.error.reason}: ${ran.error.message}` }
  ran.value.stdin.end()
  const [out, err, exit] = await Promise.all([
    textOf(ran.value.stdout),
    textOf(ran.value.stderr),
    ran.value.exit,
  ])
  return { out, err, exit }
}

const MOST = 1024 * 1024

async function textOf(stream: AsyncIterable<unknown>): Promise<string> {
  let text = ''
  for await (const chunk of stream) if (text.length < MOST) text += String(chunk)
  return text
}

/** Whether nothing writes `file` any more. */
async function settled(file: string, env: SandboxEnv): Promise<boolean> {
  if (!existsSync(file)) return true
  const before = await readFile(file)
  await env.clock.sleep(200)
  return (await readFile(file)).length === before.length
}

function alive(pid: number): boolean {
  try {
    return kill(pid, 0)
  } catch {
    return false
  }
}

function parsed(text: string): Record<string, string | null> | undefined {
  try {
    return JSON.parse(text) as Record<string, string | null>
  } catch {
    return undefined
  }
}

async function listening(server: Server | undefined, where: string | number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  server?.listen(
    typeof where === 'number' ? { port: where, host: '127.0.0.1' } : { path: where },
    resolve,
  )
  await promise
}
