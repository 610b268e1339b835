/**
 * Watches one running program and ends it where the kernel does not hold a limit by itself.
 *
 * Where a control group counts, memory and processes are the kernel's to hold, exactly; we look whether it
 * had to, and at time and disk. Elsewhere we sample: the next look comes before the program could have
 * filled what is left at 10 GiB/s, and looking never takes more than a quarter of our own processor time.
 */

import { statfsSync, statSync } from 'node:fs'
import { threadCpuUsage } from 'node:process'
import type { Clock } from '../base/clock.ts'
import type { ControlGroup } from './cgroup.ts'
import type { DiskWatch } from './disk-watch.ts'
import { halt } from './halt.ts'
import type { Bounds } from './limits.ts'
import { goAfterOthers } from './priority.ts'
import { treeUse } from './process-tree.ts'
import type { Denied, Ending, Measure, Usage } from './report.ts'

/** What is watched. */
export interface Watched {
  /** The process that everything else is below of. */
  readonly root: number
  /** Whether that is bubblewrap's own, which waits for the program's. */
  readonly isInit: boolean
  readonly group: ControlGroup | undefined
  readonly bounds: Bounds
  /** What it may write and that lies on a disk. */
  readonly disk: DiskWatch | undefined
  /** Those of its own in memory, as it names them below its root: their size is the kernel's, their number of files is not. */
  readonly inMemory: readonly string[]
  /** Called once, with the limit that was reached. */
  readonly end: (ending: Ending) => void
}

const FILL_BYTES_PER_MILLISECOND = (10 * 1024 ** 3) / 1_000
const [SHORTEST, LONGEST] = [2, 250]
const OUR_SHARE = 3
// The kernel holds the number itself; a sample comes near it at most.
const FULL = 0.9
/** What a file without content takes of the kernel's memory. */
const ENTRY_BYTES = 1_024
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
  #measuredBy: Measure
  #yields = false
  #known: ReadonlySet<number> = new Set()

  constructor(watched: Watched, clock: Clock) {
    this.#watched = watched
    this.#clock = clock
    this.#measuredBy = watched.group === undefined ? 'none' : 'cgroup'
    void this.#run()
  }

  /** No more looks; what is left to be read is read. */
  async stop(ended: Ending | undefined): Promise<void> {
    this.#over.abort()
    this.#readGroup()
    // By how much it went over, in truth: it wrote on until it was gone.
    if (ended === 'disk') await this.#watched.disk?.measure([])
  }

  get used(): Omit<Usage, 'wallMilliseconds' | 'outputBytes' | 'egress'> {
    this.#readGroup()
    return {
      cpuSeconds: this.#cpuSeconds,
      peakMemoryBytes: this.#memoryBytes,
      peakProcesses: this.#processes,
      diskBytes: this.#watched.disk?.usedBytes ?? 0,
      measuredBy: this.#measuredBy,
    }
  }

  /** What the kernel refused on our behalf, and how far the program went where we had to end it. */
  denied(ended: Ending | undefined): Denied[] {
    const use = this.#watched.group?.use()
    const found: Denied[] = []
    const { bounds } = this.#watched
    if (ended === 'disk') {
      const detail = `more than ${bounds.diskBytes} bytes: it had ${this.used.diskBytes}`
      found.push({ what: 'disk', detail, times: 1 })
    }
    if (ended === 'memory' && use === undefined) {
      const detail = `more than ${bounds.memoryBytes} bytes: it had ${this.#memoryBytes}`
      found.push({ what: 'memory', detail, times: 1 })
    }
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
      const started = cpuMilliseconds()
      const reached = await this.#look()
      if (signal.aborted) return
      if (reached !== undefined) return this.#watched.end(reached)
      // Not how long it took: on a busy machine we would look the less the more it matters.
      const took = cpuMilliseconds() - started
      wait = Math.max(this.#untilFull(), took * OUR_SHARE)
    }
  }

  async #look(): Promise<Ending | undefined> {
    const { group, bounds, root, disk } = this.#watched
    if (this.outOfMemory()) return 'memory'
    if (this.#isForking()) return 'processes'
    if (this.#isFullOfFiles()) return 'disk'
    // The kernel counts everything but what was written.
    const needsTree = group === undefined || disk !== undefined
    const tree = needsTree ? await treeUse(root, () => this.#clock.sleep(0)) : undefined
    this.#readGroup()
    if (tree !== undefined && group === undefined) {
      this.#measuredBy = 'watchdog'
      this.#memoryBytes = Math.max(this.#memoryBytes, tree.memoryBytes)
      this.#processes = Math.max(this.#processes, tree.tasks)
      this.#cpuSeconds = Math.max(this.#cpuSeconds, tree.cpuSeconds)
      if (tree.memoryBytes > bounds.memoryBytes) {
        // It takes no more while the kernel gets round to ending it.
        await halt(root, tree)
        return 'memory'
      }
      this.#putBack(tree.pids)
      if (tree.tasks >= bounds.processes * FULL) tree.pids.forEach((pid) => goAfterOthers(pid, 19))
    }
    if (bounds.cpuSeconds !== undefined && this.#cpuSeconds > bounds.cpuSeconds) return 'cpu'
    const isOver = await disk?.isOver(root, tree, this.#over.signal)
    return isOver === true ? 'disk' : undefined
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

  /** Without a group of one share, others go first; each session that it makes is put back anew. */
  #putBack(pids: readonly number[]): void {
    const { root, isInit } = this.#watched
    // Bubblewrap's own is of a session that the program leaves.
    const own = pids.filter((pid) => pid !== root || !isInit)
    this.#known = new Set(own.filter((pid) => this.#known.has(pid) || goAfterOthers(pid, 10)))
  }

  /** Whether its scratch holds more files than bytes would fit: the kernel counts their bytes alone. */
  #isFullOfFiles(): boolean {
    const { root, bounds, inMemory } = this.#watched
    return inMemory.some((folder) => {
      try {
        // The root of its first process, which it cannot change; while it has none yet, this is ours.
        const path = `/proc/${root}/root${folder}`
        if (statSync(path).dev === statSync('/tmp').dev) return false
        const { files, ffree } = statfsSync(path)
        return (files - ffree) * ENTRY_BYTES > bounds.scratchBytes
      } catch {
        return false
      }
    })
  }

  #readGroup(): void {
    const use = this.#watched.group?.use()
    if (use === undefined) return
    this.#memoryBytes = Math.max(this.#memoryBytes, use.memoryBytes)
    this.#processes = Math.max(this.#processes, use.processes)
    this.#cpuSeconds = Math.max(this.#cpuSeconds, use.cpuSeconds)
  }

  #untilFull(): number {
    const { group, bounds, disk } = this.#watched
    const left = [
      ...(group === undefined ? [bounds.memoryBytes - this.#memoryBytes] : []),
      ...(disk === undefined ? [] : [disk.leftBytes]),
    ]
    const soonest = Math.min(...left) / FILL_BYTES_PER_MILLISECOND
    return Math.min(LONGEST, Math.max(SHORTEST, soonest))
  }
}

/** What this thread used. */
function cpuMilliseconds(): number {
  const { user, system } = threadCpuUsage()
  return (user + system) / 1_000
}
