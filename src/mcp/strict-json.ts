/**
 * JSON that every parser reads alike: RFC 8259 by the narrower rules of RFC 7493 (I-JSON), and a little more.
 *
 * Call `parseStrictJson` on the bytes as received. What another parser could read differently is
 * refused, never repaired: duplicate members, members that differ by case only (Go and others match
 * them as one), NUL in a name (C strings end there), lone surrogates, integers beyond 2^53. A decision
 * on one reading and a server that acts on another is how such texts are used (CVE-2026-27896).
 *
 * One pass by hand: measured, it costs what `JSON.parse`, `JSON.stringify` to find duplicates, and a
 * walk cost together, accepts every layout at that speed, and knows where each refusal stands.
 */

import type { Json } from '../base/canonical-json.ts'
import { ok, refuse, type Result } from '../base/result.ts'

/** Why a text was refused, and where: a UTF-16 offset, 0 when it was refused before it was decoded. */
export interface JsonRefusal {
  readonly reason:
    | 'json_too_large'
    | 'json_encoding'
    | 'json_byte_order_mark'
    | 'json_syntax'
    | 'json_trailing_data'
    | 'json_too_deep'
    | 'json_duplicate_key'
    | 'json_colliding_key'
    | 'json_unsafe_key'
    | 'json_lone_surrogate'
    | 'json_unsafe_number'
  readonly at: number
  readonly message: string
}

/** Bounds on a text. */
export interface JsonLimits {
  /** Largest text in bytes. Default 1 MiB. */
  readonly maxBytes?: number
  /** Deepest nesting of objects and lists. Default 64. */
  readonly maxDepth?: number
}

const MAX_BYTES = 1_048_576
const MAX_DEPTH = 64
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The value in `bytes`. Its objects are plain, their members all own and none named `__proto__`. */
export function parseStrictJson(
  bytes: Uint8Array,
  limits: JsonLimits = {},
): Result<Json, JsonRefusal> {
  const maxBytes = limits.maxBytes ?? MAX_BYTES
  if (bytes.length > maxBytes) {
    return refused('json_too_large', 0, `expected at most ${maxBytes} bytes`)
  }
  // RFC 8259 §8.1: no byte order mark is sent; ignoring one is what makes two readings.
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) {
    return refused('json_byte_order_mark', 0, 'expected no byte order mark')
  }
  let text: string
  try {
    text = UTF8.decode(bytes)
  } catch {
    // RFC 8259 §8.1: MUST be UTF-8.
    return refused('json_encoding', 0, 'expected well-formed UTF-8')
  }
  try {
    return ok(new Scan(text, limits.maxDepth ?? MAX_DEPTH).whole())
  } catch (stop) {
    if (stop instanceof Stop) return refuse(stop.refusal)
    throw stop
  }
}

function refused(reason: JsonRefusal['reason'], at: number, message: string) {
  return refuse<JsonRefusal>({ reason, at, message })
}

/** Leaves the recursion of a scan; never leaves this file. */
class Stop extends Error {
  readonly refusal: JsonRefusal
  constructor(refusal: JsonRefusal) {
    super(refusal.reason)
    this.refusal = refusal
  }
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COLON = 0x3a
const COMMA = 0x2c
const MINUS = 0x2d
const DOT = 0x2e
const ZERO = 0x30
const NINE = 0x39
const OPEN_LIST = 0x5b
const CLOSE_LIST = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d

/** How many members are compared one by one before a set is made of them. */
const FEW = 8

class Scan {
  readonly #text: string
  readonly #maxDepth: number
  #at = 0
  #depth = 0
  /** Whether the string read last holds only characters that fold to themselves. */
  #plain = true

  constructor(text: string, maxDepth: number) {
    this.#text = text
    this.#maxDepth = maxDepth
  }

  whole(): Json {
    const value = this.#value(this.#next())
    if (!Number.isNaN(this.#next())) this.#stop('json_trailing_data', 'expected the end')
    return value
  }

  /** The code of the next character that is not white space (RFC 8259 §2), NaN at the end. */
  #next(): number {
    let code = this.#text.charCodeAt(this.#at)
    while (code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09) {
      code = this.#text.charCodeAt(++this.#at)
    }
    return code
  }

  #value(code: number): Json {
    switch (code) {
      case QUOTE:
        return this.#string()
      case OPEN_OBJECT:
        return this.#object()
      case OPEN_LIST:
        return this.#list()
      case 0x74:
        return this.#word('true', true)
      case 0x66:
        return this.#word('false', false)
      case 0x6e:
        return this.#word('null', null)
      default:
        return this.#number(code)
    }
  }

  #word<T extends Json>(word: string, value: T): T {
    if (!this.#text.startsWith(word, this.#at)) this.#stop('json_syntax', `expected \`${word}\``)
    this.#at += word.length
    return value
  }

  #object(): Json {
    this.#enter()
    const value: Record<string, Json> = {}
    const names: string[] = []
    let many: Set<string> | undefined
    let code = this.#next()
    if (code === CLOSE_OBJECT) return this.#leave(value)
    for (;;) {
      if (code !== QUOTE) this.#stop('json_syntax', 'expected a member name')
      const start = this.#at
      const name = this.#string()
      const folded = this.#plain ? name : fold(name)
      if (many === undefined ? names.includes(folded) : many.has(folded)) {
        const same = Object.hasOwn(value, name)
        this.#stop(
          same ? 'json_duplicate_key' : 'json_colliding_key',
          same ? 'expected each member once' : 'expected names that differ by more than case',
          start,
        )
      }
      if (many !== undefined) many.add(folded)
      else if (names.push(folded) > FEW) many = new Set(names)
      // `__proto__` sets a prototype in careless code; NUL ends a name in C.
      if (name === '__proto__' || (!this.#plain && name.includes('\0'))) {
        this.#stop('json_unsafe_key', 'expected a name without NUL other than `__proto__`', start)
      }
      if (this.#next() !== COLON) this.#stop('json_syntax', 'expected `:`')
      this.#at++
      value[name] = this.#value(this.#next())
      code = this.#next()
      if (code === CLOSE_OBJECT) return this.#leave(value)
      if (code !== COMMA) this.#stop('json_syntax', 'expected `,` or `}`')
      this.#at++
      code = this.#next()
    }
  }

  #list(): Json {
    this.#enter()
    const values: Json[] = []
    let code = this.#next()
    if (code === CLOSE_LIST) return this.#leave(values)
    for (;;) {
      values.push(this.#value(code))
      code = this.#next()
      if (code === CLOSE_LIST) return this.#leave(values)
      if (code !== COMMA) this.#stop('json_syntax', 'expected `,` or `]`')
      this.#at++
      code = this.#next()
    }
  }

  #enter(): void {
    if (++this.#depth > this.#maxDepth) {
      this.#stop('json_too_deep', `expected at most ${this.#maxDepth} levels`)
    }
    this.#at++
  }

  #leave<T>(value: T): T {
    this.#depth--
    this.#at++
    return value
  }

  #string(): string {
    const text = this.#text
    const start = ++this.#at
    const end = text.indexOf('"', start)
    if (end === -1) this.#stop('json_syntax', 'expected a closed string', text.length)
    let plain = true
    for (let at = start; at < end; at++) {
      const code = text.charCodeAt(at)
      if (code === BACKSLASH) return this.#escaped(start, at)
      // RFC 8259 §7: control characters MUST be escaped.
      if (code < 0x20) this.#stop('json_syntax', 'expected no bare control character', at)
      if (code > 0x7e || (code >= 0x41 && code <= 0x5a)) plain = false
    }
    this.#at = end + 1
    this.#plain = plain
    return text.slice(start, end)
  }

  /** A string with escapes: its end is found here, its escapes are read by `JSON.parse`. */
  #escaped(start: number, firstEscape: number): string {
    const text = this.#text
    let at = firstEscape
    let end = text.indexOf('"', at)
    while (at !== -1 && at < end) {
      // The escaped character is passed over; a quote there closes nothing.
      if (at + 1 === end) end = text.indexOf('"', end + 1)
      at = text.indexOf('\\', at + 2)
    }
    if (end === -1) this.#stop('json_syntax', 'expected a closed string', text.length)
    let value: string
    try {
      value = JSON.parse(text.slice(start - 1, end + 1))
    } catch {
      this.#stop('json_syntax', 'expected escapes and characters of RFC 8259 §7', firstEscape)
    }
    // RFC 8259 §8.2: a lone surrogate has no predictable meaning.
    if (!value.isWellFormed()) {
      this.#stop('json_lone_surrogate', 'expected paired surrogates', firstEscape)
    }
    this.#at = end + 1
    this.#plain = false
    return value
  }

  #number(first: number): number {
    const text = this.#text
    const start = this.#at
    let at = start
    let code = first
    if (code === MINUS) code = text.charCodeAt(++at)
    if (code === ZERO) at++
    else at = this.#digits(at)
    if (text.charCodeAt(at) === DOT) at = this.#digits(at + 1)
    code = text.charCodeAt(at)
    if (code === 0x65 || code === 0x45) {
      code = text.charCodeAt(++at)
      if (code === MINUS || code === 0x2b) at++
      at = this.#digits(at)
    }
    this.#at = at
    const value = Number(text.slice(start, at))
    // RFC 7493 §2.2: beyond 2^53 integers are not read alike; no double beyond it has a fraction.
    if (!(Math.abs(value) <= Number.MAX_SAFE_INTEGER)) {
      this.#stop('json_unsafe_number', 'expected a number within 2^53', start)
    }
    return value
  }

  #digits(from: number): number {
    let at = from
    let code = this.#text.charCodeAt(at)
    while (code >= ZERO && code <= NINE) code = this.#text.charCodeAt(++at)
    if (at === from) this.#stop('json_syntax', 'expected a value', at)
    return at
  }

  #stop(reason: JsonRefusal['reason'], message: string, at = this.#at): never {
    throw new Stop({ reason, at: Math.min(at, this.#text.length), message })
  }
}

const ASCII = /^[\0-\x7f]*$/

/** Equal for names that some parser takes for one another (Go folds `ſ` to `s` and U+212A to `k`). */
function fold(name: string): string {
  return ASCII.test(name) ? name.toLowerCase() : name.normalize('NFKC').toUpperCase().toLowerCase()
}
