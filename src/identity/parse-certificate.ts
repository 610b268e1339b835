/**
 * Reads a certificate, strictly: `parseCertificate`. It checks form only; `verify-svid.ts` says whom
 * to believe. `node:crypto` would show the alternative names as one ambiguous string and no key usage.
 *
 * @see RFC 5280 §4.1
 */

import { createPublicKey, type KeyObject } from 'node:crypto'
import { childrenOf, contextTag, type Element, parseDer, TAG, TRUE } from './der.ts'
import { ECDSA_SHA256, EXTENSION, VERSION_3 } from './x509-svid.ts'

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
  /** Object identifiers as content octets in hex; none if the extension is absent. */
  readonly extendedKeyUsage: readonly string[]
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
const URI_NAME = contextTag(6, 'primitive')
const KEY_ID = contextTag(0, 'primitive')

/** The certificate in `der`; nothing if it is malformed, or of a kind that no SVID of ours is. */
export function parseCertificate(der: Uint8Array): Certificate | undefined {
  if (der.length > MAX_BYTES) return undefined
  const [body, algorithm, bits, ...others] = sequence(parseDer(der)) ?? []
  if (!body || !algorithm || !bits || others.length > 0) return undefined
  const [version, serial, inner, issuer, validity, subject, key, extensions, ...more] =
    sequence(body) ?? []
  if (!version || !serial || !inner || !issuer || !validity || !subject || !key || !extensions) {
    return undefined
  }
  if (!version.encoded.equals(VERSION_3) || more.length > 0) return undefined
  // RFC 5280 §4.1.1.2: the algorithm stands twice, and both MUST be the same.
  if (!algorithm.encoded.equals(ECDSA_SHA256) || !inner.encoded.equals(ECDSA_SHA256)) {
    return undefined
  }
  const [notBefore, notAfter, ...moreTimes] = sequence(validity)?.map(instant) ?? []
  if (notBefore === undefined || notAfter === undefined || moreTimes.length > 0) return undefined
  const signature = wholeBytes(bits)
  const publicKey = publicKeyFrom(key.encoded)
  const said = meaningOf(extensionsIn(extensions))
  if (!signature || !publicKey || !said || serial.tag !== TAG.integer) return undefined
  return {
    signedPart: body.encoded,
    signature,
    serial: serial.content.toString('hex'),
    issuer: issuer.encoded,
    subject: subject.encoded,
    notBefore,
    notAfter,
    publicKey,
    ...said,
  }
}

function sequence(from: Element | undefined): readonly Element[] | undefined {
  return from?.tag === TAG.sequence ? childrenOf(from) : undefined
}

/** A bit string of whole bytes. */
function wholeBytes({ tag, content }: Element): Buffer | undefined {
  return tag === TAG.bitString && content[0] === 0 ? content.subarray(1) : undefined
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
    const critical = parts.length === 3 && parts[1]?.encoded.equals(TRUE) === true
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

function meaningOf(found: Extensions | undefined): Meaning | undefined {
  const names = listIn(found, EXTENSION.subjectAltName)
  const constraints = listIn(found, EXTENSION.basicConstraints)
  const purposes = listIn(found, EXTENSION.extendedKeyUsage)
  const authority = listIn(found, EXTENSION.authorityKeyIdentifier)
  const usage = found?.get(EXTENSION.keyUsage)
  const keyUsage = usage && keyUsageIn(parseDer(usage.value), usage.critical)
  if (!names || !constraints || !purposes || !authority || (usage && !keyUsage)) return undefined

  // X.690 §11.5: what is false by default is absent.
  const isAuthority = constraints[0]?.encoded.equals(TRUE) ?? false
  if (constraints.length > 0 && !isAuthority) return undefined
  return {
    uris: names.filter(({ tag }) => tag === URI_NAME).map(({ content }) => latin1(content)),
    isAuthority,
    keyUsage,
    extendedKeyUsage: purposes.map(({ content }) => content.toString('hex')),
    authorityKeyId: authority.find(({ tag }) => tag === KEY_ID)?.content,
  }
}

/** The elements of an extension that is a list: none if it is absent, nothing if it is malformed. */
function listIn(found: Extensions | undefined, id: string): readonly Element[] | undefined {
  const value = found?.get(id)?.value
  return value === undefined ? found && [] : sequence(parseDer(value))
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
function latin1(content: Buffer): string {
  return content.toString('latin1')
}
