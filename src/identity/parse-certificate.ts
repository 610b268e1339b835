/**
 * Reads a certificate, strictly: `parseCertificate`. It checks form only; `verify-svid.ts` says whom
 * to believe. `node:crypto` would show the alternative names as one ambiguous string and no key usage.
 *
 * @see RFC 5280 §4.1
 */

import { createPublicKey, type KeyObject } from 'node:crypto'
import { childrenOf, contextTag, type Element, parseDer, TAG } from './der.ts'
import { ECDSA_SHA256, EXTENSION } from './x509-svid.ts'

/** A version 3 certificate under `ecdsa-with-SHA256`. */
export interface Certificate {
  /** What the signature covers. */
  readonly signedPart: Buffer
  readonly signature: Buffer
  /** Lower-case hex. */
  readonly serial: string
  /** Names, DER. */
  readonly issuer: Buffer
  readonly subject: Buffer
  /** Milliseconds since the epoch. */
  readonly notBefore: number
  readonly notAfter: number
  readonly publicKey: KeyObject
  readonly uris: readonly string[]
  readonly isAuthority: boolean
  readonly keyUsage: KeyUsage | undefined
  /** Object identifiers as content octets in hex; nothing if the extension is absent. */
  readonly extendedKeyUsage: readonly string[] | undefined
  readonly authorityKeyId: Buffer | undefined
}

/** The key usages that SPIFFE speaks of (RFC 5280 §4.2.1.3). */
export interface KeyUsage {
  readonly critical: boolean
  readonly digitalSignature: boolean
  readonly keyCertSign: boolean
  readonly cRLSign: boolean
}

type Extensions = ReadonlyMap<string, { readonly critical: boolean; readonly value: Buffer }>

const MAX_BYTES = 16_384
const MAX_EXTENSIONS = 32
const UNDERSTOOD: readonly string[] = Object.values(EXTENSION)
const VERSION_3 = '020102'
const URI_NAME = contextTag(6, 'primitive')

/** The certificate in `der`; nothing if it is malformed, or of a kind that no SVID of ours is. */
export function parseCertificate(der: Uint8Array): Certificate | undefined {
  if (der.length > MAX_BYTES) return undefined
  const [body, algorithm, signature, ...others] = sequence(parseDer(der)) ?? []
  if (!body || !algorithm || !signature || others.length > 0) return undefined
  const [version, serial, inner, issuer, validity, subject, key, extensions, ...more] =
    sequence(body) ?? []
  if (!version || !serial || !inner || !issuer || !validity || !subject || !key || !extensions) {
    return undefined
  }
  // RFC 5280 §4.1.1.2: the algorithm stands twice, and both MUST be the same.
  if (!algorithm.encoded.equals(ECDSA_SHA256) || !inner.encoded.equals(ECDSA_SHA256)) {
    return undefined
  }
  const isVersion3 = version.tag === contextTag(0, 'constructed')
  if (!isVersion3 || version.content.toString('hex') !== VERSION_3 || more.length > 0) {
    return undefined
  }
  const fields = {
    signature: bits(signature, 0),
    times: sequence(validity)?.map(instant),
    publicKey: publicKeyFrom(key.encoded),
    extensions: extensionsIn(extensions),
  }
  const [notBefore, notAfter, ...moreTimes] = fields.times ?? []
  const meaning = fields.extensions && meaningOf(fields.extensions)
  if (!fields.signature || !fields.publicKey || !meaning || serial.tag !== TAG.integer) {
    return undefined
  }
  if (notBefore === undefined || notAfter === undefined || moreTimes.length > 0) return undefined
  return {
    signedPart: body.encoded,
    signature: fields.signature,
    serial: serial.content.toString('hex'),
    issuer: issuer.encoded,
    subject: subject.encoded,
    notBefore,
    notAfter,
    publicKey: fields.publicKey,
    ...meaning,
  }
}

function sequence(from: Element | undefined): readonly Element[] | undefined {
  return from?.tag === TAG.sequence ? childrenOf(from) : undefined
}

/** The bytes of a bit string that leaves `unused` bits of its last byte unused. */
function bits(from: Element, unused: number): Buffer | undefined {
  return from.tag === TAG.bitString && from.content[0] === unused
    ? from.content.subarray(1)
    : undefined
}

/** RFC 5280 §4.1.2.5: with seconds, in UTC, two-digit years before 50 are in this century. */
function instant({ tag, content }: Element): number | undefined {
  const text = content.toString('latin1')
  const century = Number(text.slice(0, 2)) < 50 ? '20' : '19'
  const digits = tag === TAG.utcTime ? century + text : text
  if (tag !== TAG.utcTime && tag !== TAG.generalizedTime) return undefined
  const parts = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(digits)
  if (parts === null) return undefined
  const [, year, month, day, hour, minute, second] = parts
  try {
    return Temporal.Instant.from(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`)
      .epochMilliseconds
  } catch {
    return undefined
  }
}

function publicKeyFrom(der: Buffer): KeyObject | undefined {
  try {
    return createPublicKey({ key: der, format: 'der', type: 'spki' })
  } catch {
    return undefined
  }
}

function extensionsIn(field: Element): Extensions | undefined {
  if (field.tag !== contextTag(3, 'constructed')) return undefined
  const [list, ...others] = childrenOf(field) ?? []
  const all = sequence(list)
  if (all === undefined || others.length > 0 || all.length > MAX_EXTENSIONS) return undefined
  const found = new Map<string, { critical: boolean; value: Buffer }>()
  for (const one of all) {
    const parts = sequence(one) ?? []
    const [id, value] = [parts[0], parts.at(-1)]
    const critical = parts.length === 3 && parts[1]?.encoded.toString('hex') === '0101ff'
    if (id?.tag !== TAG.oid || value?.tag !== TAG.octetString) return undefined
    if (parts.length !== (critical ? 3 : 2)) return undefined
    const name = id.content.toString('hex')
    // RFC 5280 §4.2: an extension stands once; a critical one that is not understood refuses all.
    if (found.has(name) || (critical && !UNDERSTOOD.includes(name))) return undefined
    found.set(name, { critical, value: value.content })
  }
  return found
}

type Meaning = Pick<
  Certificate,
  'uris' | 'isAuthority' | 'keyUsage' | 'extendedKeyUsage' | 'authorityKeyId'
>

function meaningOf(found: Extensions): Meaning | undefined {
  const value = (id: string): Element | undefined => parseDer(found.get(id)?.value ?? Buffer.of())
  const has = (id: string): boolean => found.has(id)

  const names = sequence(value(EXTENSION.subjectAltName))
  const constraints = sequence(value(EXTENSION.basicConstraints))
  const purposes = sequence(value(EXTENSION.extendedKeyUsage))
  const authority = sequence(value(EXTENSION.authorityKeyIdentifier))
  const keyUsage = keyUsageIn(value(EXTENSION.keyUsage), found.get(EXTENSION.keyUsage)?.critical)
  const malformed =
    (has(EXTENSION.subjectAltName) && names === undefined) ||
    (has(EXTENSION.basicConstraints) && constraints === undefined) ||
    (has(EXTENSION.extendedKeyUsage) && purposes === undefined) ||
    (has(EXTENSION.authorityKeyIdentifier) && authority === undefined) ||
    (has(EXTENSION.keyUsage) && keyUsage === undefined)
  if (malformed) return undefined
  return {
    uris: (names ?? []).filter(({ tag }) => tag === URI_NAME).map(({ content }) => text(content)),
    isAuthority: constraints?.[0]?.encoded.toString('hex') === '0101ff',
    keyUsage,
    extendedKeyUsage: purposes?.map(({ content }) => content.toString('hex')),
    authorityKeyId: authority?.find(({ tag }) => tag === contextTag(0, 'primitive'))?.content,
  }
}

function keyUsageIn(from: Element | undefined, critical = false): KeyUsage | undefined {
  if (from?.tag !== TAG.bitString || from.content.length < 2) return undefined
  const first = from.content[1] ?? 0
  return {
    critical,
    digitalSignature: (first & 0x80) !== 0,
    keyCertSign: (first & 0x04) !== 0,
    cRLSign: (first & 0x02) !== 0,
  }
}

/** IA5String: bytes that are no ASCII stay visible as such, and no SPIFFE ID has them. */
function text(content: Buffer): string {
  return content.toString('latin1')
}
