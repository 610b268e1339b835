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

/** The bytes that are folded: UTF-8, in compatibility normal form where the text is not ASCII. */
export function foldable(text: string): Buffer {
  const bytes = Buffer.from(text)
  // A full-width or ligature letter is the letter; lower case of other scripts is not a matter of bytes.
  return bytes.length === text.length ? bytes : Buffer.from(text.normalize('NFKC').toLowerCase())
}

/** The skeleton of `text`. */
export function skeletonOf(text: string): Buffer {
  const bytes = foldable(text)
  const skeleton = Buffer.allocUnsafe(bytes.length)
  let length = 0
  for (const byte of bytes) {
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
 * The runs in which something may be encoded, from and to: long enough, and no plain words. HOT: one byte in
 * `MIN_RUN` tells that no run goes over it; only where it may is looked back, to the byte that ends it.
 */
export function runsIn(source: Uint8Array): [number, number][] {
  const found: [number, number][] = []
  let from = 0
  while (from + MIN_RUN <= source.length) {
    let at = from + MIN_RUN - 1
    while (at >= from && OF_RUN[source[at] as number] !== 0) at--
    if (at >= from) {
      from = at + 1
      continue
    }
    let to = from + MIN_RUN
    while (to < source.length && OF_RUN[source[to] as number] !== 0) to++
    let isOdd = false
    for (at = from; at < to && !isOdd; at++)
      isOdd = ((OF_RUN[source[at] as number] as number) & 2) !== 0
    if (isOdd) found.push([from, to])
    from = to + 1
  }
  return found
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
