/** What util-linux lets the kernel add to T0, tried once: an empty network, limits, death with its parent. */

import { lstat } from 'node:fs/promises'
import type { Clock } from '../base/clock.ts'
import type { Identity } from './identity.ts'
import type { Launch } from './launch.ts'
import type { Bounds } from './limits.ts'
import { tried } from './probe.ts'

/** A command prefix, and what it does in words. */
export interface KernelLayers {
  readonly prefix: readonly string[]
  readonly layers: readonly string[]
}

/** The layers that work on this machine for this user, outermost first. */
export async function kernelLayers(
  bounds: Bounds,
  clock: Clock,
  identity: Identity | undefined,
): Promise<KernelLayers> {
  const candidates: KernelLayers[] = [
    { prefix: limitsOf(bounds), layers: ['kernel limits'] },
    { prefix: ['/usr/bin/unshare', '--user', '--net', '--'], layers: ['no network'] },
    {
      prefix: ['/usr/bin/setpriv', '--pdeathsig', 'KILL', '--no-new-privs', '--'],
      layers: ['no new privileges', 'ends with its host'],
    },
  ]
  const working: KernelLayers[] = []
  for (const candidate of candidates) {
    if (await works(candidate, clock, identity)) working.push(candidate)
  }
  return {
    prefix: working.flatMap(({ prefix }) => prefix),
    layers: working.flatMap(({ layers }) => layers),
  }
}

async function works(
  { prefix }: KernelLayers,
  clock: Clock,
  identity: Identity | undefined,
): Promise<boolean> {
  const [command = '', ...args] = prefix
  if ((await lstat(command).catch(() => undefined)) === undefined) return false
  const probe: Launch = {
    tier: 'T0',
    command,
    args: [...args, '/usr/bin/env', 'true'],
    cwd: '/',
    layers: [],
    ...(identity !== undefined && { identity }),
  }
  return (await tried(probe, clock)) === undefined
}

// The permission model denies children and workers, so the number of processes needs no limit.
function limitsOf(bounds: Bounds): string[] {
  const cpu = bounds.cpuSeconds
  return [
    '/usr/bin/prlimit',
    `--nofile=${bounds.openFiles}`,
    `--fsize=${Math.max(bounds.diskBytes, bounds.scratchBytes)}`,
    '--core=0',
    ...(cpu === undefined ? [] : [`--cpu=${cpu + 1}`]),
    '--',
  ]
}
