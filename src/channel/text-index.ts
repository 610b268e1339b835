/**
 * An index of texts that grows as they are shown: where does this value stand, however it is written?
 *
 * Call `add` for each text and `find` for a value. Texts are folded to their letters and digits, into pages
 * that know in which chunks something may stand (`folded-page.ts`). A look-up searches those few chunks, and
 * reads the original to say *how* the value stands there. Nothing is claimed that was not read.
 */

import {
  decodedRun,
  decodings,
  FOLD,
  foldable,
  foldedBytes,
  numberSkeletons,
  plainOf,
  readNumber,
  runsIn,
} from './fold.ts'
import { FoldedPage, sourceAt, type Text } from './folded-page.ts'

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

/** Texts of `T`s, and where values stand in them. */
export class TextIndex<T> {
  readonly #pages: FoldedPage<T>[] = []

  /** Adds a text, and what it says when decoded. */
  add(of: T, text: string): void {
    const { source } = this.#append(of, text, false)
    for (const run of runsIn(source)) {
      for (const { text: decoded } of decodedRun(source.toString('latin1', run[0], run[1]))) {
        this.#append(of, decoded, true)
        for (const deeper of decodings(decoded, 1)) this.#append(of, deeper.text, true)
      }
    }
    if (text.includes('%') || text.includes('&') || text.includes('\\')) {
      for (const { encoding, text: decoded } of decodings(text)) {
        if (encoding !== 'base64' && encoding !== 'hex') this.#append(of, decoded, true)
      }
    }
  }

  /** The texts that hold `value`, each once and in its plainest manner, in the order of `add`. */
  find(value: string, { numeric = false, most = 20 } = {}): Hit<T>[] {
    const sought = soughtOf(value)
    const skeletons = numeric
      ? numberSkeletons(value).map((one) => Buffer.from(one))
      : [foldedBytes(foldable(value).lowered)]
    const found = new Map<T, Manner>()
    for (const [page, skeleton] of this.#pages.flatMap((one) =>
      skeletons.map((two) => [one, two] as const),
    )) {
      if (skeleton.length === 0) continue
      page.search(skeleton, sought.first, (text, from, to) => {
        const place = { from: sourceAt(text, from), to: sourceAt(text, to - 1) + 1 }
        const manner = numeric
          ? readNumberAt(text.source, place, Number(value))
          : read(text, place, sought)
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

  #append(of: T, text: string, encoded: boolean): { readonly source: Buffer } {
    const bytes = foldable(text)
    const { length } = bytes.source
    let page = this.#pages.at(-1)
    if (page?.holds(length) !== true) {
      page = new FoldedPage<T>(length, page)
      this.#pages.push(page)
    }
    page.append(of, bytes, { encoded })
    return bytes
  }
}

/** A value that is looked for. */
interface Sought {
  /** In plain signs. */
  readonly bytes: Buffer
  /** Its first letters and digits, up to what parts them from others. */
  readonly first: Buffer
  /** The value itself, where plain signs are not what it says: it stands literally only as it is. */
  readonly raw: string | undefined
}

function soughtOf(value: string): Sought {
  const { source: bytes, lowered, raw } = foldable(value)
  const begins = lowered.findIndex((byte) => FOLD[byte] !== 0)
  const ends = lowered.findIndex((byte, at) => at > begins && FOLD[byte] === 0)
  const run =
    begins === -1
      ? lowered.subarray(0, 0)
      : lowered.subarray(begins, ends === -1 ? lowered.length : ends)
  const composed = value.normalize('NFC')
  const isPlain = raw === undefined || plainOf(value) === composed
  return { bytes, first: foldedBytes(run), raw: isPlain ? undefined : composed }
}

const ORDER: readonly Manner[] = ['literal', 'case', 'spacing', 'number', 'split', 'encoded']

/** How the value stands at a place of a text, or undefined when it does not: `104` does not in `1042`. */
function read<T>(
  text: Text<T>,
  place: { readonly from: number; readonly to: number },
  { bytes: value, raw }: Sought,
): Manner | undefined {
  const { source } = text
  let { from: first, to: last } = place
  // Signs at the ends of a value belong to it: `/clients`, `+49`, `@ann`.
  const lead = edge(value, 1)
  const trail = edge(value, -1)
  if (lead > 0 && source.subarray(first - lead, first).equals(value.subarray(0, lead)))
    first -= lead
  if (trail > 0 && source.subarray(last, last + trail).equals(value.subarray(-trail))) last += trail
  if (isWordLike(value[0]) && !opens(source, first, value)) return undefined
  if (isWordLike(value.at(-1)) && !closes(source, last, value)) return undefined
  if (text.encoded) return 'encoded'
  if (raw !== undefined && text.raw?.normalize('NFC').includes(raw) !== true) return 'encoded'
  const span = source.subarray(first, last)
  if (span.equals(value)) return 'literal'
  const [spoken, meant] = [span, value].map((one) => one.toString().toLowerCase()) as [
    string,
    string,
  ]
  if (spoken === meant) return 'case'
  const [bare, wanted] = [spoken, meant].map((one) => one.replace(/\s+/g, ''))
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
  { from: first, to: last }: { readonly from: number; readonly to: number },
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
