/** Attempts that use up something: how each is bounded, and what its end must look like. */

import type { Limits } from './limits.ts'
import type { Exit } from './report.ts'
import type { Tier } from './sandboxed.ts'

/** One of them: what `escape-bombs.ts` is asked for. */
export interface Bomb {
  readonly what: string
  readonly limits: Limits
  /** Where another tier does not let it begin. */
  readonly only?: Tier
  readonly holds: (exit: Exit, tier: Tier) => boolean
}

const MEBIBYTE = 1024 * 1024
const limits = {
  // Long after the limit that is to end it, however busy the machine is.
  wallMilliseconds: 120_000,
  memoryBytes: 384 * MEBIBYTE,
  processes: 100,
  diskBytes: 256 * MEBIBYTE,
  scratchBytes: 16 * MEBIBYTE,
}
/** Over a limit by no more than this: what is written or taken between two looks. */
const [TENTH, WATCHDOG] = [1.1, 3]
const BETWEEN_LOOKS = 64 * MEBIBYTE
/** What `escape-bombs.ts` ends with when the kernel refused it. */
const NO_SPACE = 28

function within(used: number, limit: number, { used: { measuredBy } }: Exit): boolean {
  return used <= limit * (measuredBy === 'cgroup' ? TENTH : WATCHDOG)
}

/** By name. */
export const BOMBS: Readonly<Record<string, Bomb>> = {
  'fork without end': {
    what: 'fork',
    limits: { ...limits, wallMilliseconds: 1_500 },
    // Bubblewrap's own two are counted with it.
    holds: (exit) => exit.ended !== 'itself' && exit.used.peakProcesses <= limits.processes + 2,
  },
  'take memory with many processes': {
    what: 'memory',
    limits,
    holds: (exit) =>
      exit.ended === 'memory' && within(exit.used.peakMemoryBytes, limits.memoryBytes, exit),
  },
  'fill every place that it may write': {
    what: 'disk',
    limits,
    holds: (exit, tier) =>
      exit.ended === 'disk' &&
      exit.used.diskBytes <=
        limits.diskBytes + (tier === 'T0' ? limits.scratchBytes : 0) + BETWEEN_LOOKS,
  },
  'fill a folder with empty files': {
    what: 'empty files',
    limits: { ...limits, diskBytes: 4 * MEBIBYTE },
    holds: (exit) => exit.ended === 'disk',
  },
  'fill its scratch with empty files': {
    what: 'empty files in scratch',
    limits: { ...limits, scratchBytes: MEBIBYTE },
    // Where the kernel counts files too, it said no.
    holds: (exit) => exit.ended === 'disk' || (exit.ended === 'itself' && exit.code === NO_SPACE),
  },
  'fill a folder by children that nobody waits for': {
    what: 'unseen children',
    limits,
    only: 'T1',
    holds: (exit) =>
      exit.ended === 'disk' && exit.used.diskBytes <= limits.diskBytes + BETWEEN_LOOKS,
  },
  'write to the output without end': {
    what: 'flood',
    limits: { ...limits, outputBytes: MEBIBYTE },
    holds: (exit) => exit.ended === 'output' && exit.used.outputBytes <= MEBIBYTE,
  },
  'spin beyond its processor time': {
    what: 'spin',
    limits: { ...limits, cpuSeconds: 1 },
    holds: (exit) => exit.ended === 'cpu' && exit.used.cpuSeconds <= 2,
  },
  'spin beyond its time': {
    what: 'spin',
    limits: { ...limits, wallMilliseconds: 500 },
    holds: (exit) => exit.ended === 'wall_clock',
  },
  'leave a daemon behind': { what: 'daemon', limits, holds: (exit) => exit.code !== null },
  'kill everything': { what: 'kill', limits, holds: () => true },
}
