/**
 * What a program may use. Every limit but the two of time and the one of output has a default, so that a
 * program that nobody thought about is bounded too. Call `limitsOf`.
 */

import { ok, refuse, type Result } from '../base/result.ts'

/** Limits as they are asked for; totals are of everything that the program starts. */
export interface Limits {
  /** From start to end. None by default: servers stay. */
  readonly wallMilliseconds?: number
  /** Processor time in total. None by default. */
  readonly cpuSeconds?: number
  /** Memory in total, with what lies in scratch where cgroups count. Default 1 GiB. */
  readonly memoryBytes?: number
  /** Processes and threads together, as the kernel counts them. Default 256. */
  readonly processes?: number
  /** Descriptors of each process. Default 1,024. */
  readonly openFiles?: number
  /** The size of scratch (`/tmp` in T1, a folder of its own in T0). Default 64 MiB. */
  readonly scratchBytes?: number
  /** By how much what lies in the read-write mounts may grow. Default 1 GiB. */
  readonly diskBytes?: number
  /** Standard output and error together. None by default: servers talk. */
  readonly outputBytes?: number
  /** How fast that is read: past it the program waits. Default 32 MiB. */
  readonly outputBytesPerSecond?: number
  /** The heap of Node, for JavaScript. */
  readonly heapMegabytes?: number
}

/** Limits with the defaults filled in. */
export type Bounds = Limits &
  Required<
    Pick<
      Limits,
      | 'memoryBytes'
      | 'processes'
      | 'openFiles'
      | 'scratchBytes'
      | 'diskBytes'
      | 'outputBytesPerSecond'
    >
  >

/** A limit that is none. */
export interface LimitRefusal {
  readonly reason: 'limit_refused'
  readonly message: string
}

const MEBIBYTE = 1024 * 1024
const DEFAULTS = {
  memoryBytes: 1024 * MEBIBYTE,
  processes: 256,
  openFiles: 1_024,
  scratchBytes: 64 * MEBIBYTE,
  diskBytes: 1024 * MEBIBYTE,
  outputBytesPerSecond: 32 * MEBIBYTE,
}
// Below the least a program cannot start, and its end would be called its own fault.
const RANGES: Readonly<Record<keyof Limits, readonly [least: number, most: number]>> = {
  wallMilliseconds: [1, 2 ** 31 - 1],
  cpuSeconds: [1, 2 ** 31 - 1],
  memoryBytes: [16 * MEBIBYTE, 2 ** 50],
  processes: [1, 65_536],
  openFiles: [16, 1_048_576],
  scratchBytes: [64 * 1024, 2 ** 40],
  diskBytes: [0, 2 ** 50],
  outputBytes: [0, 2 ** 50],
  outputBytesPerSecond: [64 * 1024, 2 ** 40],
  heapMegabytes: [8, 1_048_576],
}

/** The limits that hold, or the first that is out of range. */
export function limitsOf(asked: Limits): Result<Bounds, LimitRefusal> {
  for (const [name, value] of Object.entries(asked)) {
    const range = Object.hasOwn(RANGES, name) ? RANGES[name as keyof Limits] : undefined
    if (range === undefined) return refused(`no limit is called \`${name.slice(0, 100)}\``)
    if (value === undefined) continue
    const [least, most] = range
    if (!Number.isSafeInteger(value) || value < least || value > most) {
      return refused(`expected \`${name}\` to be a whole number from ${least} to ${most}`)
    }
  }
  const given = Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined))
  return ok({ ...DEFAULTS, ...(given as Limits) })
}

function refused(message: string): Result<never, LimitRefusal> {
  return refuse({ reason: 'limit_refused', message })
}
