/** One process group: started with nothing but what is named, ended as a whole. */

import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process'
import { kill } from 'node:process'
import { Readable, type Writable } from 'node:stream'
import { inheritedDescriptors } from './inherited.ts'

/** An exact command line, and the tier that it stands for. */
export interface Launch {
  readonly tier: 'T0' | 'T1'
  readonly command: string
  readonly args: readonly string[]
  readonly cwd: string
  /** What holds it, outermost first, for the report. */
  readonly layers: readonly string[]
  /** For bubblewrap: its filter, written to `FILTER_FD`. It then waits at `GATE_FD` and tells its child's number at `NUMBER_FD`. */
  readonly filter?: Uint8Array
  /** Whether what it hands out comes at `OUTPUT_FD`. */
  readonly output?: boolean
  /** Whether its first program sends us listening sockets; see `doors.ts`. */
  readonly channel?: boolean
  /** The user and group to become first. */
  readonly identity?: { readonly uid: number; readonly gid: number }
}

/** A started process, leader of the group `pid`. */
export interface Launched {
  readonly child: ChildProcess
  readonly pid: number
  readonly stdin: Writable
  readonly stdout: Readable
  readonly stderr: Readable
  /** What it hands out, unchecked. */
  readonly output: Readable | undefined
  /** The process whose end is everybody's; behind bubblewrap the first of the namespace. */
  readonly root: number
  /** Lets a program go that waits at its gate. */
  open(): void
}

/** The descriptors that bubblewrap is given, and the one that it passes on. */
export const [FILTER_FD, GATE_FD, NUMBER_FD, OUTPUT_FD] = [3, 4, 5, 6] as const

/**
 * Spawns `launch` with exactly this environment and no descriptor but its pipes. Throws if it cannot start.
 * `adopt` is told the number as soon as there is one, and waited for.
 */
export async function launched(
  launch: Launch,
  environment: Readonly<Record<string, string>>,
  adopt: (pid: number) => Promise<void> = async () => {},
): Promise<Launched> {
  const child = spawn(launch.command, launch.args, {
    cwd: launch.cwd,
    env: { ...environment },
    detached: true,
    stdio: descriptors(launch),
    ...launch.identity,
  })
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  child.once('spawn', resolve)
  child.once('error', (cause) => reject(new Error(`starting \`${launch.command}\``, { cause })))
  await promise
  const { pid, stdin, stdout, stderr } = child
  if (pid === undefined || stdin === null || stdout === null || stderr === null) {
    throw new Error(`expected \`${launch.command}\` to have a number and three pipes`)
  }
  // A program that is gone shows by its exit; writing into its closed pipe is no fault of ours.
  stdin.on('error', () => {})
  const gate = written(child, GATE_FD)
  if (launch.filter !== undefined) written(child, FILTER_FD)?.end(launch.filter)
  const told = launch.filter === undefined ? undefined : numberTold(child)
  const output = launch.output === true ? readable(child.stdio.at(OUTPUT_FD)) : undefined
  const [root = pid] = await Promise.all([told, adopt(pid)])
  return { child, pid, stdin, stdout, stderr, output, root, open: () => void gate?.end('.') }
}

/** Kills every process of the group. */
export function killGroup(leader: number): void {
  signal(-leader)
}

/** Kills a process; that it is gone is what was wanted. */
export function signal(pid: number): void {
  try {
    kill(pid, 'SIGKILL')
  } catch {
    // ESRCH
  }
}

function descriptors(launch: Launch): StdioOptions {
  const { inherited, nothing } = inheritedDescriptors()
  const jailed = launch.filter !== undefined
  const own = [
    ...(['pipe', 'pipe', 'pipe'] as const),
    ...(jailed ? (['pipe', 'pipe', 'pipe'] as const) : []),
    ...(launch.output === true ? (['pipe'] as const) : []),
    ...(launch.channel === true ? (['ipc'] as const) : []),
  ]
  const highest = Math.max(own.length - 1, ...inherited)
  return Array.from(
    { length: highest + 1 },
    (_, fd) => own[fd] ?? (inherited.includes(fd) ? nothing : 'ignore'),
  )
}

/** The number of bubblewrap's child, from its `--info-fd`; undefined if it ended before it had one. */
async function numberTold(child: ChildProcess): Promise<number | undefined> {
  const pipe = readable(child.stdio.at(NUMBER_FD))
  if (pipe === undefined) return undefined
  let text = ''
  for await (const chunk of pipe) text = (text + String(chunk)).slice(0, 4_096)
  const number = Number(/"child-pid":\s*(\d+)/.exec(text)?.[1])
  return Number.isInteger(number) ? number : undefined
}

function readable(pipe: unknown): Readable | undefined {
  return pipe instanceof Readable ? pipe : undefined
}

function written(child: ChildProcess, fd: number): Writable | undefined {
  const pipe = child.stdio.at(fd)
  if (pipe === null || pipe === undefined || !('end' in pipe)) return undefined
  pipe.on('error', () => {})
  return pipe
}
