/**
 * Signed notes (C2SP signed-note): a text, and signatures by named keys.
 *
 * Call `parseVerifierKey` for each key that is trusted, then `openNote`. Two signature types are known:
 * Ed25519 over the text (0x01), which logs use, and the timestamped cosignature of a witness over a
 * checkpoint (0x04, C2SP tlog-cosignature). Signatures by other keys are ignored.
 */

import { refuse, type Result } from '../base/result.ts'
import { webSha256 } from './tree.ts'

/** A key that is trusted to sign, under a name. */
export interface NoteVerifier {
  readonly name: string
  /** The first four bytes of a hash over name, type and key. */
  readonly keyId: Uint8Array
  readonly type: SignatureType
  /** 32 bytes (RFC 8032 §5.1.5). */
  readonly publicKey: Uint8Array
}

/** Who can sign a note. `signatureOver` returns what follows the key id in the signature line. */
export interface NoteSigner {
  readonly name: string
  readonly keyId: Uint8Array
  signatureOver(text: string): Promise<Uint8Array>
}

/** `log`: plain Ed25519. `witness`: a timestamped cosignature. */
export type SignatureType = 'log' | 'witness'

/** A note of which at least one signature by a trusted key holds. */
export interface OpenedNote {
  readonly text: string
  readonly signatures: readonly NoteSignature[]
}

/** A signature that holds. */
export interface NoteSignature {
  readonly verifier: NoteVerifier
  /** The line of the note, with its newline. */
  readonly line: string
  /** Seconds since the Unix epoch at which a witness cosigned. */
  readonly time?: number
}

/** Why a note or a key was not accepted. */
export type NoteRefusal = {
  readonly reason: 'malformed_note' | 'malformed_key' | 'bad_signature' | 'unsigned'
  readonly message: string
}

/** Longer notes are refused. C2SP signed-note demands room for 16 signatures of up to 5 kB. */
export const MAX_NOTE_LENGTH = 131_072

const TYPE_BYTE: Readonly<Record<SignatureType, number>> = { log: 0x01, witness: 0x04 }
const KEY_BYTES = 32
const ID_BYTES = 4
const SIGNATURE_BYTES = 64
const TIME_BYTES = 8
/** Key names: not empty, no Unicode space, no plus, no control character. */
// oxlint-disable-next-line no-control-regex -- the format excludes them
const NAME = /^[^\s+\u0000-\u001f\u007f\u0085]+$/u
const NOTE_CONTROLS = /[\u0000-\u0009\u000b-\u001f]/ // oxlint-disable-line no-control-regex -- as above
const SIGNATURE_LINE = /^\u2014 (\S+) ([A-Za-z0-9+/]+={0,2})$/u

/** The key in a vkey (`<name>+<hex key id>+<base64 of type and key>`). @see C2SP signed-note, Verifier keys */
export async function parseVerifierKey(vkey: string): Promise<Result<NoteVerifier, NoteRefusal>> {
  const [name = '', id = '', ...rest] = vkey.split('+')
  const material = decodeBase64(rest.join('+'))
  const type = material && signatureType(material[0])
  if (!NAME.test(name) || !/^[0-9a-f]{8}$/.test(id) || type === undefined) {
    return malformed('malformed_key', 'expected a verifier key of a known type')
  }
  const publicKey = material?.subarray(1) ?? new Uint8Array(0)
  if (publicKey.length !== KEY_BYTES) {
    return malformed('malformed_key', `expected a key of 32 bytes, got ${publicKey.length}`)
  }
  const keyId = await noteKeyId(name, type, publicKey)
  if (keyId.toHex() !== id) {
    return malformed('malformed_key', `expected the key id ${keyId.toHex()}, got \`${id}\``)
  }
  return { ok: true, value: { name, keyId, type, publicKey } }
}

/** The vkey of a key: what an auditor is given to trust. */
export async function formatVerifierKey(
  name: string,
  type: SignatureType,
  publicKey: Uint8Array,
): Promise<string> {
  const keyId = await noteKeyId(name, type, publicKey)
  return `${name}+${keyId.toHex()}+${typedKey(type, publicKey).toBase64()}`
}

/** The id of a key in signature lines. @see C2SP signed-note, Signatures */
export async function noteKeyId(
  name: string,
  type: SignatureType,
  publicKey: Uint8Array,
): Promise<Uint8Array> {
  if (!NAME.test(name)) throw new RangeError('expected a key name without spaces or plus signs')
  const prefix = new TextEncoder().encode(`${name}\n`)
  const hash = await webSha256(concat(prefix, typedKey(type, publicKey)))
  return hash.slice(0, ID_BYTES)
}

/** The note: `text`, which ends in a newline, and one line per signer. */
export async function signNote(text: string, signers: readonly NoteSigner[]): Promise<string> {
  if (!text.endsWith('\n') || NOTE_CONTROLS.test(text)) {
    throw new RangeError('expected a text that ends in a newline and has no control characters')
  }
  const lines = await Promise.all(signers.map((signer) => signatureLine(text, signer)))
  return `${text}\n${lines.join('')}`
}

/** One signature line over `text`, with its newline. */
export async function signatureLine(text: string, signer: NoteSigner): Promise<string> {
  const signature = await signer.signatureOver(text)
  return `\u2014 ${signer.name} ${concat(signer.keyId, signature).toBase64()}\n`
}

/** What a witness signs: header, time, and the whole checkpoint. @see C2SP tlog-cosignature, Ed25519 signed message */
export function cosignedText(text: string, timeSeconds: number): string {
  return `cosignature/v1\ntime ${timeSeconds}\n${text}`
}

/**
 * The note's text if a trusted key signed it. A signature line that names a trusted key and does not
 * hold refuses the whole note.
 */
export async function openNote(
  note: string,
  trusted: readonly NoteVerifier[],
): Promise<Result<OpenedNote, NoteRefusal>> {
  if (note.length > MAX_NOTE_LENGTH) return malformed('malformed_note', 'expected a shorter note')
  if (!note.isWellFormed() || NOTE_CONTROLS.test(note) || !note.endsWith('\n')) {
    return malformed('malformed_note', 'expected lines of text without control characters')
  }
  const split = note.lastIndexOf('\n\n')
  if (split < 0) return malformed('malformed_note', 'expected an empty line before the signatures')
  const text = note.slice(0, split + 1)
  const signatures: NoteSignature[] = []
  for (const line of note.slice(split + 2, -1).split('\n')) {
    const signature = parseSignatureLine(line)
    if (signature === undefined) {
      return malformed('malformed_note', 'expected signature lines after the empty line')
    }
    const verifier = trusted.find((key) => isBy(key, signature))
    if (verifier === undefined || signatures.some((s) => s.verifier === verifier)) continue
    const time = await checkSignature(text, signature.bytes, verifier)
    if (time === undefined) {
      return malformed('bad_signature', `expected a signature by \`${verifier.name}\` that holds`)
    }
    signatures.push({ verifier, line: `${line}\n`, ...(time === 'undated' ? {} : { time }) })
  }
  if (signatures.length === 0) return malformed('unsigned', 'expected a signature by a trusted key')
  return { ok: true, value: { text, signatures } }
}

interface SignatureLine {
  readonly name: string
  readonly keyId: Uint8Array
  readonly bytes: Uint8Array
}

function parseSignatureLine(line: string): SignatureLine | undefined {
  const [, name, encoded] = SIGNATURE_LINE.exec(line) ?? []
  const bytes = encoded === undefined ? undefined : decodeBase64(encoded)
  if (name === undefined || bytes === undefined || bytes.length <= ID_BYTES) return undefined
  if (!NAME.test(name)) return undefined
  return { name, keyId: bytes.subarray(0, ID_BYTES), bytes: bytes.subarray(ID_BYTES) }
}

/** C2SP signed-note: name and id together identify the key. */
function isBy(key: NoteVerifier, signature: SignatureLine): boolean {
  return key.name === signature.name && key.keyId.toHex() === signature.keyId.toHex()
}

/** When a signature that holds was made, as far as it says; undefined if it does not hold. */
async function checkSignature(
  text: string,
  bytes: Uint8Array,
  verifier: NoteVerifier,
): Promise<number | 'undated' | undefined> {
  if (verifier.type === 'log') return (await holds(text, bytes, verifier)) ? 'undated' : undefined
  if (bytes.length !== TIME_BYTES + SIGNATURE_BYTES) return undefined
  const time = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0)
  // C2SP tlog-cosignature: at most 2^63 - 1, and ours must be exact numbers; zero dates no checkpoint.
  if (time === 0n || time > BigInt(Number.MAX_SAFE_INTEGER)) return undefined
  const signed = cosignedText(text, Number(time))
  return (await holds(signed, bytes.subarray(TIME_BYTES), verifier)) ? Number(time) : undefined
}

/** Whether an Ed25519 signature holds (RFC 8032 §5.1.7). */
async function holds(text: string, signature: Uint8Array, by: NoteVerifier): Promise<boolean> {
  if (signature.length !== SIGNATURE_BYTES) return false
  const raw = new Uint8Array(by.publicKey)
  const key = await crypto.subtle.importKey('raw', raw, 'Ed25519', false, ['verify'])
  const data = new TextEncoder().encode(text)
  return crypto.subtle.verify('Ed25519', key, new Uint8Array(signature), data)
}

function signatureType(byte: number | undefined): SignatureType | undefined {
  if (byte === TYPE_BYTE.log) return 'log'
  return byte === TYPE_BYTE.witness ? 'witness' : undefined
}

function typedKey(type: SignatureType, publicKey: Uint8Array): Uint8Array {
  return concat(Uint8Array.of(TYPE_BYTE[type]), publicKey)
}

/** The bytes of standard base64 with padding (RFC 4648 §4); undefined if it is not exactly that. */
export function decodeBase64(encoded: string): Uint8Array | undefined {
  try {
    const bytes = Uint8Array.fromBase64(encoded, { lastChunkHandling: 'strict' })
    return bytes.toBase64() === encoded ? bytes : undefined
  } catch {
    return undefined
  }
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(a.length + b.length)
  bytes.set(a)
  bytes.set(b, a.length)
  return bytes
}

function malformed(reason: NoteRefusal['reason'], message: string): Result<never, NoteRefusal> {
  return refuse({ reason, message })
}
