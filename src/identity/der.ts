/**
 * DER (ITU-T X.690 §10), as much as certificates need: write with `element`, read with `parseDer` and
 * `childrenOf`. The reader takes the one encoding that DER allows and nothing else, so what two
 * readers make of the same bytes cannot differ.
 */

/** Identifier octets that certificates use. */
export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utf8String: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const

/** The boolean, which DER writes in one way. */
export const TRUE = Buffer.from('0101ff', 'hex')

/** An element that was read. */
export interface Element {
  readonly tag: number
  readonly content: Buffer
  /** Tag, length and content. */
  readonly encoded: Buffer
}

/** Certificates are far smaller; three length octets always suffice. */
const MAX_LENGTH = 0xffff

/** The encoding of one element whose content is `parts`. */
export function element(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  let length = 0
  for (const part of parts) length += part.length
  return Buffer.concat([header(tag, length), ...parts])
}

/** A context-specific tag (X.690 §8.1.2): `[number]`, constructed or primitive. */
export function contextTag(number: number, form: 'constructed' | 'primitive'): number {
  return (form === 'constructed' ? 0xa0 : 0x80) | number
}

/** A bit string without unused bits. */
export function bitString(bytes: Uint8Array): Buffer {
  return element(TAG.bitString, Buffer.of(0), bytes)
}

/** The one element that `bytes` consist of. */
export function parseDer(bytes: Uint8Array): Element | undefined {
  const elements = readAll(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
  return elements?.length === 1 ? elements[0] : undefined
}

/** The elements inside of a constructed element. */
export function childrenOf(parent: Element): readonly Element[] | undefined {
  return (parent.tag & 0x20) === 0 ? undefined : readAll(parent.content)
}

function header(tag: number, length: number): Buffer {
  if (length < 0x80) return Buffer.of(tag, length)
  if (length <= 0xff) return Buffer.of(tag, 0x81, length)
  if (length <= MAX_LENGTH) return Buffer.of(tag, 0x82, length >> 8, length & 0xff)
  throw new RangeError(`expected at most ${MAX_LENGTH} bytes of content, got ${length}`)
}

function readAll(bytes: Buffer): Element[] | undefined {
  const elements: Element[] = []
  for (let at = 0; at < bytes.length;) {
    const next = readAt(bytes, at)
    if (next === undefined) return undefined
    elements.push(next)
    at += next.encoded.length
  }
  return elements
}

function readAt(bytes: Buffer, at: number): Element | undefined {
  const tag = bytes[at]
  // X.690 §8.1.2.4: tag numbers from 31 take more octets; certificates have none.
  if (tag === undefined || (tag & 0x1f) === 0x1f) return undefined
  const length = lengthAt(bytes, at + 1)
  if (length === undefined) return undefined
  const start = at + 1 + length.octets
  const end = start + length.value
  if (end > bytes.length) return undefined
  return { tag, content: bytes.subarray(start, end), encoded: bytes.subarray(at, end) }
}

/** X.690 §10.1: definite form, in the fewest octets. */
function lengthAt(bytes: Buffer, at: number): { octets: number; value: number } | undefined {
  const [first, second, third] = [bytes[at], bytes[at + 1], bytes[at + 2]]
  if (first === undefined) return undefined
  if (first < 0x80) return { octets: 1, value: first }
  if (first === 0x81 && second !== undefined && second >= 0x80) return { octets: 2, value: second }
  if (first === 0x82 && second !== undefined && third !== undefined && second > 0) {
    return { octets: 3, value: (second << 8) | third }
  }
  return undefined
}
