/**
 * T1: bubblewrap, with namespaces, mounts and a system call filter of its own.
 *
 * Held (tested): files outside of the mounts, the network (an empty one, nothing of the host's loopback),
 * unix sockets, processes of the host, `/proc/sys`, nested namespaces, the calls in `seccomp.ts`.
 * Not held: CPU, and the number of processes and their memory in total (that needs a cgroup).
 */

import { lstat, readlink } from 'node:fs/promises'
import { arch, userInfo } from 'node:os'
import type { Readable } from 'node:stream'
import { ok, refuse, type Result } from '../base/result.ts'
import { killGroup, launched, type Launch } from './launch.ts'
import type { Mount } from './mounts.ts'
import type { Program } from './program.ts'
import type { SandboxEnv, SandboxSpec } from './sandboxed.ts'
import { seccompFilter } from './seccomp.ts'

type Plan = {
  readonly spec: SandboxSpec
  readonly program: Program
  readonly mounts: readonly Mount[]
}

/** This machine, this user or these mounts do not allow T1. */
export interface JailRefusal {
  readonly reason: 'jail_unavailable'
  readonly message: string
}

// bubblewrap started as uid 0 can write the host's core_pattern: become nobody first.
const NOBODY = { uid: 65_534, gid: 65_534 }
const PROBE_MILLISECONDS = 5_000
const TEMPORARY_BYTES = 64 * 1024 * 1024
// What the dynamic linker and ordinary programs need, and none of the host's configuration.
const SYSTEM = ['/usr', '/bin', '/sbin', '/lib', '/lib64']
const SYSTEM_FILES = ['/etc/ld.so.cache', '/etc/alternatives']

/** The command line that jails `plan`, after a run of the very same jail showed that it works. */
export async function jailed(plan: Plan, env: SandboxEnv): Promise<Result<Launch, JailRefusal>> {
  const filter = seccompFilter(arch())
  if (filter === undefined) return unavailable(`no system call filter for \`${arch()}\``)
  const bubblewrap = env.bubblewrapPath ?? '/usr/bin/bwrap'
  if ((await lstat(bubblewrap).catch(() => undefined)) === undefined) {
    return unavailable(`no bubblewrap at \`${bubblewrap}\``)
  }
  const heap = plan.spec.limits.heapMegabytes
  const { file, args, javascript } = plan.program
  const program = javascript
    ? [env.nodePath, ...(heap === undefined ? [] : [`--max-old-space-size=${heap}`]), file, ...args]
    : [file, ...args]
  const walls = await wallsOf(plan, env)
  const inside = (command: readonly string[]): Launch => ({
    tier: 'T1',
    command: bubblewrap,
    args: [...walls, '--', ...command],
    cwd: '/',
    filter,
    ...(userInfo().uid === 0 ? { identity: NOBODY } : {}),
  })
  const fault = await tried(inside([env.nodePath, '-e', probeOf(plan)]), env)
  return fault === undefined ? ok(inside(program)) : unavailable(fault)
}

async function wallsOf(plan: Plan, env: SandboxEnv): Promise<string[]> {
  const walls = ['--unshare-all', '--die-with-parent', '--new-session']
  for (const path of SYSTEM) {
    const found = await lstat(path).catch(() => undefined)
    if (found === undefined) continue
    walls.push(
      ...(found.isSymbolicLink()
        ? ['--symlink', await readlink(path), path]
        : ['--ro-bind', path, path]),
    )
  }
  for (const path of SYSTEM_FILES) walls.push('--ro-bind-try', path, path)
  walls.push('--proc', '/proc', '--ro-bind', '/proc/sys', '/proc/sys')
  // bubblewrap's /dev is a writable tmpfs half as large as the memory, with /dev/shm in it.
  walls.push('--dev', '/dev', '--remount-ro', '/dev')
  walls.push('--size', String(TEMPORARY_BYTES), '--tmpfs', '/tmp')
  for (const path of new Set([env.nodePath, plan.program.code, plan.program.file])) {
    walls.push('--ro-bind', path, path)
  }
  // Outer paths first, so that what is mounted below them is not covered.
  for (const { named, real, writable } of plan.mounts.toSorted(
    (a, b) => a.named.length - b.named.length,
  )) {
    for (const path of new Set([named, real])) {
      walls.push(writable ? '--bind' : '--ro-bind', real, path)
    }
  }
  walls.push('--remount-ro', '/', '--chdir', plan.spec.cwd ?? '/', '--seccomp', '3')
  return walls
}

/** A program that fails if the user inside may not use what was mounted. */
function probeOf(plan: Plan): string {
  const needed = [
    { path: plan.program.file, writable: false },
    ...plan.mounts.map(({ named, writable }) => ({ path: named, writable })),
  ]
  return `const { accessSync, constants } = require('node:fs')
for (const { path, writable } of ${JSON.stringify(needed)})
  accessSync(path, writable ? constants.R_OK | constants.W_OK : constants.R_OK)`
}

/** Runs `probe` to its end: undefined if it went well, else the last line that it wrote. */
async function tried(probe: Launch, env: SandboxEnv): Promise<string | undefined> {
  const started = await launched(probe, {}).catch((fault: Error) => fault)
  if (started instanceof Error) return started.message
  const { child, pid, stdin, stdout, stderr } = started
  const ended = new AbortController()
  const { promise: exit, resolve } = Promise.withResolvers<number | null>()
  child.once('exit', (code) => {
    ended.abort()
    resolve(code)
  })
  void env.clock
    .sleep(PROBE_MILLISECONDS, ended.signal)
    .then(() => (ended.signal.aborted ? undefined : killGroup(pid)))
  stdin.end()
  stdout.resume()
  const [said, code] = await Promise.all([complaint(stderr), exit])
  return code === 0 ? undefined : (said ?? `the jail ended with ${code ?? 'a signal'}`)
}

/** The line that names the error: bubblewrap's own, or Node's. */
async function complaint(stderr: Readable): Promise<string | undefined> {
  let text = ''
  for await (const chunk of stderr) text = (text + String(chunk)).slice(0, 4_096)
  return text.split('\n').find((line) => /^(bwrap|Error|error)\b/.test(line))
}

function unavailable(message: string): Result<never, JailRefusal> {
  return refuse({ reason: 'jail_unavailable', message })
}
