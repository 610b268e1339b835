/**
 * Principals as vectors: the sign bits of an HMAC under a key of the conversation.
 *
 * Nobody outside of the control plane can choose or predict a vector, and the same person has unrelated
 * ones in two conversations. Two principals whose vectors happen to lie close would look alike to a model:
 * `closePair` finds them, and the conversation gets another key.
 */

import { createHmac } from 'node:crypto'
import { PRINCIPAL_DIMENSIONS } from '../principal-model.ts'
import type { Principal } from './envelopes.ts'

/** The length of a conversation's key. */
export const KEY_BYTES = 32

/** Two vectors with a cosine of this or more are too close; by chance 4 in 100,000 pairs are. */
const CLOSE = 0.5

/** `HMAC-SHA256(key, iss ‖ 0x00 ‖ sub)`: the first 64 bits, low bit of each byte first, as ±1/8. */
export function principalVector(key: Uint8Array, { iss, sub }: Principal): Float32Array {
  // An issuer that held the separator could pass a part of itself off as a subject.
  if (iss.includes('\0')) throw new TypeError('expected an issuer without NUL')
  const mac = createHmac('sha256', key).update(`${iss}\0${sub}`).digest()
  return Float32Array.from(
    { length: PRINCIPAL_DIMENSIONS },
    (_, i) => (((mac[i >> 3] ?? 0) >> (i & 7)) & 1 ? 1 : -1) / 8,
  )
}

/** The sign bits of each of `vectors`, as sixteen hexadecimal digits: the low bit of each byte first. */
export function signsOf(vectors: Float32Array): string[] {
  return Array.from({ length: vectors.length / PRINCIPAL_DIMENSIONS }, (_, at) => {
    const row = vectors.subarray(at * PRINCIPAL_DIMENSIONS, (at + 1) * PRINCIPAL_DIMENSIONS)
    const bytes = Buffer.alloc(PRINCIPAL_DIMENSIONS / 8)
    for (const [i, value] of row.entries()) {
      if (value > 0) bytes[i >> 3] = (bytes[i >> 3] ?? 0) | (1 << (i & 7))
    }
    return bytes.toString('hex')
  })
}

/** Two principals whose vectors are too close under `key`, if there are. */
export function closePair(
  key: Uint8Array,
  principals: readonly Principal[],
): readonly [Principal, Principal] | undefined {
  const distinct = [
    ...new Map(principals.map((each) => [`${each.iss}\0${each.sub}`, each])).values(),
  ]
  const vectors = distinct.map((each) => principalVector(key, each))
  for (const [i, one] of vectors.entries()) {
    for (let j = 0; j < i; j++) {
      if (cosine(one, vectors[j] as Float32Array) >= CLOSE) {
        return [distinct[j] as Principal, distinct[i] as Principal]
      }
    }
  }
  return undefined
}

/** Both have length 1. */
function cosine(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, i) => sum + value * (b[i] ?? 0), 0)
}
