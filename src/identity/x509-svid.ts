/**
 * X.509 certificates as SPIFFE wants them: `rootCertificate` for a trust domain, `leafCertificate` for
 * an agent.
 *
 * They are written by hand because issuing is hot: everything that is the same in each certificate is
 * encoded once. Tests hold them against a general library and `openssl verify -x509_strict`.
 *
 * @see X509-SVID, RFC 5280 §4
 */

import { type KeyObject, sign } from 'node:crypto'
import { sha256 } from '../base/bytes.ts'
import { bitString, contextTag, element, TAG, TRUE } from './der.ts'
import { type SpiffeId, trustDomainId, type TrustDomain } from './spiffe-id.ts'

/** Object identifiers of extensions, as the content octets in hex. */
export const EXTENSION = {
  subjectKeyIdentifier: '551d0e',
  keyUsage: '551d0f',
  subjectAltName: '551d11',
  basicConstraints: '551d13',
  authorityKeyIdentifier: '551d23',
  extendedKeyUsage: '551d25',
} as const

/** `id-kp-serverAuth` (RFC 5280 §4.2.1.12), as the content octets in hex. */
export const SERVER_AUTH = '2b06010505070301'
/** `id-kp-clientAuth` (RFC 5280 §4.2.1.12), as the content octets in hex. */
export const CLIENT_AUTH = '2b06010505070302'

/** The field that says version 3. */
export const VERSION_3 = Buffer.from('a003020102', 'hex')
/** `ecdsa-with-SHA256` without parameters (RFC 5758 §3.2). */
export const ECDSA_SHA256 = element(TAG.sequence, oid('2a8648ce3d040302'))

/** What a root is made of. */
export interface Root {
  readonly trustDomain: TrustDomain
  /** A P-256 pair. */
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
  /** The key's name; it also names the root, so that two roots are never confused. */
  readonly kid: string
  readonly serial: Buffer
  /** Milliseconds since the epoch. */
  readonly notBefore: number
  readonly notAfter: number
}

/** What signs leaves, with its parts of them encoded. */
export interface Issuer {
  readonly privateKey: KeyObject
  /** The issuer's name, DER. */
  readonly name: Buffer
  /** Every extension of a leaf but the one that names it. */
  readonly extensions: Buffer
}

/** What differs from leaf to leaf. */
export interface Leaf {
  readonly spiffeId: SpiffeId
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKeyInfo: Buffer
  readonly serial: Buffer
  /** Milliseconds since the epoch. */
  readonly notBefore: number
  readonly notAfter: number
}

const ORGANIZATION_NAME = '55040a'
const COMMON_NAME = '550403'
const EMPTY_SEQUENCE = element(TAG.sequence)
/** RFC 5280 §4.1.2.5: dates through 2049 are UTCTime. */
const YEAR_2050 = 2_524_608_000_000

const CA_OF_LEAVES = element(TAG.sequence, TRUE, element(TAG.integer, Buffer.of(0)))
const KEY_CERT_SIGN_AND_CRL_SIGN = Buffer.from('03020106', 'hex')
const DIGITAL_SIGNATURE = Buffer.from('03020780', 'hex')
const BOTH_SIDES_OF_TLS = element(TAG.sequence, oid(SERVER_AUTH), oid(CLIENT_AUTH))

// X509-SVID §4.1, §4.3, §4.4: no CA; a critical key usage of digitalSignature; both sides of TLS.
const LEAF_EXTENSIONS = Buffer.concat([
  criticalExtension(EXTENSION.basicConstraints, EMPTY_SEQUENCE),
  criticalExtension(EXTENSION.keyUsage, DIGITAL_SIGNATURE),
  extension(EXTENSION.extendedKeyUsage, BOTH_SIDES_OF_TLS),
])

/** The self-signed certificate of a trust domain; it signs leaves, and no further authority. */
export function rootCertificate(root: Root): Buffer {
  const publicKeyInfo = root.publicKey.export({ type: 'spki', format: 'der' })
  const name = rootName(root.kid)
  return signed(root.privateKey, [
    VERSION_3,
    element(TAG.integer, root.serial),
    ECDSA_SHA256,
    name,
    element(TAG.sequence, time(root.notBefore), time(root.notAfter)),
    name,
    publicKeyInfo,
    extensions(
      criticalExtension(EXTENSION.basicConstraints, CA_OF_LEAVES),
      criticalExtension(EXTENSION.keyUsage, KEY_CERT_SIGN_AND_CRL_SIGN),
      // X509-SVID §3.2: a signing certificate's SPIFFE ID has no path.
      extension(EXTENSION.subjectAltName, uriName(trustDomainId(root.trustDomain))),
      extension(
        EXTENSION.subjectKeyIdentifier,
        element(TAG.octetString, keyIdentifier(root.publicKey)),
      ),
    ),
  ])
}

/** What signs leaves under the root of `kid`. */
export function issuerFor(key: {
  readonly kid: string
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
}): Issuer {
  const keyId = element(contextTag(0, 'primitive'), keyIdentifier(key.publicKey))
  return {
    privateKey: key.privateKey,
    name: rootName(key.kid),
    extensions: Buffer.concat([
      LEAF_EXTENSIONS,
      extension(EXTENSION.authorityKeyIdentifier, element(TAG.sequence, keyId)),
    ]),
  }
}

/** An agent's certificate. */
export function leafCertificate(leaf: Leaf, issuer: Issuer): Buffer {
  return signed(issuer.privateKey, [
    VERSION_3,
    element(TAG.integer, leaf.serial),
    ECDSA_SHA256,
    issuer.name,
    element(TAG.sequence, time(leaf.notBefore), time(leaf.notAfter)),
    EMPTY_SEQUENCE,
    leaf.publicKeyInfo,
    extensions(
      issuer.extensions,
      // X509-SVID §3.1: critical, as the subject is empty. §2: exactly one URI.
      criticalExtension(EXTENSION.subjectAltName, uriName(leaf.spiffeId)),
    ),
  ])
}

/** The name of the root whose key is `kid`, DER: never empty (RFC 5280 §4.1.2.6). */
export function rootName(kid: string): Buffer {
  return element(TAG.sequence, attribute(ORGANIZATION_NAME, 'Behalf'), attribute(COMMON_NAME, kid))
}

/** The identifier of a key in certificates: 160 bits of the SHA-256 of its bits (RFC 7093 §2). */
export function keyIdentifier(publicKey: KeyObject): Buffer {
  const { x = '', y = '' } = publicKey.export({ format: 'jwk' })
  const point = [Buffer.of(4), Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')]
  return sha256(Buffer.concat(point)).subarray(0, 20)
}

function signed(key: KeyObject, fields: readonly Buffer[]): Buffer {
  const body = element(TAG.sequence, ...fields)
  return element(TAG.sequence, body, ECDSA_SHA256, bitString(sign('sha256', body, key)))
}

function time(milliseconds: number): Buffer {
  const instant = Temporal.Instant.fromEpochMilliseconds(milliseconds)
  const digits = `${instant.toString().replace(/\D/g, '').slice(0, 14)}Z`
  return milliseconds < YEAR_2050
    ? element(TAG.utcTime, Buffer.from(digits.slice(2)))
    : element(TAG.generalizedTime, Buffer.from(digits))
}

function attribute(type: string, value: string): Buffer {
  const text = element(TAG.utf8String, Buffer.from(value))
  return element(TAG.set, element(TAG.sequence, oid(type), text))
}

function uriName(uri: string): Buffer {
  return element(TAG.sequence, element(contextTag(6, 'primitive'), Buffer.from(uri)))
}

function extensions(...all: readonly Buffer[]): Buffer {
  return element(contextTag(3, 'constructed'), element(TAG.sequence, ...all))
}

function extension(id: string, value: Buffer): Buffer {
  return element(TAG.sequence, oid(id), element(TAG.octetString, value))
}

function criticalExtension(id: string, value: Buffer): Buffer {
  return element(TAG.sequence, oid(id), TRUE, element(TAG.octetString, value))
}

function oid(content: string): Buffer {
  return element(TAG.oid, Buffer.from(content, 'hex'))
}
