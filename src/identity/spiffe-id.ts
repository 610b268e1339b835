/**
 * SPIFFE IDs: the names that agents and trust domains go by.
 *
 * Call `parseSpiffeId` on anything from outside. Only the normal form is accepted, so equal identities
 * are equal strings: an upper-case scheme or trust domain, which SPIFFE-ID §2.4 lets a parser fold, is
 * refused.
 *
 * @see SPIFFE-ID §2
 */

import { ok, refuse, type Result } from '../base/result.ts'

/** `spiffe://<trust domain>` and a path that may be empty, in normal form. */
export type SpiffeId = `spiffe://${string}` & { readonly spiffeId: unique symbol }

/** The name of a trust domain, without a scheme. */
export type TrustDomain = string & { readonly trustDomain: unique symbol }

/** Why a text is no SPIFFE ID; in the order of the checks. */
export type SpiffeIdRefusal = {
  readonly reason: 'too_long' | 'wrong_scheme' | 'bad_trust_domain' | 'bad_path'
}

/** SPIFFE-ID §2.3, in bytes; everything that passes is ASCII. */
const MAX_ID = 2_048
const MAX_TRUST_DOMAIN = 255
const SCHEME = 'spiffe://'
const TRUST_DOMAIN = /^[a-z0-9._-]+$/
const SEGMENT = /^[a-zA-Z0-9._-]+$/

/** The SPIFFE ID in `text`. */
export function parseSpiffeId(text: string): Result<SpiffeId, SpiffeIdRefusal> {
  if (text.length > MAX_ID) return refuse({ reason: 'too_long' })
  // SPIFFE-ID §2: the scheme MUST be `spiffe`.
  if (!text.startsWith(SCHEME)) return refuse({ reason: 'wrong_scheme' })

  const [trustDomain = '', ...segments] = text.slice(SCHEME.length).split('/')
  if (!isTrustDomain(trustDomain)) return refuse({ reason: 'bad_trust_domain' })
  if (!segments.every(isSegment)) return refuse({ reason: 'bad_path' })
  return ok(text as SpiffeId)
}

/** The trust domain named by `text`: a bare name, or the SPIFFE ID of the trust domain itself. */
export function parseTrustDomain(text: string): Result<TrustDomain, SpiffeIdRefusal> {
  const name = text.startsWith(SCHEME) ? text.slice(SCHEME.length) : text
  return isTrustDomain(name) ? ok(name) : refuse({ reason: 'bad_trust_domain' })
}

/** The trust domain that `id` is in. */
export function trustDomainOf(id: SpiffeId): TrustDomain {
  const end = id.indexOf('/', SCHEME.length)
  return id.slice(SCHEME.length, end === -1 ? undefined : end) as TrustDomain
}

/** The path of `id` with its leading `/`; empty for the SPIFFE ID of a trust domain. */
export function pathOf(id: SpiffeId): string {
  return id.slice(SCHEME.length + trustDomainOf(id).length)
}

/** The SPIFFE ID of a trust domain: the one without a path, which its signing certificates carry. */
export function trustDomainId(trustDomain: TrustDomain): SpiffeId {
  return `${SCHEME}${trustDomain}` as SpiffeId
}

// SPIFFE-ID §2.1: lower-case letters, digits, `.`, `-`, `_`; so no user info, port or percent-encoding.
function isTrustDomain(text: string): text is TrustDomain {
  return text.length <= MAX_TRUST_DOMAIN && TRUST_DOMAIN.test(text)
}

// SPIFFE-ID §2.2: no empty or relative segment, no percent-encoding, no query, no fragment.
function isSegment(text: string): boolean {
  return SEGMENT.test(text) && text !== '.' && text !== '..'
}
