/**
 * Sealing: what a secret looks like at rest. AES-256-GCM (NIST SP 800-38D) under the master key.
 *
 * Call `seal` before a secret goes into a table, `unseal` when it is used. `about` says whose secret it
 * is (`signing_key:issuer:<kid>`); it is authenticated, so a sealed value that is moved to another row
 * does not open.
 */

import { createCipheriv, createDecipheriv } from 'node:crypto'
import type { Random } from '../base/random.ts'

/** The key under which everything is sealed: 32 bytes. */
export type MasterKey = Uint8Array

const VERSION = 1
const NONCE_BYTES = 12
const TAG_BYTES = 16

/** `plaintext` sealed for `about`: version, nonce, ciphertext, tag. */
export function seal(
  masterKey: MasterKey,
  plaintext: Uint8Array,
  about: string,
  env: { readonly random: Random },
): Buffer {
  // NIST SP 800-38D §8.2.2: a random 96-bit nonce, good for 2^32 sealings under one key.
  const nonce = env.random.bytes(NONCE_BYTES)
  const cipher = createCipheriv('aes-256-gcm', masterKey, nonce)
  cipher.setAAD(Buffer.from(about))
  const sealed = Buffer.concat([cipher.update(plaintext), cipher.final()])
  return Buffer.concat([Buffer.of(VERSION), nonce, sealed, cipher.getAuthTag()])
}

/** What was sealed for `about`. Throws if the master key, the bytes or `about` are others than then. */
export function unseal(masterKey: MasterKey, sealed: Uint8Array, about: string): Buffer {
  const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength)
  if (bytes.length < 1 + NONCE_BYTES + TAG_BYTES || bytes[0] !== VERSION) {
    throw new Error(`expected a sealed value of version ${VERSION} for \`${about}\``)
  }
  const nonce = bytes.subarray(1, 1 + NONCE_BYTES)
  const decipher = createDecipheriv('aes-256-gcm', masterKey, nonce, { authTagLength: TAG_BYTES })
  decipher.setAAD(Buffer.from(about))
  decipher.setAuthTag(bytes.subarray(-TAG_BYTES))
  try {
    return Buffer.concat([
      decipher.update(bytes.subarray(1 + NONCE_BYTES, -TAG_BYTES)),
      decipher.final(),
    ])
  } catch (cause) {
    throw new Error(`sealed value of \`${about}\` does not open under this master key`, { cause })
  }
}
