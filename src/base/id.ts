/** Identifiers of our own records: a type prefix and a time-ordered UUIDv7 in Crockford base32. */

import * as z from 'zod'
import type { Clock } from './clock.ts'
import type { Random } from './random.ts'

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'

/** An identifier such as `dlg_01kx…`: the prefix names the kind of record. */
export type Id<P extends string> = `${P}_${string}`

/** A new identifier; identifiers made later sort after those made earlier (RFC 9562 §5.7). */
export function newId<const P extends string>(
  prefix: P,
  env: { readonly clock: Clock; readonly random: Random },
): Id<P> {
  const bytes = Buffer.concat([Buffer.alloc(6), env.random.bytes(10)])
  bytes.writeUIntBE(env.clock.nowMilliseconds(), 0, 6)
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x70
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
  return `${prefix}_${base32(bytes)}`
}

/** 128 bits as 26 digits of five, two zero bits in front. */
function base32(bytes: Buffer): string {
  let text = ''
  let held = 0
  let bits = 2
  for (const byte of bytes) {
    held = (held << 8) | byte
    for (bits += 8; bits >= 5;) {
      bits -= 5
      text += ALPHABET[(held >>> bits) & 31] ?? ''
    }
    held &= (1 << bits) - 1
  }
  return text
}

/** A zod schema that accepts exactly the identifiers of one kind. */
export function idSchema<const P extends string>(prefix: P): z.ZodType<Id<P>> {
  const shape = new RegExp(`^${prefix}_[0-7][${ALPHABET}]{25}$`)
  return z.custom<Id<P>>(
    (value) => typeof value === 'string' && shape.test(value),
    `expected an identifier that starts with \`${prefix}_\``,
  )
}
