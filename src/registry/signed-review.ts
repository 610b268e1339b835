/**
 * The signed review: what a reviewer accepted, under the issuer's signature.
 *
 * `signReview` makes one, `verifyReview` accepts one when a server is loaded. It pins every definition
 * by digest and the transport too, so a row that was altered in the database (a tool's class, where
 * the server is reached) no longer is as it was signed.
 *
 * INVARIANT (separate powers): the gateway reads reviews and cannot make them.
 */

import * as z from 'zod'
import { digestOfJson } from '../base/bytes.ts'
import { idSchema } from '../base/id.ts'
import { ok, refuse, type Result } from '../base/result.ts'
import { signJws, verifyJws } from '../keys/jws.ts'
import type { Keyring } from '../keys/keyring.ts'
import {
  reviewedResourcesSchema,
  reviewedToolSchema,
  serverIdSchema,
  type Registration,
} from './server.ts'

/** The media type of a signed review, without `application/`. */
const REVIEW_TYP = 'server-review+jwt'

/** The largest signed review that is read. */
const MAX_BYTES = 2_097_152

const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/)

/** What a review says. */
const claims = z.strictObject({
  sub: serverIdSchema,
  /** Seconds since the epoch. */
  iat: z.int(),
  /** Who reviewed. */
  reviewer: idSchema('per'),
  revision: z.int().positive(),
  name: z.string(),
  transport: digest,
  person_rights: z.enum(['upstream', 'mirrored']),
  timeout_ms: z.int().positive(),
  output_limit_bytes: z.int().positive(),
  /** Every definition that was observed, by key, whether or not it is offered. */
  definitions: z.record(z.string(), digest),
  /** The tools that are offered. */
  tools: z.array(reviewedToolSchema),
  resources: reviewedResourcesSchema,
})

/** @see claims */
export type ReviewClaims = z.infer<typeof claims>

/** Why a review does not hold. Everything before a reason in this list held. */
export interface InvalidReview {
  readonly reason:
    | 'malformed'
    | 'wrong_algorithm'
    | 'wrong_type'
    | 'unknown_key'
    | 'bad_signature'
    | 'altered'
}

/** The review of `registration`, signed by the issuer's key. */
export function signReview(review: ReviewClaims, env: { readonly keyring: Keyring }): string {
  return signJws(env.keyring.active('issuer'), { typ: REVIEW_TYP }, review)
}

/** The members of a review that repeat the registration it was given to. */
export function termsOf(
  registration: Omit<Registration, 'state' | 'reason' | 'title'>,
): Pick<
  ReviewClaims,
  'sub' | 'revision' | 'name' | 'transport' | 'person_rights' | 'timeout_ms' | 'output_limit_bytes'
> {
  return {
    sub: registration.id,
    revision: registration.revision,
    name: registration.name,
    transport: digestOfJson(registration.transport),
    person_rights: registration.personRights,
    timeout_ms: registration.timeoutMilliseconds,
    output_limit_bytes: registration.outputLimitBytes,
  }
}

/** What was accepted, if `signed` is a review of `registration` as it stands. */
export function verifyReview(
  signed: string,
  registration: Registration,
  env: { readonly keyring: Keyring },
): Result<ReviewClaims, InvalidReview> {
  const verified = verifyJws(signed, (kid) => env.keyring.find('issuer', kid)?.publicKey, {
    typ: REVIEW_TYP,
    maxBytes: MAX_BYTES,
  })
  if (!verified.ok) return verified
  const parsed = claims.safeParse(verified.value.payload)
  if (!parsed.success) return refuse({ reason: 'malformed' })
  const review = parsed.data
  for (const [member, now] of Object.entries(termsOf(registration))) {
    if (review[member as keyof ReviewClaims] !== now) return refuse({ reason: 'altered' })
  }
  return ok(review)
}
