/** Who signs notes on a server: Ed25519 keys of `node:crypto`. */

import { createPublicKey, sign, type KeyObject } from 'node:crypto'
import { nowSeconds, type Clock } from '../base/clock.ts'
import {
  cosignedText,
  formatVerifierKey,
  noteKeyId,
  type NoteSigner,
  type SignatureType,
} from './note.ts'

/** Signs as the log `name` (C2SP signed-note, type 0x01). */
export async function logSigner(name: string, privateKey: KeyObject): Promise<NoteSigner> {
  return {
    name,
    keyId: await noteKeyId(name, 'log', rawPublicKey(privateKey)),
    signatureOver: async (text) => sign(null, Buffer.from(text), privateKey),
  }
}

/** Cosigns as the witness `name`, at the clock's time (C2SP tlog-cosignature, type 0x04). */
export async function witnessSigner(
  name: string,
  privateKey: KeyObject,
  clock: Clock,
): Promise<NoteSigner> {
  return {
    name,
    keyId: await noteKeyId(name, 'witness', rawPublicKey(privateKey)),
    signatureOver: async (text) => {
      const time = nowSeconds(clock)
      const signature = sign(null, Buffer.from(cosignedText(text, time)), privateKey)
      const stamp = Buffer.alloc(8)
      stamp.writeBigUInt64BE(BigInt(time))
      return Buffer.concat([stamp, signature])
    },
  }
}

/** The vkey to hand out for a key, private or public. */
export function verifierKeyOf(name: string, type: SignatureType, key: KeyObject): Promise<string> {
  return formatVerifierKey(name, type, rawPublicKey(key))
}

/** The 32 bytes of an Ed25519 public key (RFC 8032 §5.1.5). */
function rawPublicKey(key: KeyObject): Uint8Array {
  if (key.asymmetricKeyType !== 'ed25519') throw new TypeError('expected an Ed25519 key')
  const { x } = (key.type === 'private' ? createPublicKey(key) : key).export({ format: 'jwk' })
  return Buffer.from(x ?? '', 'base64url')
}
