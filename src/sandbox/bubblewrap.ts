/**
 * T1: bubblewrap, with namespaces, mounts, limits and a system call filter of its own.
 *
 * Held (tested): files outside of the mounts, the network (an empty one, nothing of the host's loopback),
 * unix sockets, processes of the host, `/proc/sys`, nested namespaces, the calls in `seccomp.ts`, the
 * number of processes, open files, the size of every place that can be written but the mounts.
 */

import { lstat, readlink } from 'node:fs/promises'
import { arch } from 'node:os'
import { ok, refuse, type Result } from '../base/result.ts'
import { opening, type Door } from './doors.ts'
import { closedTo, identityFor, NOBODY } from './identity.ts'
import { FILTER_FD, GATE_FD, NUMBER_FD, type Launch } from './launch.ts'
import { hostMark } from './leftovers.ts'
import type { Bounds } from './limits.ts'
import type { Mount } from './mounts.ts'
import { tried } from './probe.ts'
import type { Program } from './program.ts'
import type { SandboxEnv, SandboxSpec } from './sandboxed.ts'
import { handingOut, OUTPUT_FOLDER, TAR } from './output.ts'
import { seccompFilter } from './seccomp.ts'
import { inTerminal, SCRIPT } from './terminal.ts'

/** What is to be jailed. */
export interface Plan {
  readonly spec: Pick<SandboxSpec, 'cwd' | 'label' | 'terminal' | 'output'>
  readonly bounds: Bounds
  readonly program: Program
  readonly mounts: readonly Mount[]
  readonly doors: readonly Door[]
}

/** This machine, this user or these mounts do not allow T1. */
export interface JailRefusal {
  readonly reason: 'jail_unavailable'
  readonly message: string
}

// What the dynamic linker and ordinary programs need, and none of the host's configuration.
const SYSTEM = ['/usr', '/bin', '/sbin', '/lib', '/lib64']
const SYSTEM_FILES = ['/etc/ld.so.cache', '/etc/alternatives']
// Whom to trust on the network: public, and needed by whatever speaks TLS through the proxy.
const AUTHORITIES = ['/etc/ssl/certs', '/etc/pki/tls/certs', '/etc/pki/ca-trust/extracted']
const PRLIMIT = '/usr/bin/prlimit'
const HOW = 'install `bubblewrap` (Debian, Ubuntu, Fedora and Arch call the package so)'

/** The command line that jails `plan`, on a machine where such a jail works. */
export async function jailed(plan: Plan, env: SandboxEnv): Promise<Result<Launch, JailRefusal>> {
  const usable = await jailWorks(env)
  if (!usable.ok) return usable
  const { terminal } = plan.spec
  if (terminal !== undefined && (await lstat(SCRIPT).catch(() => undefined)) === undefined) {
    return unavailable(
      `no \`script\` at \`${SCRIPT}\` to make a terminal: install util-linux whole`,
    )
  }
  if (plan.spec.output === true && (await lstat(TAR).catch(() => undefined)) === undefined) {
    return unavailable(`no tar at \`${TAR}\``)
  }
  const { file, args, javascript, code } = plan.program
  const identity = await identityFor(plan.mounts, plan.spec.label)
  const needed = [
    { real: file, writable: false },
    { real: code, writable: false },
    ...(javascript || plan.doors.length > 0 ? [{ real: env.nodePath, writable: false }] : []),
    ...plan.mounts,
  ]
  for (const { real, writable } of needed) {
    const closed = await closedTo(real, writable, identity)
    if (closed !== undefined) return unavailable(closed)
  }
  const heap = plan.bounds.heapMegabytes
  const program = javascript
    ? [env.nodePath, ...(heap === undefined ? [] : [`--max-old-space-size=${heap}`]), file, ...args]
    : [file, ...args]
  const drawn = terminal === undefined ? program : inTerminal(terminal, program)
  const opened = opening(plan.doors, [...limited(plan.bounds), ...drawn], env.nodePath)
  const command = plan.spec.output === true ? handingOut(opened) : opened
  const shown = new Set([env.nodePath, code, file])
  return ok({
    tier: 'T1',
    command: bubblewrapOf(env),
    args: [...(await wallsOf(plan, shown)), '--', ...command],
    cwd: '/',
    layers: ['namespaces', 'system call filter', ...(identity === undefined ? [] : ['own user'])],
    filter: usable.value,
    ...(plan.spec.output === true && { output: true }),
    ...(plan.doors.length > 0 && { channel: true }),
    ...(identity !== undefined && { identity }),
  })
}

/** The filter for this machine, after a jail of the real kind ran here. */
export async function jailWorks(env: SandboxEnv): Promise<Result<Uint8Array, JailRefusal>> {
  const known = working.get(bubblewrapOf(env))
  if (known !== undefined) return ok(known)
  const filter = seccompFilter(arch())
  if (filter === undefined) return unavailable(`no system call filter for \`${arch()}\``)
  const bubblewrap = bubblewrapOf(env)
  if ((await lstat(bubblewrap).catch(() => undefined)) === undefined) {
    return unavailable(`no bubblewrap at \`${bubblewrap}\`: ${HOW}`)
  }
  if ((await lstat(PRLIMIT).catch(() => undefined)) === undefined) {
    return unavailable(`no prlimit at \`${PRLIMIT}\`: install \`util-linux\``)
  }
  // bubblewrap started as uid 0 can write the host's core_pattern: become somebody else first.
  const identity = await identityFor([], undefined)
  const walls = await wallsOf({ spec: {}, bounds: PROBED, mounts: [] }, new Set())
  const fault = await tried(
    'jail',
    {
      tier: 'T1',
      command: bubblewrap,
      args: [...walls, '--', ...limited(PROBED), '/usr/bin/env', 'true'],
      cwd: '/',
      layers: [],
      filter,
      ...(identity === undefined ? {} : { identity: NOBODY }),
    },
    env.clock,
  )
  if (fault !== undefined) return unavailable(hinted(fault))
  working.set(bubblewrap, filter)
  return ok(filter)
}

// What worked once on a machine goes on working; what did not is tried again.
const working = new Map<string, Uint8Array>()
const PROBED = {
  memoryBytes: 0,
  processes: 16,
  openFiles: 64,
  scratchBytes: 65_536,
  diskBytes: 0,
  outputBytesPerSecond: 0,
}

async function wallsOf(
  plan: Pick<Plan, 'bounds' | 'mounts'> & { readonly spec: Pick<SandboxSpec, 'cwd' | 'output'> },
  shown: ReadonlySet<string>,
): Promise<string[]> {
  const walls = ['--unshare-all', '--die-with-parent', '--new-session', '--hostname', hostMark()]
  walls.push(...(await (system ??= systemWalls())))
  walls.push('--proc', '/proc', '--ro-bind', '/proc/sys', '/proc/sys')
  // bubblewrap's /dev is a writable tmpfs half as large as the memory, with /dev/shm in it.
  walls.push('--dev', '/dev', '--remount-ro', '/dev')
  walls.push('--size', String(plan.bounds.scratchBytes), '--tmpfs', '/tmp')
  for (const path of shown) walls.push('--ro-bind', path, path)
  // Outer paths first, so that what is mounted below them is not covered.
  for (const { named, real, writable } of plan.mounts.toSorted(
    (a, b) => a.named.length - b.named.length,
  )) {
    for (const path of new Set([named, real])) {
      walls.push(writable ? '--bind' : '--ro-bind', real, path)
    }
  }
  if (plan.spec.output === true) {
    walls.push('--size', String(plan.bounds.scratchBytes), '--tmpfs', OUTPUT_FOLDER)
  }
  walls.push('--remount-ro', '/', '--chdir', plan.spec.cwd ?? '/')
  walls.push('--seccomp', String(FILTER_FD), '--block-fd', String(GATE_FD))
  return [...walls, '--info-fd', String(NUMBER_FD)]
}

let system: Promise<readonly string[]> | undefined

/** The system's programs and libraries, which stay where they are while we live. */
async function systemWalls(): Promise<readonly string[]> {
  const walls: string[] = []
  for (const path of SYSTEM) {
    const found = await lstat(path).catch(() => undefined)
    if (found === undefined) continue
    walls.push(
      ...(found.isSymbolicLink()
        ? ['--symlink', await readlink(path), path]
        : ['--ro-bind', path, path]),
    )
  }
  for (const path of [...SYSTEM_FILES, ...AUTHORITIES]) walls.push('--ro-bind-try', path, path)
  return walls
}

/** Lowers what the kernel counts. In a user namespace of its own a jail's processes are counted alone. */
function limited(bounds: Bounds): string[] {
  const cpu = bounds.cpuSeconds
  return [
    PRLIMIT,
    // One more than the group lets be: where there is one it refuses first, and counts what it refused.
    `--nproc=${bounds.processes + 1}`,
    `--nofile=${bounds.openFiles}`,
    `--fsize=${Math.max(bounds.diskBytes, bounds.scratchBytes)}`,
    '--core=0',
    ...(cpu === undefined ? [] : [`--cpu=${cpu + 1}`]),
    '--',
  ]
}

function bubblewrapOf(env: SandboxEnv): string {
  return env.bubblewrapPath ?? '/usr/bin/bwrap'
}

/** What a person can do about the faults that are common. */
function hinted(fault: string): string {
  if (/user namespace|uid map|Operation not permitted|Permission denied/i.test(fault)) {
    return `${fault}: this user may not make user namespaces here (\`kernel.unprivileged_userns_clone\`, \`kernel.apparmor_restrict_unprivileged_userns\`, or a container without them)`
  }
  return fault
}

function unavailable(message: string): Result<never, JailRefusal> {
  return refuse({ reason: 'jail_unavailable', message })
}
