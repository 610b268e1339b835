/**
 * Holds what one program keeps on disk to a number of bytes, where no quota of the kernel's does.
 *
 * Measuring folders takes long, so it is done when what was written since the last time could have filled
 * what is left: by the word of the processes, and by what their file systems gained, for a child that was
 * reaped unseen takes its word with it. While we measure, and while we may not yet measure again, the
 * program stands still: however slow the machine is, it fills nothing between our question and the answer.
 */

import { statfsSync } from 'node:fs'
import { stat, statfs } from 'node:fs/promises'
import type { Clock } from '../base/clock.ts'
import { deletedUse, diskUse, ENTRY } from './disk-use.ts'
import { halt } from './halt.ts'
import type { TreeUse } from './process-tree.ts'

// statfs(2), f_type. What a write to each of them costs is counted for the process that makes it.
const [EXT, XFS, BTRFS, F2FS] = [0xef53, 0x58465342, 0x9123683e, 0xf2f52010]
const [OVERLAY, NFS, TMPFS] = [0x794c7630, 0x6969, 0x01021994]
const COUNTED: ReadonlySet<number> = new Set([EXT, XFS, BTRFS, F2FS, OVERLAY, NFS])
/** They say at once what they gained, and cannot keep us waiting. */
const PROMPT: ReadonlySet<number> = new Set([EXT, XFS, F2FS, OVERLAY, TMPFS])
const OUR_SHARE = 3
/** Where neither is so, we look anyway. */
const LONGEST_MILLISECONDS = 2_000

/** What may be filled, and how far. */
export interface Filled {
  readonly folders: readonly string[]
  readonly limit: number
}

/** One file system that the program may write, and what was in use on it when we measured. */
interface Place {
  readonly folder: string
  readonly isCounted: boolean
  readonly isPrompt: boolean
  usedBytes: number
}

/** The disk of one program. */
export class DiskWatch {
  readonly #folders: readonly string[]
  readonly #limit: number
  readonly #clock: Clock
  readonly #beforeBytes: number
  readonly #places: readonly Place[]
  #usedBytes = 0
  /** Since the last measurement, by whichever word is larger. */
  #sinceBytes = 0
  #writtenBytes = 0
  #allWrittenBytes = 0
  #written: ReadonlyMap<number, number> = new Map()
  #measuredAt: number
  #notBefore = 0

  private constructor(
    { folders, limit }: Filled,
    before: { readonly bytes: number; readonly places: readonly Place[] },
    clock: Clock,
  ) {
    this.#folders = folders
    this.#limit = limit
    this.#clock = clock
    this.#beforeBytes = before.bytes
    this.#places = before.places
    this.#measuredAt = clock.nowMilliseconds()
  }

  /** Measures what lies there before the program begins: it must not write until this is done. */
  static async begun(filled: Filled, clock: Clock): Promise<DiskWatch> {
    const places = await placesOf(filled.folders)
    return new DiskWatch(filled, { bytes: await diskUse(filled.folders), places }, clock)
  }

  /** By how much the folders had grown when they were measured last. */
  get usedBytes(): number {
    return this.#usedBytes
  }

  /** What it could still have written before the next measurement. */
  get leftBytes(): number {
    return this.#limit - this.#usedBytes - this.#sinceBytes
  }

  /**
   * Whether the program keeps more than it may; then it stands still for good, and is to be ended. Measures
   * only when it could.
   */
  async isOver(root: number, tree: TreeUse | undefined, ended: AbortSignal): Promise<boolean> {
    this.#count(tree)
    const gained = this.#places.reduce((sum, place) => sum + gainedBy(place), 0)
    this.#sinceBytes = Math.max(this.#writtenBytes, gained)
    if (this.leftBytes >= 0 && !this.#isOverdue()) return false
    const resume = await halt(root, tree)
    const rest = this.#notBefore - this.#clock.nowMilliseconds()
    if (rest > 0) await this.#clock.sleep(rest, ended)
    if (ended.aborted || (await this.measure(tree?.pids ?? [])) > this.#limit) return true
    resume()
    return false
  }

  /** Measures now; of a program that ended, what it left. */
  async measure(pids: readonly number[]): Promise<number> {
    const started = this.#clock.nowMilliseconds()
    for (const place of this.#places) {
      if (place.isPrompt) place.usedBytes = usedOn(place.folder) ?? 0
    }
    const now = (await diskUse(this.#folders)) + deletedUse(pids)
    const before = this.#beforeBytes
    // Where there was too much to count, all that was written counts.
    const grown = Number.isFinite(before) ? now - before : this.#allWrittenBytes
    this.#usedBytes = Math.min(Math.max(0, grown), Number.MAX_SAFE_INTEGER)
    this.#writtenBytes = 0
    this.#sinceBytes = 0
    this.#measuredAt = this.#clock.nowMilliseconds()
    this.#notBefore = this.#measuredAt + (this.#measuredAt - started) * OUR_SHARE
    return this.#usedBytes
  }

  /** Adds what each process wrote since it was seen last. */
  #count(tree: TreeUse | undefined): void {
    if (tree === undefined) {
      this.#writtenBytes = Infinity
      return
    }
    const seen = new Map<number, number>()
    for (const [pid, bytes] of tree.written) {
      const known = this.#written.get(pid) ?? 0
      // Less than before: the number is another process's now. Unknown may be anything.
      const more = bytes < known || bytes === Infinity ? bytes : bytes - known
      this.#writtenBytes += more
      this.#allWrittenBytes += more
      seen.set(pid, bytes)
    }
    this.#written = seen
  }

  #isOverdue(): boolean {
    const quiet = this.#clock.nowMilliseconds() - this.#measuredAt
    return quiet > LONGEST_MILLISECONDS && this.#places.some((place) => !place.isPrompt)
  }
}

/** The file systems of the folders, each once. */
async function placesOf(folders: readonly string[]): Promise<readonly Place[]> {
  const places = new Map<string, Place>()
  for (const folder of folders) {
    const [found, type] = [await stat(folder).catch(() => undefined), await typeOf(folder)]
    const isPrompt = PROMPT.has(type)
    const usedBytes = isPrompt ? (usedOn(folder) ?? 0) : 0
    const place = { folder, isCounted: COUNTED.has(type), isPrompt, usedBytes }
    places.set(String(found?.dev ?? folder), place)
  }
  return [...places.values()]
}

async function typeOf(folder: string): Promise<number> {
  const found = await statfs(folder).catch(() => undefined)
  // One without a size does not say what is in use.
  return found === undefined || found.blocks === 0 ? 0 : found.type
}

function gainedBy({ folder, isCounted, isPrompt, usedBytes }: Place): number {
  if (isPrompt) return Math.max(0, (usedOn(folder) ?? Infinity) - usedBytes)
  // Nobody counts: it may be anything.
  return isCounted ? 0 : Infinity
}

function usedOn(folder: string): number | undefined {
  try {
    const { blocks, bfree, bsize, files, ffree } = statfsSync(folder)
    return (blocks - bfree) * bsize + (files - ffree) * ENTRY
  } catch {
    return undefined
  }
}
