/**
 * Notices an upstream credential that comes back in what a server says.
 *
 * INVARIANT (no standing secrets): a result or error that holds one is withheld. Looked for in every string and
 * member name: the credential itself, percent-encoded, in hex, and in base64 at each alignment. A server that
 * wants to hide it can (reversed, split); this is against servers that leak, not against ones that conspire.
 */

import type { Json } from '../base/canonical-json.ts'

/** The texts that give `secret` away. */
export function echoNeedles(secret: string): readonly string[] {
  const bytes = Buffer.from(secret)
  return [
    ...new Set([
      secret,
      encodeURIComponent(secret),
      bytes.toString('hex'),
      ...[0, 1, 2].flatMap((offset) => aligned(bytes, offset)),
    ]),
  ].map((needle) => needle.toLowerCase())
}

/** Whether any string or member name of `value` holds one of `needles`. Case is ignored. */
export function echoes(value: Json | undefined, needles: readonly string[]): boolean {
  if (needles.length === 0 || value === undefined || value === null) return false
  const waiting: Json[] = [value]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (typeof next === 'string') {
      const text = next.toLowerCase()
      if (needles.some((needle) => text.includes(needle))) return true
    } else if (typeof next === 'object' && next !== null) {
      for (const [name, member] of Object.entries(next)) {
        waiting.push(name)
        if (member !== undefined && member !== null) waiting.push(member)
      }
    }
  }
  return false
}

/** The base64 and base64url characters that are the same whatever stands around `bytes`. */
function aligned(bytes: Buffer, offset: number): string[] {
  const encoded = Buffer.concat([Buffer.alloc(offset), bytes])
    .toString('base64')
    .replace(/=+$/, '')
  const whole = Math.floor(((offset + bytes.length) * 8) / 6)
  const inner = encoded.slice(Math.ceil((offset * 8) / 6), whole)
  // A few characters would be found everywhere.
  if (inner.length < 8) return []
  return [inner, inner.replaceAll('+', '-').replaceAll('/', '_')]
}
