/**
 * T0: Node's permission model, for JavaScript.
 *
 * Held (tested): files outside of the mounts, every kind of network including name lookup and unix
 * sockets, child processes, workers, addons, FFI, WASI, SQLite, the inspector, new links, signals to others.
 * Where util-linux is there, the kernel takes the network, new privileges and the uid 0 away as well, and
 * gives scratch its size.
 * Not held: it is no kernel boundary (a fault in V8 or Node escapes it), and links are followed that lie
 * in the program's own `node_modules`, or that somebody else puts into a mount meanwhile.
 *
 * @see https://nodejs.org/api/permissions.html
 */

import { mkdtemp, chown } from 'node:fs/promises'
import { join } from 'node:path'
import { ok, refuse, type Result } from '../base/result.ts'
import type { Plan } from './bubblewrap.ts'
import { closedTo, type Identity, identityFor } from './identity.ts'
import { kernelLayers, SIZED_SCRATCH } from './kernel-layers.ts'
import type { Launch } from './launch.ts'
import { hostMark, SCRATCH_PARENT, SCRATCH_PREFIX } from './leftovers.ts'
import { confined, type MountRefusal } from './mounts.ts'
import type { SandboxEnv } from './sandboxed.ts'

/** The command line, and the folder that the program has for itself. */
export interface Permitted {
  readonly launch: Launch
  readonly scratch: string
  /** Whether the kernel holds the size of scratch. */
  readonly isScratchSized: boolean
}

// What the permission model does not cover is taken away before the program's first line: signals and
// identity; SQLite, which opens and creates files by itself; V8's flags; native engines. A builtin is one
// object for the whole process, and nothing leads back to what was deleted from it: children, workers and
// internal bindings are denied.
const PRELOAD = `
const builtin = process.getBuiltinModule
const away = {
  process: ['kill', '_kill', '_debugProcess', '_debugEnd', 'binding', '_linkedBinding', 'dlopen', 'execve',
    'setuid', 'seteuid', 'setgid', 'setegid', 'setgroups', 'initgroups'],
  sqlite: Object.keys(builtin('node:sqlite')),
  v8: ['setFlagsFromString', 'setHeapSnapshotNearHeapLimit', 'setHeapProfileNearHeapLimit'],
  os: ['setPriority'],
  crypto: ['setEngine'],
  module: ['enableCompileCache', 'flushCompileCache'],
}
for (const [name, members] of Object.entries(away))
  for (const member of members) delete builtin('node:' + name)[member]
builtin('node:module').syncBuiltinESMExports()
// A program whose sandbox is gone ends, unless it resists.
const parent = process.ppid
setInterval(() => process.ppid === parent || process.reallyExit(1), 1000).unref()
`

/** The command line that runs `plan` under the permission model, with a scratch folder made for it. */
export async function permitted(
  plan: Plan,
  env: Pick<SandboxEnv, 'nodePath' | 'clock'>,
): Promise<Result<Permitted, MountRefusal>> {
  const links = await confined(plan.mounts)
  if (!links.ok) return links
  const { program, bounds, mounts } = plan
  const needed = [
    { real: env.nodePath, writable: false },
    { real: program.file, writable: false },
    ...mounts,
  ]
  const other = await identityFor(mounts, plan.spec.label)
  // Another uid is a layer, not the tier: where a path is closed to it (a home of mode 0700) the program
  // keeps ours, and the layers say so.
  const identity = (await firstClosed(needed, other)) === undefined ? other : undefined
  const closed = await firstClosed(needed, identity)
  if (closed !== undefined) return refuse({ reason: 'mount_refused', message: closed })
  const scratch = await mkdtemp(join(SCRATCH_PARENT, `${SCRATCH_PREFIX}${hostMark()}-`))
  if (identity !== undefined) await chown(scratch, identity.uid, identity.gid)
  const read = new Set([program.code, program.file, scratch])
  const write = new Set([scratch])
  for (const { named, real, writable } of mounts) {
    for (const path of [named, real]) {
      read.add(path)
      if (writable) write.add(path)
    }
  }
  const heap = bounds.heapMegabytes
  const node = [
    env.nodePath,
    // How a host that comes later finds what one that was killed left.
    `--title=${hostMark()}`,
    '--permission',
    ...[...read].map((path) => `--allow-fs-read=${path}`),
    ...[...write].map((path) => `--allow-fs-write=${path}`),
    '--disable-sigusr1',
    ...(heap === undefined ? [] : [`--max-old-space-size=${heap}`]),
    `--import=data:text/javascript,${encodeURIComponent(PRELOAD)}`,
    '--',
    program.file,
    ...program.args,
  ]
  const kernel = await kernelLayers({ bounds, scratch, identity }, env.clock)
  const [command = env.nodePath, ...args] = [...kernel.prefix, ...node]
  const launch: Launch = {
    tier: 'T0',
    command,
    args,
    cwd: plan.spec.cwd ?? '/',
    layers: ['permission model', ...kernel.layers, ...(identity === undefined ? [] : ['own user'])],
    ...(identity !== undefined && { identity }),
  }
  return ok({ launch, scratch, isScratchSized: kernel.layers.includes(SIZED_SCRATCH) })
}

/** The first of `paths` that a program could not reach as `identity`, and why. */
async function firstClosed(
  paths: readonly { readonly real: string; readonly writable: boolean }[],
  identity: Identity | undefined,
): Promise<string | undefined> {
  for (const { real, writable } of paths) {
    const closed = await closedTo(real, writable, identity)
    if (closed !== undefined) return closed
  }
  return undefined
}
