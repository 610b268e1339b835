/** Starts an exact command line and stays with it to its end: `supervised`. */

import { rm } from 'node:fs/promises'
import { platform } from 'node:process'
import { setPriority } from 'node:os'
import { PassThrough, type Readable } from 'node:stream'
import type { Clock } from '../base/clock.ts'
import { controlGroup, type ControlGroup } from './cgroup.ts'
import { DiskWatch } from './disk-watch.ts'
import { attend, type Door } from './doors.ts'
import { killGroup, launched, signal, type Launch, type Launched } from './launch.ts'
import { hostMark } from './leftovers.ts'
import type { Bounds } from './limits.ts'
import { Allowance, pace } from './paced.ts'
import type { Denied, Ending, Exit, Usage } from './report.ts'
import type { Sandboxed } from './sandboxed.ts'
import { CheckedTar } from './tar.ts'
import { resize } from './terminal.ts'
import { Watch } from './watch.ts'

/** What is supervised, and by whose traffic it is judged. */
export interface Order {
  readonly launch: Launch
  readonly environment: Readonly<Record<string, string>>
  readonly bounds: Bounds
  /** What it may write on disk: its mounts, and in T0 its scratch. */
  readonly folders: readonly string[]
  /** Where it has memory to write files to: `Watched.inMemory`. */
  readonly inMemory: readonly string[]
  /** Whether scratch has a size of the kernel's; else it is one of `folders`. */
  readonly isScratchSized: boolean
  /** Removed at the end. */
  readonly scratch?: string
  readonly doors: readonly Door[]
  readonly hasTerminal: boolean
  readonly traffic?: Traffic
  readonly fellBack?: string
}

/** What went through the doors. */
export interface Traffic {
  readonly egress: Usage['egress']
  denied(): readonly Denied[]
  close(): void
}

const NOTHING = { sentBytes: 0, receivedBytes: 0 }
const LINGER_MILLISECONDS = 2_000
const [REMOVAL_TRIES, REMOVAL_PAUSE_MILLISECONDS] = [200, 2]

/** Runs it. The gate opens only when it is in its group and watched: no line of it runs before. */
export async function supervised(order: Order, clock: Clock): Promise<Sandboxed> {
  const { launch, bounds } = order
  const startedAt = clock.nowMilliseconds()
  const { folders, inMemory } = order
  const filled = { folders, limit: bounds.diskBytes }
  const disk = folders.length === 0 ? undefined : await DiskWatch.begun(filled, clock)
  let group: ControlGroup | undefined
  const program = await launched(launch, order.environment, async (started) => {
    group = controlGroup(`${hostMark()}-${started}`, bounds)
    await group?.add(started)
  })
  const { child, pid, root } = program
  // It may have been born before its parent was in the group.
  if (root !== pid) await group?.add(root)
  // A group has one share of the processor, whatever is in it; without one, others go first.
  if (group === undefined) goBehind(root)

  const over = new AbortController()
  let ended: Ending | undefined
  const end = (why: Ending): void => {
    // Once the leader was reaped its number may be somebody else's.
    if (over.signal.aborted) return
    ended ??= why
    endAll(program, clock, over.signal)
  }
  const output = capped(program, bounds, { over: () => end('output'), clock })
  const handed = program.output && checked(program.output, bounds)
  const isInit = root !== pid
  const watch = new Watch({ root, isInit, group, bounds, disk, inMemory, end }, clock)
  const closeDoors = attend(child, order.doors)
  if (bounds.wallMilliseconds !== undefined) {
    void clock.sleep(bounds.wallMilliseconds, over.signal).then(() => end('wall_clock'))
  }

  const used = (): Usage => ({
    wallMilliseconds: clock.nowMilliseconds() - startedAt,
    outputBytes: output.bytes(),
    egress: order.traffic?.egress ?? NOTHING,
    ...watch.used,
  })
  const { promise: exit, resolve } = Promise.withResolvers<Exit>()
  child.once('exit', (code, killedBy) => {
    // What the program left behind in its group goes with it: no daemon survives it.
    killGroup(pid)
    over.abort()
    const { wallMilliseconds } = used()
    const last = watch.stop(ended)
    const why = ended ?? reached(watch, bounds) ?? 'itself'
    closeDoors()
    order.traffic?.close()
    const outcome = ended === undefined ? { code, signal: killedBy } : KILLED
    const report = async (): Promise<Exit> => {
      await last
      const denied = [...watch.denied(why), ...(order.traffic?.denied() ?? [])]
      const whole = { ...outcome, ended: why, used: { ...used(), wallMilliseconds }, denied }
      // The group's sums are gone with it.
      await clear(order, group, clock)
      return whole
    }
    resolve(report())
  })
  program.open()
  const { stdin } = program
  const fallback = order.fellBack === undefined ? {} : { fellBack: order.fellBack }
  return {
    stdin,
    stdout: output.stdout,
    stderr: output.stderr,
    ...(handed !== undefined && { output: handed }),
    exit,
    tier: launch.tier,
    layers: [...launch.layers, ...(group === undefined ? [] : ['control group'])],
    totals: {
      memory: group !== undefined ? 'kernel' : platform === 'linux' ? 'watchdog' : 'nobody',
      scratch: order.isScratchSized ? 'kernel' : 'watchdog',
      disk: folders.length === 0 ? 'kernel' : 'watchdog',
    },
    stats: used,
    resize: (size) => {
      // Once the first process was reaped its number may be somebody else's.
      if (order.hasTerminal && !over.signal.aborted) resize(root, size)
    },
    kill: () => end('killed'),
    ...fallback,
  }
}

const KILLED = { code: null, signal: 'SIGKILL' } as const

/** Kills the first process, with which the kernel ends its namespace; then, whoever lingers. */
function endAll({ pid, root }: Launched, clock: Clock, over: AbortSignal): void {
  signal(root)
  if (root === pid) return killGroup(pid)
  void clock
    .sleep(LINGER_MILLISECONDS, over)
    .then(() => (over.aborted ? undefined : killGroup(pid)))
}

/** The limit that the kernel held, where it was the kernel that ended the program. */
function reached(watch: Watch, bounds: Bounds): Ending | undefined {
  if (watch.outOfMemory()) return 'memory'
  const cpu = bounds.cpuSeconds
  return cpu !== undefined && watch.used.cpuSeconds >= cpu ? 'cpu' : undefined
}

/** Removes what the program had for itself: the group goes when its last process did. */
async function clear(order: Order, group: ControlGroup | undefined, clock: Clock): Promise<void> {
  for (let i = 0; i < REMOVAL_TRIES; i++) {
    if (group === undefined || group.remove()) break
    await clock.sleep(REMOVAL_PAUSE_MILLISECONDS)
  }
  if (order.scratch !== undefined) {
    await rm(order.scratch, { recursive: true, force: true }).catch(() => {})
  }
}

/** The two outputs, at one pace, cut off together after `outputBytes`; without that limit the pipes themselves. */
function capped(
  { stdout, stderr }: Launched,
  { outputBytes, outputBytesPerSecond }: Bounds,
  { over, clock }: { readonly over: () => void; readonly clock: Clock },
): { stdout: Readable; stderr: Readable; bytes: () => number } {
  const allowance = new Allowance(outputBytesPerSecond, clock)
  for (const pipe of [stdout, stderr]) pace(pipe, allowance, clock)
  if (outputBytes === undefined) {
    const bytes = (): number => bytesRead(stdout) + bytesRead(stderr)
    return { stdout, stderr, bytes }
  }
  let left = outputBytes
  const cut = (from: Readable): Readable => {
    const to = new PassThrough()
    from.on('data', (chunk: Buffer) => {
      const kept = chunk.subarray(0, Math.max(0, left))
      left -= chunk.length
      if (left < 0) over()
      if (kept.length > 0 && !to.write(kept)) from.pause()
    })
    to.on('drain', () => from.resume())
    from.once('end', () => to.end())
    return to
  }
  return { stdout: cut(stdout), stderr: cut(stderr), bytes: () => outputBytes - Math.max(0, left) }
}

/** Headers and padding come on top of what lies there. */
const TAR_BYTES = 16 * 1024 * 1024

function checked(from: Readable, { scratchBytes }: Bounds): CheckedTar {
  const tar = new CheckedTar(scratchBytes + TAR_BYTES)
  tar.on('error', () => from.destroy())
  from.on('error', (cause) => tar.destroy(cause))
  return from.pipe(tar)
}

function bytesRead(stream: Readable): number {
  return 'bytesRead' in stream && typeof stream.bytesRead === 'number' ? stream.bytesRead : 0
}

/** What it starts inherits this; the watch does more, and again. */
function goBehind(pid: number): void {
  try {
    setPriority(pid, 10)
  } catch {
    // It ended already.
  }
}
