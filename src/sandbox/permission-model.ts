/**
 * T0: Node's permission model, for JavaScript.
 *
 * Held (tested): files outside of the mounts, every kind of network including name lookup and unix
 * sockets, child processes, workers, addons, FFI, WASI, SQLite, the inspector, new links, signals to others.
 * Not held: it is no kernel boundary (a fault in V8 or Node escapes it), CPU is not limited, and links are
 * followed that lie in the program's own `node_modules`, or that somebody else puts into a mount meanwhile.
 *
 * @see https://nodejs.org/api/permissions.html
 */

import { ok, type Result } from '../base/result.ts'
import type { Launch } from './launch.ts'
import { confined, type Mount, type MountRefusal } from './mounts.ts'
import type { Program } from './program.ts'
import type { SandboxEnv, SandboxSpec } from './sandboxed.ts'

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

/** The command line that runs `plan` under the permission model. */
export async function permitted(
  plan: {
    readonly spec: SandboxSpec
    readonly program: Program
    readonly mounts: readonly Mount[]
  },
  env: Pick<SandboxEnv, 'nodePath'>,
): Promise<Result<Launch, MountRefusal>> {
  const links = await confined(plan.mounts)
  if (!links.ok) return links
  const read = new Set([plan.program.code, plan.program.file])
  const write = new Set<string>()
  for (const { named, real, writable } of plan.mounts) {
    for (const path of [named, real]) {
      read.add(path)
      if (writable) write.add(path)
    }
  }
  const heap = plan.spec.limits.heapMegabytes
  return ok({
    tier: 'T0',
    command: env.nodePath,
    args: [
      '--permission',
      ...[...read].map((path) => `--allow-fs-read=${path}`),
      ...[...write].map((path) => `--allow-fs-write=${path}`),
      '--disable-sigusr1',
      ...(heap === undefined ? [] : [`--max-old-space-size=${heap}`]),
      `--import=data:text/javascript,${encodeURIComponent(PRELOAD)}`,
      '--',
      plan.program.file,
      ...plan.program.args,
    ],
    cwd: plan.spec.cwd ?? '/',
  })
}
