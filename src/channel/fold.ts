/**
 * Folding: what stays of a text when disguises are taken off.
 *
 * Call `skeletonOf` for the letters and digits of a text in lower case (case, spacing and punctuation
 * fall away), `decodings` for what it says when read as percent-encoding, character references, escapes
 * of JSON, base64 or hex, and `numberSkeletons` for the ways to write a number. Each is bounded in time by its input.
 */

/** For each byte: what it folds to, or 0 for what falls away. Bytes of other scripts stand for themselves. */
export const FOLD: Uint8Array = Uint8Array.from({ length: 256 }, (_, byte) => {
  const letter = String.fromCharCode(byte)
  if (/[a-z0-9]/.test(letter)) return byte
  if (/[A-Z]/.test(letter)) return byte + 32
  return byte >= 0x80 ? byte : 0
})

/** A text as bytes that can be folded: `source` and `lowered` have the same letter at the same place. */
export interface Foldable {
  /** UTF-8, in plain signs, with its capitals. */
  readonly source: Buffer
  /** The same in lower case; the same bytes where the text is ASCII, whose capitals `FOLD` lowers. */
  readonly lowered: Buffer
  /** The text itself, where plain signs are not what it says. */
  readonly raw?: string
}

/** The bytes of a text, ready to be folded. */
export function foldable(text: string): Foldable {
  const bytes = Buffer.from(text)
  if (bytes.length === text.length) return { source: bytes, lowered: bytes }
  const plain = plainOf(text)
  const source = Buffer.from(plain)
  return { source, lowered: Buffer.from(plain.toLowerCase()), raw: text }
}

/**
 * A text in plain signs: compatibility forms are their letters, quotes and hyphens those of ASCII, what
 * nobody sees is gone, and currencies, bullets, dashes and other signs part words as spaces do.
 */
export function plainOf(text: string): string {
  return text
    .normalize('NFKC')
    .replace(SIGNS, (sign) => PLAIN.get(sign) ?? plainSign(sign))
    .replace(RESIZED, (letter) => letter.toLowerCase())
}

/** Signs that are no letters, figures or marks of any script, as far as writing in general uses them. */
const SIGNS =
  /[\u0080-\u00a9\u00ab-\u00b1\u00b4\u00b6\u00b8\u00bb\u00bf\u00d7\u00f7\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u206f\u20a0-\u20cf\u2190-\u23ff\u2500-\u27bf\u2900-\u2bff\u3001-\u3003\u3008-\u3011\u3014-\u301f\u3164\ufeff\uffa0\u2212]|\u034f|[\ufe00-\ufe0f]|\udb40[\udc00-\udfff]|[\ud83c-\ud83e][\udc00-\udfff]/g
const PLAIN = new Map<string, string>([
  ...Array.from('\u2018\u2019\u201b', (quote) => [quote, "'"] as const),
  ...Array.from('\u201c\u201d\u201f', (quote) => [quote, '"'] as const),
  // A long dash parts words; what may stand in a name or between figures is a hyphen.
  ...Array.from('\u2010\u2011\u2012\u2013\u2212', (hyphen) => [hyphen, '-'] as const),
  // IDNA reads it as the dot of a host.
  ['\u3002', '.'],
])

/** What another sign is, to be looked up from now on: there are some thousands. */
function plainSign(sign: string): string {
  const plain = /^\p{Default_Ignorable_Code_Point}$/u.test(sign) ? '' : ' '
  PLAIN.set(sign, plain)
  return plain
}

/**
 * The capitals whose small letters take more or fewer bytes of UTF-8: they are small in `source` too.
 * `text-index.test.ts` tries every character.
 */
const RESIZED =
  /[\u0130\u023a\u023e\u1e9e\u2c62\u2c64\u2c6d-\u2c70\u2c7e\u2c7f\ua78d\ua7aa-\ua7ae\ua7b0-\ua7b2\ua7c5\ua7cb\ua7dc]/g

/** The skeleton of `text`. */
export function skeletonOf(text: string): Buffer {
  return foldedBytes(foldable(text).lowered)
}

/** What stays of bytes that can be folded. */
export function foldedBytes(lowered: Buffer): Buffer {
  const skeleton = Buffer.allocUnsafe(lowered.length)
  let length = 0
  for (const byte of lowered) {
    const folded = FOLD[byte] ?? 0
    if (folded !== 0) skeleton[length++] = folded
  }
  return skeleton.subarray(0, length)
}

/** How a text can be written so that nobody reads it. */
export type Encoding = 'percent' | 'reference' | 'escape' | 'base64' | 'hex'

/** What a text says when decoded. */
export interface Decoding {
  readonly encoding: Encoding
  readonly text: string
}

/** Runs shorter than this are words: they hold no address, account or link. */
const MIN_RUN = 16
const RUN = /[A-Za-z0-9+/_-]{16,}={0,2}/g
/** Decoding within decoding stops here. */
const MAX_DEPTH = 3
const MAX_RUNS = 1_000

/** What `text` says when its encoded parts are decoded, in each encoding that it holds, nested ones too. */
export function decodings(text: string, depth = 0): readonly Decoding[] {
  if (depth >= MAX_DEPTH) return []
  const found = [...wholeTexts(text), ...runs(text)]
  return found.flatMap((one) => [one, ...decodings(one.text, depth + 1)])
}

function wholeTexts(text: string): Decoding[] {
  const found: Decoding[] = []
  if (/%[0-9a-fA-F]{2}/.test(text)) {
    const decoded = text.replace(/(?:%[0-9a-fA-F]{2})+/g, (run) =>
      Buffer.from(run.replaceAll('%', ''), 'hex').toString('utf8'),
    )
    found.push({ encoding: 'percent', text: decoded })
  }
  if (/&(?:#\d{1,7}|#x[0-9a-f]{1,6}|[a-z]{2,6});/i.test(text)) {
    const decoded = text.replace(/&(#\d{1,7}|#x[0-9a-f]{1,6}|[a-z]{2,6});/gi, character)
    if (decoded !== text) found.push({ encoding: 'reference', text: decoded })
  }
  if (/\\(?:u[0-9a-f]{4}|["\\/bfnrt])/i.test(text)) {
    const decoded = text.replace(/\\(?:u([0-9a-f]{4})|(["\\/bfnrt]))/gi, unescaped)
    found.push({ encoding: 'escape', text: decoded.toWellFormed() })
  }
  return found
}

/** RFC 8259 §7. */
function unescaped(_: string, code: string | undefined, sign: string | undefined): string {
  if (code !== undefined) return String.fromCharCode(Number.parseInt(code, 16))
  return /["\\/]/.test(sign ?? '') ? (sign ?? '') : ' '
}

const NAMED: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  nbsp: ' ',
  commat: '@',
  period: '.',
  colon: ':',
  sol: '/',
  plus: '+',
  lowbar: '_',
}

function character(whole: string, name: string): string {
  if (!name.startsWith('#')) return NAMED[name.toLowerCase()] ?? whole
  const hex = /^#x/i.test(name)
  const point = Number.parseInt(name.slice(hex ? 2 : 1), hex ? 16 : 10)
  return point > 0 && point <= 0x10ffff ? String.fromCodePoint(point) : whole
}

function runs(text: string): Decoding[] {
  const found: Decoding[] = []
  let looked = 0
  for (const [run] of text.matchAll(RUN)) {
    if (++looked > MAX_RUNS) break
    found.push(...decodedRun(run))
  }
  return found
}

/** Of each byte: 1 if encoded runs hold it, 3 if no plain word does. */
const OF_RUN = Uint8Array.from({ length: 256 }, (_, byte) => {
  const sign = String.fromCharCode(byte)
  return (/[A-Za-z0-9+/=_-]/.test(sign) ? 1 : 0) | (/[A-Z0-9+/=]/.test(sign) ? 2 : 0)
})

/**
 * The runs in which something may be encoded, from and to: long enough, and no plain words. HOT: a run goes
 * over two whole words of four bytes that begin at a multiple of eight and over one beside them, and few
 * such words hold no space.
 */
export function runsIn(source: Uint8Array): [number, number][] {
  const view = new DataView(source.buffer, source.byteOffset, source.length)
  const found: [number, number][] = []
  const last = source.length - 8
  for (let at = 0; at <= last; at += 8) {
    if ((spaces(view.getInt32(at, true)) | spaces(view.getInt32(at + 4, true))) !== 0) continue
    const before = at < 4 || spaces(view.getInt32(at - 4, true)) !== 0
    const after = at + 4 > last || spaces(view.getInt32(at + 8, true)) !== 0
    if (before && after) continue
    const [from, to] = around(source, at)
    if (to - from >= MIN_RUN && isOdd(source.subarray(from, to))) found.push([from, to])
    // Past the words that hold what ends it. Where that is no space, the next may begin a run.
    at = Math.max(at, to & ~7)
  }
  return found
}

/** Not 0 if among four bytes is a space or another sign before `+`, of which no run has any. */
function spaces(bytes: number): number {
  return (bytes - 0x2b2b2b2b) & ~bytes & 0x80808080
}

/** The run that goes over a place, or none. */
function around(source: Uint8Array, at: number): [number, number] {
  let [from, to] = [at, at]
  while (to < source.length && OF_RUN[source[to] as number] !== 0) to++
  while (from > 0 && OF_RUN[source[from - 1] as number] !== 0) from--
  return [from, to]
}

function isOdd(run: Uint8Array): boolean {
  return run.some((byte) => ((OF_RUN[byte] as number) & 2) !== 0)
}

/** What a run of letters and digits says as hex or base64, if that is a text. */
export function decodedRun(run: string): Decoding[] {
  const found: Decoding[] = []
  if (/^(?:[0-9a-f]{2})+$/i.test(run)) push(found, 'hex', Buffer.from(run, 'hex'))
  // Text in base64 has capitals and small letters; words and codes mostly have one of them.
  if (/[A-Z]/.test(run) && /[a-z]/.test(run)) {
    push(found, 'base64', Buffer.from(run.replaceAll('-', '+').replaceAll('_', '/'), 'base64'))
  }
  return found
}

function push(found: Decoding[], encoding: Encoding, bytes: Buffer): void {
  const text = bytes.toString('utf8')
  // What decodes to no text was not encoded text.
  if (bytes.length >= 4 && !/[\p{Cn}\p{Cc}\ufffd]/u.test(text.replace(/[\n\r\t]/g, ''))) {
    found.push({ encoding, text })
  }
}

/** A plain number: as JSON has it, or as text without separators. */
export const PLAIN_NUMBER: RegExp = /^-?(?:0|[1-9]\d{0,14})(?:\.\d{1,6})?$/

/** The digits of the usual ways to write a number: without decimals, with one, with two. */
export function numberSkeletons(plain: string): readonly string[] {
  const value = Math.abs(Number(plain))
  const written = [String(value), value.toFixed(1), value.toFixed(2), plain]
  const exact = written.filter((one) => Math.abs(Number(one)) === value)
  return [...new Set(exact.map((one) => one.replace(/\D/g, '')))]
}

/** The number that stands in `text`, with decimals after a point or a comma and digits in groups. */
export function readNumber(text: string): number | undefined {
  if (/^\d{1,3}(?:([,. '\u00a0])\d{3})(?:\1\d{3})*(?:[.,]\d{1,6})?$/.test(text)) {
    const decimals = /[.,](\d{1,6})$/.exec(text)?.[1]
    const grouped = text.replace(/\D/g, '')
    // `1,000` is a thousand; `1.000,5` and `1,000.5` have decimals after their last, different sign.
    const signs = Array.from(text.replace(/\d/g, ''))
    const last = signs.at(-1)
    const isDecimal =
      decimals !== undefined && (signs.length > 1 ? last !== signs[0] : decimals.length !== 3)
    return isDecimal ? Number(grouped) / 10 ** decimals.length : Number(grouped)
  }
  return /^\d{1,15}(?:[.,]\d{1,6})?$/.test(text) ? Number(text.replace(',', '.')) : undefined
}
