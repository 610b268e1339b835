/**
 * Refusals on the OAuth wire: reason → error code, HTTP status, public text.
 *
 * The reason goes to the audit log; the caller gets the code and a text that is the same for all
 * reasons of a code, so that nobody learns which check failed.
 */

import type { JsonObject } from '../base/canonical-json.ts'
import { type Refusal, refuse, type Result } from '../base/result.ts'
import type { DelegationId } from '../delegation/delegation.ts'

/** One code as it stands on the wire (RFC 6749 §5.2). */
interface Wire {
  readonly error: string
  readonly status: 400 | 401 | 403 | 429 | 503
  readonly text: string
}

const INVALID_REQUEST: Wire = {
  error: 'invalid_request',
  status: 400,
  text: 'a parameter or token of the request is missing, malformed or not acceptable',
}
const INVALID_CLIENT: Wire = {
  error: 'invalid_client',
  status: 401,
  text: 'the client is not authenticated',
}
const INVALID_PROOF: Wire = {
  error: 'invalid_dpop_proof',
  status: 400,
  text: 'a fresh DPoP proof by the key of this client is needed',
}
const INVALID_TARGET: Wire = {
  error: 'invalid_target',
  status: 400,
  text: 'the resource is unknown or not part of the delegation',
}
const INVALID_DETAILS: Wire = {
  error: 'invalid_authorization_details',
  status: 400,
  text: 'the authorization details are malformed or exceed the delegation',
}

/** Every reason for which a token request is refused. */
const WIRE = {
  // The form (RFC 6749 §3.2).
  parameter_repeated: INVALID_REQUEST,
  parameter_missing: INVALID_REQUEST,
  parameter_too_long: INVALID_REQUEST,
  grant_type_unsupported: {
    error: 'unsupported_grant_type',
    status: 400,
    text: 'the grant type is not offered here',
  },
  token_type_unsupported: INVALID_REQUEST,
  scope_unknown: { error: 'invalid_scope', status: 400, text: 'the scope is not offered here' },
  // The client (RFC 7521 §4.2).
  client_assertion_missing: INVALID_CLIENT,
  client_assertion_invalid: INVALID_CLIENT,
  client_id_mismatch: INVALID_CLIENT,
  client_inactive: INVALID_CLIENT,
  // Its key (RFC 9449 §5).
  proof_missing: INVALID_PROOF,
  proof_malformed: INVALID_PROOF,
  proof_bad_signature: INVALID_PROOF,
  proof_wrong_request: INVALID_PROOF,
  proof_wrong_token: INVALID_PROOF,
  proof_wrong_key: INVALID_PROOF,
  proof_stale: INVALID_PROOF,
  proof_replayed: INVALID_PROOF,
  // RFC 9449 §8: the answer brings the nonce.
  proof_nonce_wanted: {
    error: 'use_dpop_nonce',
    status: 400,
    text: 'a DPoP proof with the nonce of this server is needed',
  },
  proofs_exhausted: {
    error: 'temporarily_unavailable',
    status: 503,
    text: 'too many requests, try again in a minute',
  },
  // One agent asks too often (RFC 6585 §4).
  too_many_requests: {
    error: 'temporarily_unavailable',
    status: 429,
    text: 'too many requests, try again in a minute',
  },
  // What the token rests on changed at every attempt.
  facts_changing: {
    error: 'temporarily_unavailable',
    status: 503,
    text: 'what the token rests on is changing, try again',
  },
  // Subject and actor (RFC 8693 §2.2.2: whatever is wrong with them is `invalid_request`).
  actor_token_mismatch: INVALID_REQUEST,
  delegation_invalid: INVALID_REQUEST,
  delegation_not_for_actor: INVALID_REQUEST,
  delegation_not_standing: INVALID_REQUEST,
  nobody_accountable: INVALID_REQUEST,
  // What is asked for (RFC 8707 §2, RFC 9396 §5).
  resource_not_delegated: INVALID_TARGET,
  details_malformed: INVALID_DETAILS,
  details_not_contained: INVALID_DETAILS,
  details_too_large: INVALID_DETAILS,
  limits_not_counted: INVALID_DETAILS,
  // Revocation of another's token (RFC 7009 §2.1).
  token_of_another_client: {
    error: 'unauthorized_client',
    status: 400,
    text: 'the token was not issued to this client',
  },
} as const satisfies Record<string, Wire>

/** Why a request was refused: a row of the table. */
export type OAuthReason = keyof typeof WIRE

/** What the audit log learns beside the reason. */
interface Facts {
  /** What the room that was asked said, where it was another room. */
  readonly cause?: string
  /** Once the subject token is verified. */
  readonly delegation?: DelegationId
}

/** A refused request. Only `error`, `status` and `text` are for the caller. */
export interface OAuthError extends Refusal, Wire, Facts {
  readonly reason: OAuthReason
}

/** Refuses a request for a reason of the table. */
export function refuseRequest(reason: OAuthReason, facts: Facts = {}): Result<never, OAuthError> {
  return refuse({ reason, ...WIRE[reason], ...facts })
}

/** The body of the answer (RFC 6749 §5.2). */
export function errorBody(error: OAuthError): JsonObject {
  return { error: error.error, error_description: error.text }
}
