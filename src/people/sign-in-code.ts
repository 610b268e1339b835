/**
 * The text of a one-time code: a public half that finds it and a secret half that proves it, in
 * Crockford base32, so that it survives being read aloud and typed.
 */

import { sha256 } from '../base/bytes.ts'
import type { Random } from '../base/random.ts'

/** The two halves of a code; of the secret one only the hash. */
export interface SignInCode {
  readonly selector: string
  readonly secretHash: Buffer
}

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'
const SELECTOR_LENGTH = 8
/** 160 bits. */
const SECRET_LENGTH = 32
const SHAPE = new RegExp(`^[${ALPHABET}]{${SELECTOR_LENGTH + SECRET_LENGTH}}$`)
const LONGEST_INPUT = 200

/** A new code, as text to be told once and as halves to be kept. */
export function newSignInCode(random: Random): SignInCode & { readonly code: string } {
  const bytes = random.bytes(SELECTOR_LENGTH + SECRET_LENGTH)
  const text = Array.from(bytes, (byte) => ALPHABET[byte & 31]).join('')
  const code = text.match(/.{5}/g)?.join('-') ?? text
  return { code, ...halves(text) }
}

/**
 * The halves of a code as somebody typed it: case, hyphens and blanks do not matter, nor do the
 * letters that look like digits. Undefined if it cannot be one.
 */
export function parseSignInCode(typed: string): SignInCode | undefined {
  if (typed.length > LONGEST_INPUT) return undefined
  const text = typed.toLowerCase().replace(/[-\s]/g, '').replaceAll('o', '0').replace(/[il]/g, '1')
  return SHAPE.test(text) ? halves(text) : undefined
}

function halves(text: string): SignInCode {
  return {
    selector: text.slice(0, SELECTOR_LENGTH),
    secretHash: sha256(text.slice(SELECTOR_LENGTH)),
  }
}
