/**
 * A control group of one's own, where this user may make one: the kernel then holds the totals exactly.
 *
 * Both hierarchies are spoken: v2 (one folder; we must be allowed to hand it the controllers) and v1
 * (a folder each for memory, pids, cpuacct and cpu). Call `controlGroup`; undefined means that the watchdog
 * has to do.
 *
 * @see https://docs.kernel.org/admin-guide/cgroup-v2.html and cgroup-v1/
 */

import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { kill } from 'node:process'
import type { Bounds } from './limits.ts'

/** The kernel's totals of one group. */
export interface GroupUse {
  readonly memoryBytes: number
  readonly processes: number
  readonly cpuSeconds: number
  readonly oomKills: number
  readonly refusedForks: number
}

/** A group that holds one program. */
export interface ControlGroup {
  readonly folders: readonly string[]
  /** Takes a process in, with all that it will start. The kernel waits a few milliseconds for the first. */
  add(pid: number): Promise<void>
  use(): GroupUse
  /** Lets everything else of the machine go first, from now on. */
  yield(): void
  /** Kills what is still in it and removes it; false while something in it is still ending. */
  remove(): boolean
}

// Where the hierarchies are mounted by every distribution.
const V1 = '/sys/fs/cgroup'
/** Both places of version 2: alone, and beside version 1. */
export const V2: readonly string[] = ['/sys/fs/cgroup', '/sys/fs/cgroup/unified']
const PARENT = 'behalf'
const NANOSECONDS = 1e9
const MICROSECONDS = 1e6

/** The folders in which our groups lie, where they do. */
export const GROUP_FOLDERS: readonly string[] = [
  ...V2.map((root) => join(root, PARENT)),
  ...['memory', 'pids', 'cpuacct', 'cpu'].map((controller) => join(V1, controller, PARENT)),
]

/** A group called `name` with these limits, under one of ours; undefined where that is not permitted. */
export function controlGroup(name: string, bounds: Bounds): ControlGroup | undefined {
  for (const root of V2) {
    const group = unifiedGroup(root, name, bounds)
    if (group !== undefined) return group
  }
  return separate(name, bounds)
}

/** A group of version 2 in the hierarchy at `root`; undefined where that has no memory to count, or refuses. */
export function unifiedGroup(root: string, name: string, bounds: Bounds): ControlGroup | undefined {
  const known = (read(root, 'cgroup.controllers') ?? '').trim().split(' ')
  if (!known.includes('memory')) return undefined
  const parent = join(root, PARENT)
  const folder = join(parent, name)
  const controllers = '+memory +pids +cpu'
  const made =
    write(root, 'cgroup.subtree_control', controllers) &&
    make(parent) &&
    write(parent, 'cgroup.subtree_control', controllers) &&
    make(folder) &&
    write(folder, 'memory.max', bounds.memoryBytes) &&
    write(folder, 'pids.max', bounds.processes + OURS)
  if (!made) {
    removed(folder)
    return undefined
  }
  write(folder, 'memory.swap.max', 0)
  write(folder, 'memory.oom.group', 1)
  return {
    folders: [folder],
    add: (pid) => enter(folder, pid),
    use: () => ({
      memoryBytes: number(folder, 'memory.peak') || number(folder, 'memory.current'),
      processes: number(folder, 'pids.peak') || number(folder, 'pids.current'),
      cpuSeconds: member(folder, 'cpu.stat', 'usage_usec') / MICROSECONDS,
      oomKills: member(folder, 'memory.events', 'oom_kill'),
      refusedForks: member(folder, 'pids.events', 'max'),
    }),
    yield: () => lower(folder, ['cpu.weight', 1]),
    remove: () => removed(folder),
  }
}

function separate(name: string, bounds: Bounds): ControlGroup | undefined {
  const at = (controller: string): string => join(V1, controller, PARENT, name)
  const [memory, pids, cpu] = [at('memory'), at('pids'), at('cpuacct')]
  // The last for its default alone: each group has one share, however many its processes are.
  const folders = [memory, pids, cpu, at('cpu')]
  const made =
    folders.every(
      (folder) => read(join(folder, '../..'), 'cgroup.procs') !== undefined && make(folder),
    ) &&
    write(memory, 'memory.limit_in_bytes', bounds.memoryBytes) &&
    write(pids, 'pids.max', bounds.processes + OURS)
  if (!made) {
    folders.forEach(removed)
    return undefined
  }
  write(memory, 'memory.memsw.limit_in_bytes', bounds.memoryBytes)
  let peak = 0
  return {
    folders,
    add: async (pid) => {
      await Promise.all(folders.map((folder) => enter(folder, pid)))
    },
    use: () => {
      peak = Math.max(peak, number(pids, 'pids.current'))
      return {
        memoryBytes: number(memory, 'memory.max_usage_in_bytes'),
        processes: peak,
        cpuSeconds: number(cpu, 'cpuacct.usage') / NANOSECONDS,
        oomKills: member(memory, 'memory.oom_control', 'oom_kill'),
        refusedForks: member(pids, 'pids.events', 'max'),
      }
    },
    yield: () => lower(at('cpu'), ['cpu.shares', 2]),
    remove: () => folders.map(removed).every(Boolean),
  }
}

/** Idle where the kernel knows it (5.15): whoever wakes then runs at once. Else the least share. */
function lower(folder: string, [share, least]: readonly [string, number]): void {
  if (!write(folder, 'cpu.idle', 1)) write(folder, share, least)
}

/** Of bubblewrap's two processes, which are in the group too, the program's own limit counts one. */
const OURS = 1

/** Kills what is in a group and removes it; true when it is gone. */
export function removed(folder: string): boolean {
  for (const pid of (read(folder, 'cgroup.procs') ?? '').split('\n').filter(Boolean)) {
    try {
      kill(Number(pid), 'SIGKILL')
    } catch {
      // It ended meanwhile.
    }
  }
  try {
    rmdirSync(folder)
    return true
  } catch (cause) {
    return (cause as NodeJS.ErrnoException).code === 'ENOENT'
  }
}

async function enter(folder: string, pid: number): Promise<void> {
  // A process that ended meanwhile needs no group.
  await writeFile(join(folder, 'cgroup.procs'), String(pid), { flag: 'r+' }).catch(() => {})
}

function make(folder: string): boolean {
  try {
    mkdirSync(folder, { recursive: true })
    return true
  } catch {
    return false
  }
}

function write(folder: string, file: string, value: string | number): boolean {
  try {
    // Without O_CREAT: on a plain folder a misnamed control file must fail, not appear.
    writeFileSync(join(folder, file), String(value), { flag: 'r+' })
    return true
  } catch {
    return false
  }
}

function read(folder: string, file: string): string | undefined {
  try {
    return readFileSync(join(folder, file), 'latin1')
  } catch {
    return undefined
  }
}

function number(folder: string, file: string): number {
  return Number(read(folder, file) ?? 0) || 0
}

/** The number behind `name` in a file of lines `name number`. */
function member(folder: string, file: string, name: string): number {
  const line = read(folder, file)
    ?.split('\n')
    .find((each) => each.startsWith(`${name} `))
  return Number(line?.slice(name.length + 1) ?? 0)
}
