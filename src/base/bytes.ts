/** Bytes and digests, the few forms that everybody needs. */

import { hash, timingSafeEqual } from 'node:crypto'
import { canonicalJson, type Json } from './canonical-json.ts'

/** `sha256:` and 64 hex digits. */
export type Digest = `sha256:${string}`

/** SHA-256 as 32 bytes. */
export function sha256(data: Uint8Array | string): Buffer {
  return hash('sha256', data, 'buffer')
}

/** The digest of bytes or UTF-8 text. */
export function digestOf(data: Uint8Array | string): Digest {
  return `sha256:${hash('sha256', data, 'hex')}`
}

/** The digest of a JSON value by its canonical text (RFC 8785). */
export function digestOfJson(value: Json): Digest {
  return digestOf(canonicalJson(value))
}

/** base64url without padding (RFC 7515 §2). */
export function base64url(data: Uint8Array | string): string {
  return Buffer.from(data as Uint8Array).toString('base64url')
}

/** Compares two secrets in time that depends on their length only. */
export function equalSecrets(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}
