/**
 * Watches one running program and ends it where the kernel does not hold a limit by itself.
 *
 * Where a control group counts, memory and processes are the kernel's to hold, exactly; we look whether it
 * had to, and at time and disk. Elsewhere we sample: the next look comes before the program could have
 * filled what is left at 10 GiB/s, and never takes more than a quarter of our time.
 */

import { setPriority } from 'node:os'
import type { Clock } from '../base/clock.ts'
import type { ControlGroup } from './cgroup.ts'
import { deletedUse, diskUse } from './disk-use.ts'
import type { Bounds } from './limits.ts'
import { treeUse, type TreeUse } from './process-tree.ts'
import type { Denied, Ending, Measure, Usage } from './report.ts'

/** What is watched. */
export interface Watched {
  /** The process that everything else is below of. */
  readonly root: number
  readonly group: ControlGroup | undefined
  readonly bounds: Bounds
  /** The folders that it may write and that lie on a disk. */
  readonly folders: readonly string[]
  /** Called once, with the limit that was reached. */
  readonly end: (ending: Ending) => void
}

const FILL_BYTES_PER_MILLISECOND = (10 * 1024 ** 3) / 1_000
const [SHORTEST, LONGEST] = [2, 250]
const OUR_SHARE = 3
// The kernel holds the number itself; a sample comes near it at most.
const FULL = 0.9
const NICEST = 19
/** A program to which a refusal means something has given up long before. */
const MOST_REFUSED = 200

/** The sums of one program. */
export class Watch {
  readonly #watched: Watched
  readonly #clock: Clock
  readonly #over = new AbortController()
  #cpuSeconds = 0
  #memoryBytes = 0
  #processes = 0
  #diskBytes = 0
  #measuredBy: Measure
  #yields = false
  /** What lay in the folders at the start, and how much had been written when they were measured last. */
  #before: Promise<number> | undefined
  #writtenBytes = 0
  #writtenSince = 0

  constructor(watched: Watched, clock: Clock) {
    this.#watched = watched
    this.#clock = clock
    this.#measuredBy = watched.group === undefined ? 'none' : 'cgroup'
    if (watched.folders.length > 0) this.#before = diskUse(watched.folders)
    void this.#run()
  }

  /** No more looks; the group's last sums are read. */
  stop(): void {
    this.#over.abort()
    this.#readGroup()
  }

  get used(): Omit<Usage, 'wallMilliseconds' | 'outputBytes' | 'egress'> {
    this.#readGroup()
    return {
      cpuSeconds: this.#cpuSeconds,
      peakMemoryBytes: this.#memoryBytes,
      peakProcesses: this.#processes,
      diskBytes: this.#diskBytes,
      measuredBy: this.#measuredBy,
    }
  }

  /** What the kernel refused on our behalf. */
  denied(): Denied[] {
    const use = this.#watched.group?.use()
    const found: Denied[] = []
    const { bounds } = this.#watched
    if (use !== undefined && use.refusedForks > 0) {
      found.push({
        what: 'process',
        detail: `more than ${bounds.processes}`,
        times: use.refusedForks,
      })
    }
    if (use !== undefined && use.oomKills > 0) {
      found.push({
        what: 'memory',
        detail: `more than ${bounds.memoryBytes} bytes`,
        times: use.oomKills,
      })
    }
    return found
  }

  /** Whether the kernel ended something of it for want of memory. */
  outOfMemory(): boolean {
    return (this.#watched.group?.use().oomKills ?? 0) > 0
  }

  async #run(): Promise<void> {
    const signal = this.#over.signal
    let wait = SHORTEST
    while (!signal.aborted) {
      await this.#clock.sleep(wait, signal)
      if (signal.aborted) return
      const started = this.#clock.nowMilliseconds()
      const reached = await this.#look()
      if (signal.aborted) return
      if (reached !== undefined) return this.#watched.end(reached)
      const took = this.#clock.nowMilliseconds() - started
      wait = Math.max(this.#untilFull(), took * OUR_SHARE)
    }
  }

  async #look(): Promise<Ending | undefined> {
    const { group, bounds, root, folders } = this.#watched
    if (this.outOfMemory()) return 'memory'
    if (this.#isForking()) return 'processes'
    // The kernel counts everything but what was written.
    const needsTree = group === undefined || folders.length > 0
    const tree = needsTree ? await treeUse(root, () => this.#clock.sleep(0)) : undefined
    this.#readGroup()
    if (tree !== undefined && group === undefined) {
      this.#measuredBy = 'watchdog'
      this.#memoryBytes = Math.max(this.#memoryBytes, tree.memoryBytes)
      this.#processes = Math.max(this.#processes, tree.tasks)
      this.#cpuSeconds = Math.max(this.#cpuSeconds, tree.cpuSeconds)
      if (tree.memoryBytes > bounds.memoryBytes) return 'memory'
      if (tree.tasks >= bounds.processes * FULL) tree.pids.forEach(yieldTo)
    }
    if (bounds.cpuSeconds !== undefined && this.#cpuSeconds > bounds.cpuSeconds) return 'cpu'
    return (await this.#overDisk(tree)) ? 'disk' : undefined
  }

  /**
   * What runs against its number of processes costs others more than its share of the processor: it goes last.
   * Refused again and again and not giving up, it is a bomb.
   */
  #isForking(): boolean {
    const { group, bounds } = this.#watched
    const use = group?.use()
    if (use === undefined || use.processes < bounds.processes * FULL) return false
    if (!this.#yields) group?.yield()
    this.#yields = true
    return use.refusedForks >= MOST_REFUSED
  }

  /** Measures the folders only when what was written since could have filled them. */
  async #overDisk(tree: TreeUse | undefined): Promise<boolean> {
    const { bounds, folders } = this.#watched
    if (this.#before === undefined) return false
    this.#writtenSince = Math.max(0, (tree?.writtenBytes ?? Infinity) - this.#writtenBytes)
    if (this.#diskBytes + this.#writtenSince <= bounds.diskBytes) return false
    const now = (await diskUse(folders)) + deletedUse(tree?.pids ?? [])
    const before = await this.#before
    this.#writtenBytes = tree?.writtenBytes ?? 0
    this.#writtenSince = 0
    // Where there was too much to count, all that was written counts.
    const grown = Number.isFinite(before) ? now - before : this.#writtenBytes
    this.#diskBytes = Math.min(Math.max(0, grown), Number.MAX_SAFE_INTEGER)
    return this.#diskBytes > bounds.diskBytes
  }

  #readGroup(): void {
    const use = this.#watched.group?.use()
    if (use === undefined) return
    this.#memoryBytes = Math.max(this.#memoryBytes, use.memoryBytes)
    this.#processes = Math.max(this.#processes, use.processes)
    this.#cpuSeconds = Math.max(this.#cpuSeconds, use.cpuSeconds)
  }

  #untilFull(): number {
    const { group, bounds, folders } = this.#watched
    const left = [
      ...(group === undefined ? [bounds.memoryBytes - this.#memoryBytes] : []),
      ...(folders.length > 0 ? [bounds.diskBytes - this.#diskBytes - this.#writtenSince] : []),
    ]
    const soonest = Math.min(...left) / FILL_BYTES_PER_MILLISECOND
    return Math.min(LONGEST, Math.max(SHORTEST, soonest))
  }
}

function yieldTo(pid: number): void {
  try {
    setPriority(pid, NICEST)
  } catch {
    // It ended already.
  }
}
