/** One process group: started with nothing but what is named, ended as a whole. */

import { spawn, type ChildProcess } from 'node:child_process'
import { kill } from 'node:process'
import type { Readable, Writable } from 'node:stream'

/** An exact command line, and the tier that it stands for. */
export interface Launch {
  readonly tier: 'T0' | 'T1'
  readonly command: string
  readonly args: readonly string[]
  readonly cwd: string
  /** Written to descriptor 3, which the command reads to its end. */
  readonly filter?: Uint8Array
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
}

/** Spawns `launch` with exactly this environment and no descriptor but its pipes. Throws if it cannot start. */
export async function launched(
  launch: Launch,
  environment: Readonly<Record<string, string>>,
): Promise<Launched> {
  const child = spawn(launch.command, launch.args, {
    cwd: launch.cwd,
    env: { ...environment },
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe', launch.filter === undefined ? 'ignore' : 'pipe'],
    ...launch.identity,
  })
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  child.once('spawn', resolve)
  child.once('error', (cause) => reject(new Error(`starting \`${launch.command}\``, { cause })))
  await promise
  const { pid, stdin, stdout, stderr } = child
  const filter = child.stdio[3]
  if (pid === undefined || stdin === null || stdout === null || stderr === null) {
    throw new Error(`expected \`${launch.command}\` to have a number and three pipes`)
  }
  // A program that is gone shows by its exit; writing into its closed pipe is no fault of ours.
  stdin.on('error', () => {})
  if (filter !== null && filter !== undefined && 'end' in filter) {
    filter.on('error', () => {})
    filter.end(launch.filter)
  }
  return { child, pid, stdin, stdout, stderr }
}

/** Kills every process of the group. */
export function killGroup(leader: number): void {
  try {
    kill(-leader, 'SIGKILL')
  } catch {
    // ESRCH: the group is gone, which is what was wanted.
  }
}
