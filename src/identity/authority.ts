/**
 * The trust domain's certificate authority. The keyring holds its keys (`svid_ca`); here each gets its
 * certificate, on first use. `signingAuthority` signs leaves now; `trustedRoots` are what leaves may
 * chain to.
 */

import { type KeyObject, verify } from 'node:crypto'
import type { Random } from '../base/random.ts'
import type { Keyring } from '../keys/keyring.ts'
import type { PublishedKey, SigningKey } from '../keys/signing-key.ts'
import { parseCertificate } from './parse-certificate.ts'
import { trustDomainId, type TrustDomain } from './spiffe-id.ts'
import { type Issuer, issuerFor, keyIdentifier, rootCertificate, rootName } from './x509-svid.ts'

/** What names and certifies the authority. */
export interface AuthorityEnv {
  readonly keyring: Keyring
  readonly random: Random
  readonly trustDomain: TrustDomain
}

/** A root of the trust domain. */
export interface TrustedRoot {
  readonly certificate: Buffer
  readonly publicKey: KeyObject
  readonly keyId: Buffer
  readonly name: Buffer
  /** Milliseconds since the epoch. */
  readonly notAfter: number
}

/** A root that signs. */
export interface Authority extends TrustedRoot {
  readonly issuer: Issuer
}

/** Keys rotate long before; nothing signs past it. */
const ROOT_LIFETIME_MILLISECONDS = 10 * 365 * 86_400_000
/** Verifiers' clocks may be behind by this. */
export const BACKDATED_MILLISECONDS = 60_000

const roots = new WeakMap<PublishedKey, TrustedRoot>()
const authorities = new WeakMap<SigningKey, Authority>()

/** The authority that signs leaves now. */
export async function signingAuthority(env: AuthorityEnv): Promise<Authority> {
  const key = env.keyring.active('svid_ca')
  const known = authorities.get(key)
  if (known !== undefined) return known
  const authority = { ...(await rootOf(key, env)), issuer: issuerFor(key) }
  authorities.set(key, authority)
  return authority
}

/** Every root that a leaf may chain to, and those that will sign next. */
export async function trustedRoots(env: AuthorityEnv): Promise<readonly TrustedRoot[]> {
  const published = env.keyring.published('svid_ca')
  const found: TrustedRoot[] = []
  for (const key of published) {
    // A key that retired before it ever had a certificate signed nothing.
    if (signs(key) || key.certificate !== undefined) found.push(await rootOf(key, env))
  }
  return found
}

async function rootOf(key: PublishedKey | SigningKey, env: AuthorityEnv): Promise<TrustedRoot> {
  const known = roots.get(key)
  if (known !== undefined) return known
  const certificate = key.certificate ?? (signs(key) ? await certify(key, env) : undefined)
  if (certificate === undefined) throw new Error(`expected a certificate for key \`${key.kid}\``)
  const root = openRoot(certificate, key, env.trustDomain)
  roots.set(key, root)
  return root
}

/** Certifies a key; of replicas that do so at once, the first decides for all. */
async function certify(key: SigningKey, env: AuthorityEnv): Promise<Buffer | undefined> {
  const certificate = rootCertificate({
    trustDomain: env.trustDomain,
    privateKey: key.privateKey,
    publicKey: key.publicKey,
    kid: key.kid,
    serial: newSerial(env),
    notBefore: key.createdAt - BACKDATED_MILLISECONDS,
    notAfter: key.createdAt + ROOT_LIFETIME_MILLISECONDS,
  })
  return (await env.keyring.certify(key.kid, certificate)).certificate
}

/** A serial number: 16 unpredictable bytes that are one positive DER integer (RFC 5280 §4.1.2.2). */
export function newSerial(env: { readonly random: Random }): Buffer {
  const serial = env.random.bytes(16)
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40
  return serial
}

/** A stored certificate is believed only if its own key signed it, for this trust domain. */
function openRoot(der: Buffer, key: PublishedKey, trustDomain: TrustDomain): TrustedRoot {
  const certificate = parseCertificate(der)
  const name = rootName(key.kid)
  if (
    certificate === undefined ||
    !certificate.isAuthority ||
    !certificate.subject.equals(name) ||
    !certificate.publicKey.equals(key.publicKey) ||
    !verify('sha256', certificate.signedPart, key.publicKey, certificate.signature)
  ) {
    throw new Error(`expected a certificate that key \`${key.kid}\` signed for itself`)
  }
  const [id = ''] = certificate.uris
  if (id !== trustDomainId(trustDomain)) {
    throw new Error(`expected a root of trust domain \`${trustDomain}\`, got one of \`${id}\``)
  }
  return {
    certificate: der,
    publicKey: key.publicKey,
    keyId: keyIdentifier(key.publicKey),
    name,
    notAfter: certificate.notAfter,
  }
}

function signs(key: PublishedKey | SigningKey): key is SigningKey {
  return 'privateKey' in key
}
