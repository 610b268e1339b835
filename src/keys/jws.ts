/**
 * Signed tokens in one form: JWS compact serialization (RFC 7515 §3.1), ES256 only (RFC 7518 §3.4).
 *
 * Call `signJws` to make one and `verifyJws` to accept one. The algorithm is pinned, so `none`, HMAC
 * under a public key and foreign curves never reach a key (RFC 8725 §3.1); the key comes from the
 * caller's `find`, never from the token (RFC 8725 §3.10). `parseJws` checks no signature: it is for
 * proofs that bring their own key (RFC 9449).
 */

import { type KeyObject, sign, verify } from 'node:crypto'
import { base64url } from '../base/bytes.ts'
import { canonicalJson, type Json, type JsonObject } from '../base/canonical-json.ts'
import { ok, refuse, type Result } from '../base/result.ts'
import { parseUniqueMembers } from './unique-members.ts'
import type { SigningKey } from './signing-key.ts'

/** Why a token was refused. Everything before a reason in this list held. */
export type JwsRefusal = {
  readonly reason: 'malformed' | 'wrong_algorithm' | 'wrong_type' | 'unknown_key' | 'bad_signature'
}

/** A token's parts. Nothing in it may be believed before its signature was checked. */
export interface ParsedJws {
  readonly header: JsonObject
  /** The payload's bytes; parse them after the signature was checked. */
  readonly payload: Buffer
  readonly signed: Buffer
  readonly signature: Buffer
}

/** A token whose signature holds. */
export interface VerifiedJws {
  readonly header: JsonObject
  readonly payload: JsonObject
  /** The key that signed it. */
  readonly kid: string
}

/** What the caller demands of a token. */
export interface Expected {
  /** The accepted `typ` values; `undefined` in a list accepts a token without one. */
  readonly typ: string | readonly (string | undefined)[]
  /** The longest accepted token in bytes; 16 KiB unless told. */
  readonly maxBytes?: number
}

const MAX_BYTES = 16_384

/** Header members that name a key, extend the format or change the payload: never honoured, so refused. */
const FORBIDDEN = ['crit', 'b64', 'zip', 'enc', 'jwk', 'jku', 'x5u', 'x5c', 'x5t', 'x5t#S256']

/** `payload` signed by `key`: `header` plus `alg` and `kid`, canonical JSON in both parts. */
export function signJws(
  key: SigningKey,
  header: { readonly typ: string; readonly [member: string]: Json },
  payload: JsonObject,
): string {
  if (key.algorithm !== 'ES256') throw new Error(`expected an ES256 key, got \`${key.algorithm}\``)
  const protectedHeader = canonicalJson({ ...header, alg: key.algorithm, kid: key.kid })
  const signed = `${base64url(protectedHeader)}.${base64url(canonicalJson(payload))}`
  const signature = sign('sha256', Buffer.from(signed), {
    key: key.privateKey,
    dsaEncoding: 'ieee-p1363',
  })
  return `${signed}.${base64url(signature)}`
}

/**
 * The header and payload of a token whose type, algorithm and signature hold.
 *
 * `find` gives the public key for the token's `kid`. Claims are the caller's to check.
 *
 * @see RFC 7515 §5.2, RFC 8725 §3
 */
export function verifyJws(
  token: string,
  find: (kid: string) => KeyObject | undefined,
  expect: Expected,
): Result<VerifiedJws, JwsRefusal> {
  const parsed = parseJws(token, expect)
  if (!parsed.ok) return parsed
  const { header } = parsed.value
  if (FORBIDDEN.some((member) => member in header)) return refuse({ reason: 'malformed' })

  const { kid } = header
  const key = typeof kid === 'string' ? find(kid) : undefined
  if (typeof kid !== 'string' || key === undefined) return refuse({ reason: 'unknown_key' })
  if (!verifiesEs256(parsed.value, key)) return refuse({ reason: 'bad_signature' })

  const payload = parseObject(parsed.value.payload)
  return payload === undefined ? refuse({ reason: 'malformed' }) : ok({ header, payload, kid })
}

/** Splits a token and checks its form, algorithm and type, not its signature. */
export function parseJws(token: string, expect: Expected): Result<ParsedJws, JwsRefusal> {
  if (token.length > (expect.maxBytes ?? MAX_BYTES)) return refuse({ reason: 'malformed' })
  const parts = token.split('.', 4)
  const [protectedHeader, payload, signature] = parts.map(strictBase64url)
  if (parts.length !== 3 || !protectedHeader || !payload || !signature) {
    return refuse({ reason: 'malformed' })
  }
  const header = parseObject(protectedHeader)
  if (header === undefined) return refuse({ reason: 'malformed' })
  // RFC 8725 §3.1: the algorithm is ours to choose, not the token's.
  if (header['alg'] !== 'ES256') return refuse({ reason: 'wrong_algorithm' })
  // RFC 8725 §3.11: explicit typing keeps one kind of token from passing for another.
  const types = typeof expect.typ === 'string' ? [expect.typ] : expect.typ
  if (!types.some((type) => type === header['typ'])) return refuse({ reason: 'wrong_type' })
  const signed = Buffer.from(token.slice(0, token.lastIndexOf('.')))
  return ok({ header, payload, signed, signature })
}

/** Whether the signature holds under `key`, which must be a P-256 key. */
export function verifiesEs256(jws: ParsedJws, key: KeyObject): boolean {
  if (key.asymmetricKeyType !== 'ec' || key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') {
    return false
  }
  // RFC 7518 §3.4: R and S as 32 octets each.
  if (jws.signature.length !== 64) return false
  return verify('sha256', jws.signed, { key, dsaEncoding: 'ieee-p1363' }, jws.signature)
}

/** A JSON object in UTF-8, with unique member names (RFC 7515 §4, RFC 7519 §4). */
export function parseObject(bytes: Uint8Array): JsonObject | undefined {
  const value = parseUniqueMembers(bytes)
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as JsonObject)
    : undefined
}

/** The bytes behind `text`, unless another text would decode to the same bytes (RFC 7515 §2). */
function strictBase64url(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64url')
  return bytes.toString('base64url') === text ? bytes : undefined
}
