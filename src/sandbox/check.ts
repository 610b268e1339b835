/** Which tiers this machine has, and why others are missing: what `behalf sandbox check` says first. */

import { getuid, platform } from 'node:process'
import { jailWorks } from './bubblewrap.ts'
import { controlGroup } from './cgroup.ts'
import { kernelLayers } from './kernel-layers.ts'
import { hostMark, SCRATCH_PARENT } from './leftovers.ts'
import { limitsOf } from './limits.ts'
import { identityFor } from './identity.ts'
import { must } from '../base/result.ts'
import type { SandboxEnv, Tier } from './sandboxed.ts'

/** One tier on this machine. */
export interface TierFound {
  readonly tier: Tier
  readonly available: boolean
  /** What holds a program in it here. */
  readonly layers: readonly string[]
  /** Why it is missing, and how to get it. */
  readonly detail?: string
}

/** The machine as the sandbox finds it. */
export interface Machine {
  readonly tiers: readonly TierFound[]
  /** Who holds the totals of memory and processor time. */
  readonly totals: 'cgroup' | 'watchdog' | 'none'
  readonly detail: string
}

/** Looks at this machine, by trying. */
export async function checkMachine(env: SandboxEnv): Promise<Machine> {
  const bounds = must(limitsOf({}))
  const dropped = await identityFor([], undefined)
  const own = dropped === undefined ? [] : ['own user']
  const found = { bounds, scratch: SCRATCH_PARENT, identity: dropped }
  const kernel = await kernelLayers(found, env.clock)
  const jail = await jailWorks(env)
  const group = controlGroup(`${hostMark()}-check`, bounds)
  group?.remove()
  const totals = group !== undefined ? 'cgroup' : platform === 'linux' ? 'watchdog' : 'none'
  return {
    tiers: [
      jail.ok
        ? { tier: 'T1', available: true, layers: ['namespaces', 'system call filter', ...own] }
        : { tier: 'T1', available: false, layers: [], detail: jail.error.message },
      { tier: 'T0', available: true, layers: ['permission model', ...kernel.layers, ...own] },
    ],
    totals,
    detail: TOTALS[totals],
  }
}

const WHO = getuid?.() === 0 ? 'root' : 'this user'
const TOTALS = {
  cgroup: 'the kernel holds memory, processes and processor time in total',
  watchdog: `${WHO} may not make control groups here: a watchdog samples the process tree and kills what is over. Start as root for the kernel to hold the totals`,
  none: 'this machine has no /proc: memory and processor time are not limited in total',
}
