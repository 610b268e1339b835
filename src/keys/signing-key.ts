/**
 * Signing keys: what each is for, and how one is made.
 *
 * Powers are separate (INVARIANT (separate powers)): what signs tokens does not sign SVIDs, what
 * signs the log signs nothing else.
 */

import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto'

/** What a key signs: tokens and delegations, X.509-SVIDs, JWT-SVIDs, checkpoints, cosignatures. */
export type Purpose = 'issuer' | 'svid_ca' | 'svid_jwt' | 'log' | 'witness'

/** RFC 7518 §3.1 and RFC 8037 §3.1 names. */
export type Algorithm = 'ES256' | 'EdDSA'

/** The members of a public key that make up the key (RFC 7518 §6.2.1, RFC 8037 §2). */
export type KeyMembers = {
  readonly kty: string
  readonly crv: string
  readonly x: string
  readonly y?: string
}

/** A public key as RFC 7517 shows it. `kid` is its thumbprint (RFC 7638). */
export type PublicJwk = KeyMembers & {
  readonly kid: string
  readonly alg: Algorithm
  readonly use: 'sig'
}

/** A key that others verify with. */
export interface PublishedKey {
  readonly kid: string
  readonly purpose: Purpose
  readonly algorithm: Algorithm
  readonly publicKey: KeyObject
  readonly publicJwk: PublicJwk
  /** Milliseconds since the epoch. */
  readonly createdAt: number
  /** DER; only for `svid_ca`, once `Keyring.certify` was called. */
  readonly certificate?: Buffer
}

/** A key that signs. */
export interface SigningKey extends PublishedKey {
  readonly privateKey: KeyObject
}

/** Every purpose. */
export const PURPOSES: readonly Purpose[] = ['issuer', 'svid_ca', 'svid_jwt', 'log', 'witness']

/** The algorithm of each purpose: EdDSA where C2SP signed-note wants it, ES256 where SPIFFE forbids EdDSA. */
export const ALGORITHM: Readonly<Record<Purpose, Algorithm>> = {
  issuer: 'ES256',
  svid_ca: 'ES256',
  svid_jwt: 'ES256',
  log: 'EdDSA',
  witness: 'EdDSA',
}

/**
 * The longest lifetime of what each purpose signs, in seconds. A retired key is published that much
 * longer, so whoever signs something that lives longer would outlive its key.
 */
export const LONGEST_LIFETIME_SECONDS: Readonly<Record<Purpose, number>> = {
  issuer: 366 * 86_400,
  svid_ca: 3_600,
  svid_jwt: 300,
  log: Infinity,
  witness: Infinity,
}

/** A new key. */
export function generateSigningKey(purpose: Purpose, createdAt: number): SigningKey {
  const { privateKey, publicKey } =
    ALGORITHM[purpose] === 'ES256'
      ? generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
      : generateKeyPairSync('ed25519')
  return { ...published(purpose, publicKey, createdAt), privateKey }
}

/** The key whose private part is `der` (PKCS#8). */
export function signingKeyFrom(purpose: Purpose, der: Buffer, createdAt: number): SigningKey {
  const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  return { ...published(purpose, createPublicKey(privateKey), createdAt), privateKey }
}

/** The key whose public part is `der` (SPKI). */
export function publishedKeyFrom(purpose: Purpose, der: Buffer, createdAt: number): PublishedKey {
  return published(purpose, createPublicKey({ key: der, format: 'der', type: 'spki' }), createdAt)
}

/** The base64url SHA-256 thumbprint of a public JWK (RFC 7638 §3). */
export function thumbprint(jwk: KeyMembers): string {
  // RFC 7638 §3.2, RFC 8037 §2: the required members only, in lexicographic order.
  const required =
    jwk.kty === 'EC'
      ? { crv: jwk.crv, kty: jwk.kty, x: jwk.x, y: jwk.y }
      : { crv: jwk.crv, kty: jwk.kty, x: jwk.x }
  return createHash('sha256').update(JSON.stringify(required)).digest('base64url')
}

function published(purpose: Purpose, publicKey: KeyObject, createdAt: number): PublishedKey {
  const algorithm = ALGORITHM[purpose]
  const jwk = publicKey.export({ format: 'jwk' }) as KeyMembers
  const kid = thumbprint(jwk)
  const publicJwk: PublicJwk = { ...jwk, kid, alg: algorithm, use: 'sig' }
  return { kid, purpose, algorithm, publicKey, publicJwk, createdAt }
}
