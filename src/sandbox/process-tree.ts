/**
 * What a process and all below it use, sampled from `/proc`.
 *
 * In a jail the tree is complete: an orphan becomes a child of the namespace's first process. Shared
 * memory is counted once for each process that maps it, so the sum is never too small for what is mapped;
 * what is not mapped (memfd, System V) the system call filter denies.
 *
 * @see proc_pid_stat(5), proc_pid_status(5)
 */

import { readdirSync, readFileSync } from 'node:fs'

/** One sample. */
export interface TreeUse {
  readonly pids: readonly number[]
  /** Processes and threads. */
  readonly tasks: number
  /** Anonymous and shared memory; pages of files are the host's cache. */
  readonly memoryBytes: number
  /** With what ended children had used. */
  readonly cpuSeconds: number
  /** What each of them wrote towards a disk, with those that it waited for. */
  readonly written: ReadonlyMap<number, number>
}

const TICKS_PER_SECOND = 100
// A tree of many processes is read in parts, so that nothing else waits for it.
const PART = 32

/** Samples the tree under `root`; undefined where there is no `/proc`, or the root is gone. */
export async function treeUse(
  root: number,
  pause: () => Promise<void>,
): Promise<TreeUse | undefined> {
  const waiting = [root]
  const pids: number[] = []
  const written = new Map<number, number>()
  const use = { tasks: 0, memoryBytes: 0, cpuSeconds: 0 }
  for (let pid = waiting.pop(); pid !== undefined; pid = waiting.pop()) {
    const status = read(`/proc/${pid}/status`)
    if (status === undefined) continue
    pids.push(pid)
    const threads = Number(/^Threads:\s+(\d+)/m.exec(status)?.[1] ?? 1)
    use.tasks += threads
    use.memoryBytes += kibibytes(status, 'RssAnon') + kibibytes(status, 'RssShmem')
    use.cpuSeconds += ticksOf(read(`/proc/${pid}/stat`)) / TICKS_PER_SECOND
    // What cannot be read may be anything.
    const bytes = /^write_bytes: (\d+)/m.exec(read(`/proc/${pid}/io`) ?? '')?.[1]
    written.set(pid, Number(bytes ?? Infinity))
    waiting.push(...childrenOf(pid, threads))
    if (pids.length % PART === 0) await pause()
  }
  return pids.length === 0 ? undefined : { pids, written, ...use }
}

/** When a process started, in ticks since boot: with its number it names the process for good. */
export function startedAt(pid: number): string | undefined {
  return fieldsOf(read(`/proc/${pid}/stat`))[19]
}

/** Whether a process was stopped by a signal. */
export function isStopped(pid: number): boolean {
  return fieldsOf(read(`/proc/${pid}/stat`))[0] === 'T'
}

function childrenOf(pid: number, threads: number): number[] {
  // A child belongs to the thread that forked it.
  const tasks = threads === 1 ? [String(pid)] : tasksOf(pid)
  return tasks.flatMap((task) =>
    (read(`/proc/${pid}/task/${task}/children`) ?? '').split(' ').filter(Boolean).map(Number),
  )
}

function tasksOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`)
  } catch {
    return []
  }
}

/** utime, stime, cutime, cstime. */
function ticksOf(stat: string | undefined): number {
  return fieldsOf(stat)
    .slice(11, 15)
    .reduce((sum, ticks) => sum + Number(ticks), 0)
}

/** The fields from the third on: the second is a name that may hold anything. */
function fieldsOf(stat: string | undefined): string[] {
  return stat === undefined ? [] : stat.slice(stat.lastIndexOf(')') + 2).split(' ')
}

function kibibytes(status: string, name: string): number {
  const found = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)
  return Number(found?.[1] ?? 0) * 1024
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'latin1')
  } catch {
    return undefined
  }
}
