/**
 * What util-linux lets the kernel add to T0, tried once: an empty network, a scratch that has a size, limits,
 * death with its parent.
 */

import { lstat } from 'node:fs/promises'
import type { Clock } from '../base/clock.ts'
import type { Identity } from './identity.ts'
import type { Launch } from './launch.ts'
import { SCRATCH_PARENT } from './leftovers.ts'
import type { Bounds } from './limits.ts'
import { tried } from './probe.ts'

/** A command prefix, and what it does in words. */
export interface KernelLayers {
  readonly prefix: readonly string[]
  readonly layers: readonly string[]
}

/** What they are for. */
export interface Layered {
  readonly bounds: Bounds
  /** The folder of scratch. */
  readonly scratch: string
  readonly identity: Identity | undefined
}

/** The layer that holds the size of scratch. */
export const SIZED_SCRATCH = 'scratch of fixed size'

/** What a file without content takes of the kernel's memory. */
const ENTRY_BYTES = 1_024

/** The layers that work on this machine for this user, outermost first. */
export async function kernelLayers(asked: Layered, clock: Clock): Promise<KernelLayers> {
  const { bounds, scratch } = asked
  const walled = [
    { prefix: sized(bounds, scratch), layers: ['no network', SIZED_SCRATCH] },
    { prefix: ['/usr/bin/unshare', '--user', '--net', '--'], layers: ['no network'] },
  ]
  const candidates: KernelLayers[][] = [
    [{ prefix: limitsOf(bounds), layers: ['kernel limits'] }],
    // The second where a user may have a network of their own and may not mount in it.
    walled,
    [
      {
        prefix: ['/usr/bin/setpriv', '--pdeathsig', 'KILL', '--no-new-privs', '--'],
        layers: ['no new privileges', 'ends with its host'],
      },
    ],
  ]
  const working: KernelLayers[] = []
  for (const alternatives of candidates) {
    const first = await firstWorking(alternatives, asked, clock)
    if (first !== undefined) working.push(first)
  }
  return {
    prefix: working.flatMap(({ prefix }) => prefix),
    layers: working.flatMap(({ layers }) => layers),
  }
}

async function firstWorking(
  alternatives: readonly KernelLayers[],
  asked: Layered,
  clock: Clock,
): Promise<KernelLayers | undefined> {
  for (const each of alternatives) if (await works(each, asked, clock)) return each
  return undefined
}

async function works(
  { prefix, layers }: KernelLayers,
  { identity, scratch }: Layered,
  clock: Clock,
): Promise<boolean> {
  const [command = '', ...args] = prefix
  if ((await lstat(command).catch(() => undefined)) === undefined) return false
  const probe: Launch = {
    tier: 'T0',
    command,
    // In a namespace of its own, what is mounted over the folder of all scratches is nobody's but its.
    args: [...args.map((arg) => (arg === scratch ? SCRATCH_PARENT : arg)), '/usr/bin/env', 'true'],
    cwd: '/',
    layers: [],
    ...(identity !== undefined && { identity }),
  }
  return (await tried(layers.join(), probe, clock)) === undefined
}

/**
 * Namespaces in which the program is root long enough to mount its scratch, then others in which it is
 * nobody: those it is left in own neither the mounts nor the network.
 */
function sized({ scratchBytes }: Bounds, scratch: string): string[] {
  const files = Math.ceil(scratchBytes / ENTRY_BYTES)
  const options = `size=${scratchBytes},nr_inodes=${files},mode=0700,nosuid,nodev`
  const mount = `/bin/mount -t tmpfs -o ${options} scratch "$0" && exec /usr/bin/unshare --user -- "$@"`
  // What the host unmounts later goes here too.
  const inside = ['/usr/bin/unshare', '--user', '--map-root-user', '--net', '--mount']
  inside.push('--propagation', 'slave', '--')
  return [...inside, '/bin/sh', '-c', mount, scratch]
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
