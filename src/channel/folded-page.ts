/**
 * A page of folded texts, with tables that say in which of its 32 chunks something may stand.
 *
 * Call `append` for each text while `holds` says that there is room, `search` for where a skeleton stands.
 * Two bytes are folded at once, by a table and without a branch that depends on the text: nothing else
 * indexes a megabyte in some milliseconds. A table's entry is a mask of chunks: of four-grams, and of runs
 * of at most three letters, for values that hold no four-gram.
 */

import { FOLD, type Foldable, foldedBytes } from './fold.ts'

/** A text of a page. */
export interface Text<T> {
  readonly of: T
  /** What was folded, with its capitals. */
  readonly source: Buffer
  /** The text itself, where `source` is in plainer signs. */
  readonly raw: string | undefined
  /** Whether it is what another text says when decoded. */
  readonly encoded: boolean
  /** Where its folded bytes stand in the page. */
  readonly start: number
  readonly end: number
  /** Of each block of `source`, how many bytes are kept of those before it. */
  readonly marks: Uint32Array
}

/** After an occurrence: read `on`, leave this text for the `next`, or that was `enough`. */
export type Reader<T> = (text: Text<T>, from: number, to: number) => 'on' | 'next' | 'enough'

const CHUNKS = 32
const BLOCK = 64
const SMALLEST = 1 << 14
const LARGEST = 1 << 20
/** Occurrences that are read before a look-up gives up on a text. */
const MOST_READ = 64
/** Bytes of a skeleton that are looked up. */
const MOST_LOOKED = 32

/** Folded texts of `T`s, one after the other. */
export class FoldedPage<T> {
  readonly #size: number
  readonly #folded: Buffer
  readonly #view: DataView
  readonly #grams: Uint32Array
  readonly #runs: Uint32Array
  readonly #texts: Text<T>[] = []
  #length = 0

  /** With room for at least `bytes`, and more than `last` had. */
  constructor(bytes: number, last?: FoldedPage<T>) {
    const wanted = Math.min(LARGEST, last === undefined ? SMALLEST : last.#size * 2)
    this.#size = 2 ** Math.ceil(Math.log2(Math.max(wanted, bytes)))
    // A word more: of the last bytes two are written and four are read.
    this.#folded = Buffer.alloc(this.#size + 4)
    this.#view = viewOf(this.#folded)
    this.#grams = new Uint32Array(Math.min(1 << 16, this.#size >> 3))
    this.#runs = new Uint32Array(Math.min(1 << 12, this.#size >> 3))
  }

  /** Whether there is room for a text of so many bytes. */
  holds(bytes: number): boolean {
    return this.#size - this.#length >= bytes
  }

  append(of: T, { source, lowered, raw }: Foldable, { encoded }: { encoded: boolean }): void {
    const start = this.#length
    const marks = new Uint32Array(Math.ceil(source.length / BLOCK))
    const target: Target = {
      view: this.#view,
      start,
      grams: this.#grams,
      runs: this.#runs,
      shift: this.#shift,
    }
    this.#length = fold(lowered, marks, target)
    note(target, this.#length)
    this.#texts.push({ of, source, raw, encoded, start, end: this.#length, marks })
  }

  /**
   * Calls `reader` for occurrences of a skeleton, in the order of texts, until it has enough. One of less
   * than four bytes is found where it begins a run, as a whole or as `first`, the first run of its value.
   */
  search(skeleton: Buffer, first: Buffer, reader: Reader<T>): void {
    const short = skeleton.length < 4
    let chunks = short
      ? this.#chunksOfRun(skeleton) | this.#chunksOfRun(first)
      : this.#chunksOfGrams(skeleton)
    const chunk = this.#size / CHUNKS
    let next = 0
    while (chunks !== 0) {
      const begins = (31 - Math.clz32(chunks & -chunks)) * chunk
      chunks &= chunks - 1
      const from = Math.max(next, begins)
      const until = Math.min(this.#length, begins + chunk + skeleton.length - 1)
      next = this.#occurrences(skeleton, { from, until, ...(short && { first }) }, reader)
    }
  }

  /** Reads the occurrences between two places; answers with the place from which nothing was read. */
  #occurrences(
    skeleton: Buffer,
    { from, until, first }: { readonly from: number; readonly until: number; first?: Buffer },
    reader: Reader<T>,
  ): number {
    const window = this.#folded.subarray(0, until)
    let place = this.#textAt(from)
    let reads = 0
    for (let at = window.indexOf(skeleton, from); at !== -1;) {
      let text = this.#texts[place]
      while (text !== undefined && text.end <= at) {
        text = this.#texts[++place]
        reads = 0
      }
      if (text === undefined) break
      const stands =
        at + skeleton.length <= text.end &&
        (first === undefined || isRun(text, at, [skeleton.length, first.length]))
      const then = stands ? reader(text, at, at + skeleton.length) : 'on'
      if (then === 'enough') return this.#length
      const onward = then === 'next' || ++reads > MOST_READ ? text.end : at + 1
      at = window.indexOf(skeleton, onward)
    }
    return Math.max(from, until - skeleton.length + 1)
  }

  /** The first text that ends behind `at`. */
  #textAt(at: number): number {
    let [low, high] = [0, this.#texts.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#texts[middle]?.end ?? 0) <= at) low = middle + 1
      else high = middle
    }
    return low
  }

  /** The chunks in which such a run may begin. */
  #chunksOfRun(run: Buffer): number {
    let key = 0
    for (const byte of run.toReversed()) key = (key << 8) | byte
    return run.length > 3 ? 0 : (this.#runs[slotOf(key, this.#runs.length - 1)] ?? 0)
  }

  /** The chunks in which the skeleton may begin. */
  #chunksOfGrams(skeleton: Buffer): number {
    const view = viewOf(skeleton)
    let chunks = -1
    for (let at = 0; at + 4 <= Math.min(skeleton.length, MOST_LOOKED); at++) {
      const here = this.#grams[slotOf(view.getInt32(at, true), this.#grams.length - 1)] ?? 0
      // A later gram may stand in the chunk after.
      chunks &= at === 0 ? here : here | (here >>> 1)
      if (chunks === 0) return 0
    }
    return chunks
  }

  /** From a place to its chunk. */
  get #shift(): number {
    return Math.clz32(CHUNKS) - Math.clz32(this.#size)
  }
}

/** The place in the source of a folded byte: from the block in which it is kept. */
export function sourceAt<T>({ marks, source, start }: Text<T>, at: number): number {
  const kept = at - start
  let [low, high] = [0, marks.length]
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if ((marks[middle] as number) <= kept) low = middle
    else high = middle
  }
  let place = low * BLOCK
  for (let left = kept - (marks[low] ?? 0); ; place++)
    if (FOLD[source[place] as number] !== 0 && left-- === 0) return place
}

/** Whether a run begins at a place of a text, of one of these lengths. */
function isRun<T>(text: Text<T>, at: number, lengths: readonly number[]): boolean {
  const { source } = text
  const from = sourceAt(text, at)
  if (from > 0 && FOLD[source[from - 1] as number] !== 0) return false
  let to = from
  while (to - from < 4 && FOLD[source[to] as number]) to++
  return lengths.includes(to - from)
}

/** Of two bytes, the first in the lower half: what is kept of them, how many, and how runs go on. */
const PAIRS = Uint32Array.from({ length: 1 << 16 }, (_, pair) => {
  const kept = foldedBytes(Buffer.from([pair & 0xff, pair >> 8]))
  const [first, second] = [FOLD[pair & 0xff] !== 0, FOLD[pair >> 8] !== 0]
  return (
    (kept[0] ?? 0) |
    ((kept[1] ?? 0) << 8) |
    (kept.length << 16) |
    (Number(first) << 18) |
    (Number(second && !first) << 19) |
    (Number(second) << 20)
  )
})

/** Where runs begin, of some blocks: filled and emptied within one `fold`. */
const BEGINNINGS = new Uint32Array(1_024)

interface Target {
  readonly view: DataView
  readonly start: number
  readonly grams: Uint32Array
  readonly runs: Uint32Array
  readonly shift: number
}

/** Appends what `lowered` folds to, with marks and short runs; answers with the new length. HOT. */
function fold(lowered: Buffer, marks: Uint32Array, target: Target): number {
  const { view, start } = target
  const from = viewOf(lowered)
  const even = lowered.length & ~1
  let at = start
  let inRun = 0
  let count = 0
  for (let block = 0; block < lowered.length; block += BLOCK) {
    marks[block / BLOCK] = at - start
    const end = Math.min(block + BLOCK, even)
    for (let i = block; i < end; i += 2) {
      const pair = PAIRS[from.getUint16(i, true)] as number
      view.setUint16(at, pair & 0xffff, true)
      BEGINNINGS[count] = at
      count += ((pair >>> 19) | ((pair >>> 18) & ~inRun)) & 1
      inRun = pair >>> 20
      at += (pair >>> 16) & 3
    }
    if (count > BEGINNINGS.length - BLOCK) {
      // The last of them may go on.
      noteRuns(count - 1, target)
      BEGINNINGS[0] = BEGINNINGS[count - 1] as number
      count = 1
    }
  }
  if (even < lowered.length) {
    const last = PAIRS[lowered[even] as number] as number
    view.setUint16(at, last & 0xffff, true)
    BEGINNINGS[count] = at
    count += (last >>> 18) & ~inRun & 1
    at += (last >>> 16) & 3
  }
  BEGINNINGS[count] = at
  noteRuns(count, target)
  return at
}

/** Of a word of four bytes, those of a run of so many; longer runs are not noted. */
const OF_RUN = Uint32Array.of(0, 0xff, 0xffff, 0xffffff, 0)

/** Notes the first `count` of `BEGINNINGS`, each of which ends where the next begins. HOT. */
function noteRuns(count: number, { view, runs, shift }: Target): void {
  const mask = runs.length - 1
  for (let i = 0; i < count; i++) {
    const at = BEGINNINGS[i] as number
    const length = Math.min((BEGINNINGS[i + 1] as number) - at, 4)
    const slot = slotOf(view.getUint32(at, true) & (OF_RUN[length] as number), mask)
    runs[slot] = (runs[slot] as number) | (1 << (at >> shift))
  }
}

/** Notes the four-grams between two places. HOT. */
function note({ view, start, grams, shift }: Target, end: number): void {
  const mask = grams.length - 1
  for (let at = start; at <= end - 4; at++) {
    const slot = slotOf(view.getInt32(at, true), mask)
    grams[slot] = (grams[slot] as number) | (1 << (at >> shift))
  }
}

function slotOf(bytes: number, mask: number): number {
  return (Math.imul(bytes, 0x9e3779b1) >>> 12) & mask
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
}
