/**
 * An index of texts that grows as they are shown: where does this value stand, however it is written?
 *
 * Call `add` for each text and `find` for a value. Texts are folded to their letters and digits, in one
 * pass; a page of folded bytes has one table of four-grams and one of the beginnings of words, each entry a mask of the 32
 * chunks in which it occurs. A look-up intersects masks, searches the few chunks that are left, and reads
 * the original to say *how* the value stands there. Nothing is claimed that was not read.
 */

import {
  decodedRun,
  decodings,
  FOLD,
  foldable,
  numberSkeletons,
  readNumber,
  runsIn,
  skeletonOf,
} from './fold.ts'

/** How a value stands in a text, from the plainest. */
export type Manner =
  /** Character for character. */
  | 'literal'
  /** In upper or lower case. */
  | 'case'
  /** With spaces between, and perhaps in another case. */
  | 'spacing'
  /** As the same number, written differently. */
  | 'number'
  /** With other characters between: joined from parts, or taken apart. */
  | 'split'
  /** Encoded. */
  | 'encoded'

/** One text that holds a value. */
export interface Hit<T> {
  readonly of: T
  readonly manner: Manner
}

interface Text<T> {
  readonly of: T
  /** What was folded. */
  readonly source: Buffer
  readonly encoded: boolean
  /** Where its folded bytes stand in the page. */
  readonly start: number
  readonly end: number
  /** The place in `source` of every 64th folded byte. */
  readonly marks: Uint32Array
}

interface Page<T> {
  readonly folded: Buffer
  readonly grams: Uint32Array
  readonly words: Uint32Array
  readonly texts: Text<T>[]
  length: number
}

const CHUNKS = 32
const SMALLEST_PAGE = 1 << 14
const LARGEST_PAGE = 1 << 20
const MARK = 6
const MARKED = (1 << MARK) - 1
/** Occurrences that are read before a look-up gives up on a text. */
const MOST_READ = 64

/** Texts of `T`s, and where values stand in them. */
export class TextIndex<T> {
  readonly #pages: Page<T>[] = []

  /** Adds a text, and what it says when decoded. */
  add(of: T, text: string): void {
    const source = foldable(text)
    const runs = this.#fold(of, source, false)
    for (const run of runs) {
      for (const { text: decoded } of decodedRun(source.toString('latin1', run[0], run[1]))) {
        this.#fold(of, foldable(decoded), true)
        for (const deeper of decodings(decoded, 1)) this.#fold(of, foldable(deeper.text), true)
      }
    }
    if (text.includes('%') || text.includes('&') || text.includes('\\')) {
      for (const { encoding, text: decoded } of decodings(text)) {
        if (encoding !== 'base64' && encoding !== 'hex') this.#fold(of, foldable(decoded), true)
      }
    }
  }

  /** The texts that hold `value`, each once and in its plainest manner, in the order of `add`. */
  find(value: string, { numeric = false, most = 20 } = {}): Hit<T>[] {
    const skeletons = numeric
      ? numberSkeletons(value).map((one) => Buffer.from(one))
      : [skeletonOf(value)]
    const bytes = foldable(value)
    const found = new Map<T, Manner>()
    for (const [page, skeleton] of this.#pages.flatMap((one) =>
      skeletons.map((two) => [one, two] as const),
    )) {
      if (skeleton.length === 0) continue
      search(page, skeleton, (text, from, to) => {
        const manner = read(text, { from, to }, bytes, numeric ? Number(value) : undefined)
        if (manner === undefined) return 'on'
        // Texts come one after the other: those before this one are read.
        if (found.size >= most && !found.has(text.of)) return 'enough'
        const known = found.get(text.of)
        if (known === undefined || ORDER.indexOf(manner) < ORDER.indexOf(known))
          found.set(text.of, manner)
        return manner === 'literal' ? 'next' : 'on'
      })
      if (found.size >= most) break
    }
    return [...found].slice(0, most).map(([of, manner]) => ({ of, manner }))
  }

  /** Folds a text into a page; answers with the runs in which something may be encoded. */
  #fold(of: T, source: Buffer, encoded: boolean): [number, number][] {
    const page = this.#pageFor(source.length)
    const start = page.length
    const marks = new Uint32Array((source.length >> MARK) + 2)
    page.length = foldInto(page, source, marks)
    note(page, start)
    page.texts.push({ of, source, encoded, start, end: page.length, marks })
    return encoded ? [] : runsIn(source)
  }

  #pageFor(bytes: number): Page<T> {
    const last = this.#pages.at(-1)
    if (last !== undefined && last.folded.length - last.length >= bytes) return last
    const wanted = Math.min(LARGEST_PAGE, (last?.folded.length ?? SMALLEST_PAGE / 2) * 2)
    const size = 2 ** Math.ceil(Math.log2(Math.max(wanted, bytes, SMALLEST_PAGE)))
    const entries = Math.min(1 << 16, size >> 3)
    const page: Page<T> = {
      folded: Buffer.alloc(size),
      grams: new Uint32Array(entries),
      words: new Uint32Array(entries),
      texts: [],
      length: 0,
    }
    this.#pages.push(page)
    return page
  }
}

/**
 * Appends what `source` folds to, with marks and beginnings of words; answers with the new length.
 * HOT: without branches that depend on the text.
 */
function foldInto<T>(
  { folded, words, length }: Page<T>,
  source: Buffer,
  marks: Uint32Array,
): number {
  const shift = shiftOf(folded.length)
  const mask = words.length - 1
  let at = length
  let word = 0
  for (let i = 0; i < source.length; i++) {
    const fold = FOLD[source[i] as number] as number
    // 1 where something is kept, without a branch.
    const keep = -fold >>> 31
    // The last write to a mark is by the byte that stands there.
    marks[(at - length + MARKED) >> MARK] = i
    folded[at] = fold
    word = (Math.imul(word, 31) + fold) & -keep
    const slot = Math.imul(word, GOLDEN) & mask
    words[slot] = (words[slot] as number) | (1 << (at >> shift))
    at += keep
  }
  return at
}

/** Notes the four-grams of a page from `start` on. HOT. */
function note<T>({ folded, grams, length }: Page<T>, start: number): void {
  const shift = shiftOf(folded.length)
  const mask = grams.length - 1
  let gram = 0
  for (let at = start; at < Math.min(start + 3, length); at++)
    gram = (gram << 8) | (folded[at] as number)
  for (let at = start + 3; at < length; at++) {
    gram = (gram << 8) | (folded[at] as number)
    const slot = (Math.imul(gram, GOLDEN) >>> 12) & mask
    grams[slot] = (grams[slot] as number) | (1 << (at >> shift))
  }
}

const GOLDEN = 0x9e3779b1

/** From a place in a page of so many bytes to its chunk. */
function shiftOf(bytes: number): number {
  return Math.clz32(CHUNKS) - Math.clz32(bytes)
}

const ORDER: readonly Manner[] = ['literal', 'case', 'spacing', 'number', 'split', 'encoded']

/** After an occurrence: read `on`, leave this text for the `next`, or that was `enough`. */
type Reader<T> = (text: Text<T>, from: number, to: number) => 'on' | 'next' | 'enough'

/** Calls `reader` for occurrences of the skeleton in a page, until it has enough. */
function search<T>(page: Page<T>, skeleton: Buffer, reader: Reader<T>): void {
  let chunks = chunksOf(page, skeleton)
  const size = page.folded.length / CHUNKS
  let next = 0
  while (chunks !== 0) {
    const chunk = 31 - Math.clz32(chunks & -chunks)
    chunks &= chunks - 1
    // The mask names the chunk in which the first gram, or the word, *ends*.
    const from = Math.max(next, chunk * size - skeleton.length)
    const until = Math.min(page.length, (chunk + 1) * size + skeleton.length)
    next = occurrences(page, skeleton, { from, until }, reader)
  }
}

/** Reads the occurrences between two places; answers with the place from which nothing was read. */
function occurrences<T>(
  page: Page<T>,
  skeleton: Buffer,
  { from, until }: { readonly from: number; readonly until: number },
  reader: Reader<T>,
): number {
  const window = page.folded.subarray(0, until)
  let place = textAt(page.texts, from)
  let reads = 0
  for (let at = window.indexOf(skeleton, from); at !== -1;) {
    let text = page.texts[place]
    while (text !== undefined && text.end <= at) {
      text = page.texts[++place]
      reads = 0
    }
    if (text === undefined) break
    const inside = at + skeleton.length <= text.end
    const then = inside ? reader(text, at, at + skeleton.length) : 'on'
    if (then === 'enough') return page.length
    const onward = then === 'next' || ++reads > MOST_READ ? text.end : at + 1
    at = window.indexOf(skeleton, onward)
  }
  return Math.max(from, until - skeleton.length + 1)
}

/** The first text that ends behind `at`. */
function textAt<T>(texts: readonly Text<T>[], at: number): number {
  let [low, high] = [0, texts.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((texts[middle]?.end ?? 0) <= at) low = middle + 1
    else high = middle
  }
  return low
}

/** The chunks in which the skeleton may begin; for a short one, in which it may stand as a word. */
function chunksOf<T>({ grams, words }: Page<T>, skeleton: Buffer): number {
  const mask = grams.length - 1
  if (skeleton.length < 4) {
    let word = 0
    for (const byte of skeleton) word = Math.imul(word, 31) + byte
    return words[Math.imul(word, GOLDEN) & mask] ?? 0
  }
  let gram = 0
  let chunks = -1
  for (let i = 0; i < Math.min(skeleton.length, 32); i++) {
    gram = (gram << 8) | (skeleton[i] as number)
    if (i < 3) continue
    const here = grams[(Math.imul(gram, GOLDEN) >>> 12) & mask] ?? 0
    // A later gram may stand in the chunk after.
    chunks &= i === 3 ? here : here | (here >>> 1)
    if (chunks === 0) return 0
  }
  return chunks
}

/** How the value stands at a place of a text, or undefined when it does not: `104` does not in `1042`. */
function read<T>(
  text: Text<T>,
  place: { readonly from: number; readonly to: number },
  value: Buffer,
  number: number | undefined,
): Manner | undefined {
  const { source } = text
  let first = sourceAt(text, place.from)
  let last = sourceAt(text, place.to - 1) + 1
  if (number !== undefined) return readNumberAt(source, first, last, number)
  // Signs at the ends of a value belong to it: `/clients`, `+49`, `@ann`.
  const lead = edge(value, 1)
  const trail = edge(value, -1)
  if (lead > 0 && source.subarray(first - lead, first).equals(value.subarray(0, lead)))
    first -= lead
  if (trail > 0 && source.subarray(last, last + trail).equals(value.subarray(-trail))) last += trail
  if (isWordLike(value[0]) && !opens(source, first, value)) return undefined
  if (isWordLike(value.at(-1)) && !closes(source, last, value)) return undefined
  if (text.encoded) return 'encoded'
  const span = source.subarray(first, last)
  if (span.equals(value)) return 'literal'
  const spoken = span.toString('latin1')
  const meant = value.toString('latin1')
  if (spoken.toLowerCase() === meant.toLowerCase()) return 'case'
  const [bare, wanted] = [spoken, meant].map((one) => one.replace(/\s+/g, '').toLowerCase())
  return bare === wanted ? 'spacing' : 'split'
}

/** How many bytes fall away at one end of a value. */
function edge(value: Buffer, step: 1 | -1): number {
  let count = 0
  let at = step === 1 ? 0 : value.length - 1
  while (at >= 0 && at < value.length && FOLD[value[at] as number] === 0) {
    count++
    at += step
  }
  return count
}

/** The place in the source of a folded byte: from the mark before it. */
function sourceAt<T>(text: Text<T>, at: number): number {
  const offset = at - text.start
  let place = text.marks[offset >> MARK] ?? 0
  let left = offset & ((1 << MARK) - 1)
  while (left > 0) if (FOLD[text.source[++place] as number] !== 0) left--
  return place
}

function isWordLike(byte: number | undefined): boolean {
  return byte !== undefined && (FOLD[byte] !== 0 || byte === 95)
}

/** Signs that go on with a name, an address or a number: `doe@x.com` does not stand in `john.doe@x.com`. */
const JOINS = new Set(Buffer.from('.@-+%_'))
const SLASH = 47

function joins(byte: number | undefined, value: Buffer): boolean {
  if (byte === undefined) return false
  // A host or an address ends where its own signs end; a bare word may be one step of a path.
  return JOINS.has(byte) || (byte === SLASH && value.includes(46))
}

function opens(source: Buffer, first: number, value: Buffer): boolean {
  const before = source[first - 1]
  if (isWordLike(before)) return false
  return before === SLASH || !(joins(before, value) && isWordLike(source[first - 2]))
}

function closes(source: Buffer, last: number, value: Buffer): boolean {
  const after = source[last]
  if (isWordLike(after)) return false
  return after === SLASH || !(joins(after, value) && isWordLike(source[last + 1]))
}

/** Digits, and what stands between them. */
function isPart(byte: number | undefined): boolean {
  return byte !== undefined && /[\d.,' ]/.test(String.fromCharCode(byte))
}

function readNumberAt(
  source: Buffer,
  first: number,
  last: number,
  number: number,
): Manner | undefined {
  let [from, to] = [first, last]
  while (last - from < 40 && isPart(source[from - 1])) from--
  while (to - first < 40 && isPart(source[to])) to++
  const around = source.toString('latin1', from, to)
  // Spaces separate numbers more often than thousands: both readings are tried.
  for (const pattern of [/\d+(?:[,.']\d+)*/g, /\d{1,3}(?: \d{3})+(?:[,.]\d+)?/g]) {
    for (const { 0: token, index } of around.matchAll(pattern)) {
      const [begins, ends] = [from + index, from + index + token.length]
      if (begins > first || ends < last) continue
      if (isWordLike(source[begins - 1]) || isWordLike(source[ends])) continue
      if (readNumber(token) === Math.abs(number))
        return token === String(number) ? 'literal' : 'number'
    }
  }
  return undefined
}
