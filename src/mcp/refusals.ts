/**
 * Every way an MCP request is refused: one table from reason to JSON-RPC code, HTTP status, public text.
 *
 * Call `errorFor(reason, era)`. A reason that the table does not know is a server error. The text
 * names the class of the fault, never the check that failed; the audit entry has the reason itself.
 *
 * Two statuses stand in a row where the eras differ: 2026-07-28 maps protocol errors to HTTP statuses
 * (Streamable HTTP, "Error handling"), 2025-11-25 answers a well-formed request with 200 and the error
 * inside, which is the only form its clients read.
 */

import type { JsonObject } from '../base/canonical-json.ts'
import type { Era } from './era.ts'
import type { RpcError } from './message.ts'

/** A row: JSON-RPC code, HTTP status (one, or one per era), text for the caller. */
interface Row {
  readonly code: number
  readonly status: number | Readonly<Record<Era, number>>
  readonly text: string
}

const PARSE_ERROR = -32_700
const INVALID_REQUEST = -32_600
const METHOD_NOT_FOUND = -32_601
const INVALID_PARAMS = -32_602
const INTERNAL_ERROR = -32_603
/** SEP-2243: a header and the body disagree. */
const HEADER_MISMATCH = -32_020
const MISSING_CLIENT_CAPABILITY = -32_021
const UNSUPPORTED_VERSION = -32_022
/** Ours, from the range that JSON-RPC 2.0 §5.1 leaves to servers; unused by MCP. */
const TRANSPORT = -32_000
const DENIED = -32_003
const STEP_UP = -32_004
const APPROVAL_REQUIRED = -32_005
const NOT_STANDING = -32_006
const UNAVAILABLE = -32_007
const UPSTREAM = -32_008

const IN_BAND = 200
const BY_ERA = (modern: number): Record<Era, number> => ({
  '2026-07-28': modern,
  '2025-11-25': IN_BAND,
})

/** What ended a delegation is the person's business; the agent learns that it has ended. */
const ENDED = {
  code: NOT_STANDING,
  status: IN_BAND,
  text: 'the delegation is no longer in force',
} as const
const NOT_PERMITTED = { code: DENIED, status: IN_BAND, text: 'not permitted' } as const

const TABLE = {
  // the transport
  method_not_allowed: { code: TRANSPORT, status: 405, text: 'method not allowed' },
  unsupported_media_type: {
    code: TRANSPORT,
    status: 415,
    text: 'expected `content-type: application/json`',
  },
  not_acceptable: {
    code: TRANSPORT,
    status: 406,
    text: 'expected `accept: application/json, text/event-stream`',
  },
  origin_refused: { code: TRANSPORT, status: 403, text: 'origin or host refused' },
  unknown_server: { code: TRANSPORT, status: 404, text: 'no such server' },
  session_unknown: { code: TRANSPORT, status: 404, text: 'session not found' },
  // the text
  json_too_large: { code: TRANSPORT, status: 413, text: 'the request is too large' },
  json_encoding: { code: PARSE_ERROR, status: 400, text: 'expected UTF-8' },
  json_byte_order_mark: { code: PARSE_ERROR, status: 400, text: 'expected no byte order mark' },
  json_syntax: { code: PARSE_ERROR, status: 400, text: 'expected JSON' },
  json_trailing_data: { code: PARSE_ERROR, status: 400, text: 'expected one JSON value' },
  json_too_deep: { code: PARSE_ERROR, status: 400, text: 'the JSON is nested too deeply' },
  json_duplicate_key: { code: PARSE_ERROR, status: 400, text: 'expected each member once' },
  json_colliding_key: {
    code: PARSE_ERROR,
    status: 400,
    text: 'expected member names that differ by more than case',
  },
  json_unsafe_key: { code: PARSE_ERROR, status: 400, text: 'unsafe member name' },
  json_lone_surrogate: { code: PARSE_ERROR, status: 400, text: 'expected paired surrogates' },
  json_unsafe_number: { code: PARSE_ERROR, status: 400, text: 'expected numbers within 2^53' },
  // the message
  message_batch: { code: INVALID_REQUEST, status: 400, text: 'batches are not supported' },
  message_shape: { code: INVALID_REQUEST, status: 400, text: 'expected a JSON-RPC 2.0 message' },
  message_response: { code: INVALID_REQUEST, status: 400, text: 'no request awaits this response' },
  envelope_invalid: { code: INVALID_PARAMS, status: 400, text: 'invalid request `_meta`' },
  header_mismatch: {
    code: HEADER_MISMATCH,
    status: 400,
    text: 'the request headers and the body disagree',
  },
  version_unsupported: {
    code: UNSUPPORTED_VERSION,
    status: 400,
    text: 'unsupported protocol version',
  },
  capability_missing: {
    code: MISSING_CLIENT_CAPABILITY,
    status: 400,
    text: 'the request needs a capability that the client did not declare',
  },
  // the method and its parameters
  method_not_found: { code: METHOD_NOT_FOUND, status: BY_ERA(404), text: 'method not found' },
  params_invalid: { code: INVALID_PARAMS, status: IN_BAND, text: 'invalid parameters' },
  cursor_invalid: { code: INVALID_PARAMS, status: IN_BAND, text: 'invalid cursor' },
  // What does not exist and what the caller may not see are told alike.
  unknown_tool: { code: INVALID_PARAMS, status: IN_BAND, text: 'unknown tool' },
  unknown_prompt: { code: INVALID_PARAMS, status: IN_BAND, text: 'unknown prompt' },
  unknown_resource: { code: INVALID_PARAMS, status: IN_BAND, text: 'unknown resource' },
  arguments_invalid: {
    code: INVALID_PARAMS,
    status: IN_BAND,
    text: 'the arguments do not conform to the reviewed schema',
  },
  argument_ambiguous: {
    code: INVALID_PARAMS,
    status: IN_BAND,
    text: 'an argument is not in its canonical form',
  },
  argument_unsaid: {
    code: INVALID_PARAMS,
    status: IN_BAND,
    text: 'an argument that says what the call reaches is left to a default',
  },
  // the decision: the caller is told the constraint and the remedy (in `data`), nothing else
  denied: NOT_PERMITTED,
  not_covered: NOT_PERMITTED,
  step_up: { code: STEP_UP, status: 403, text: 'a stronger proof of the caller is required' },
  approval_required: { code: APPROVAL_REQUIRED, status: IN_BAND, text: 'approval required' },
  limit_exhausted: { code: DENIED, status: IN_BAND, text: 'a limit of the delegation is used up' },
  nobody_entitled: { code: DENIED, status: IN_BAND, text: 'nobody may approve this call' },
  shown_too_large: { code: DENIED, status: IN_BAND, text: 'the call is too large to be approved' },
  too_many_open: { code: DENIED, status: IN_BAND, text: 'too many calls wait for approval' },
  approval_not_usable: {
    code: APPROVAL_REQUIRED,
    status: IN_BAND,
    text: 'the approval cannot be used',
  },
  unknown_approval: { code: DENIED, status: IN_BAND, text: 'no such approval' },
  approval_for_another_call: {
    code: APPROVAL_REQUIRED,
    status: IN_BAND,
    text: 'the approval is for another call',
  },
  token_revoked: { code: NOT_STANDING, status: IN_BAND, text: 'the token is no longer valid' },
  unknown_delegation: ENDED,
  delegation_not_standing: ENDED,
  delegation_suspended: ENDED,
  delegation_completed: ENDED,
  delegation_revoked: ENDED,
  delegation_expired: ENDED,
  person_inactive: ENDED,
  not_as_signed: ENDED,
  nobody_accountable: {
    code: NOT_STANDING,
    status: IN_BAND,
    text: 'nobody answers for this agent at present',
  },
  server_quarantined: { code: UNAVAILABLE, status: IN_BAND, text: 'the server is in quarantine' },
  // what went wrong beyond us
  facts_changed: { code: UNAVAILABLE, status: 503, text: 'try again' },
  conversation_full: {
    code: NOT_STANDING,
    status: IN_BAND,
    text: 'the conversation is full: another begins under another delegation',
  },
  // Lists and refusals of one agent, too many in a short time to be recorded.
  too_many_idle: { code: UNAVAILABLE, status: 429, text: 'too many requests without effect' },
  unavailable: { code: UNAVAILABLE, status: 503, text: 'temporarily unavailable' },
  upstream_failed: { code: UPSTREAM, status: IN_BAND, text: 'the server failed' },
  upstream_timed_out: {
    code: UPSTREAM,
    status: IN_BAND,
    text: 'the server did not answer in time',
  },
  result_withheld: { code: UPSTREAM, status: IN_BAND, text: 'the result was withheld' },
  outcome_unknown: {
    code: UPSTREAM,
    status: IN_BAND,
    text: 'the outcome is unknown; the call is not repeated',
  },
  internal: { code: INTERNAL_ERROR, status: 500, text: 'internal error' },
} as const satisfies Record<string, Row>

/** Every reason that the table knows. */
export type RefusalReason = keyof typeof TABLE

/** The error to answer `reason` with: its HTTP status and its JSON-RPC error. `data` must be public. */
export function errorFor(
  reason: string,
  era: Era,
  data?: JsonObject,
): { readonly status: number; readonly error: RpcError } {
  const row: Row = isReason(reason) ? TABLE[reason] : TABLE.internal
  return {
    status: typeof row.status === 'number' ? row.status : row.status[era],
    error: { code: row.code, message: row.text, ...(data === undefined ? {} : { data }) },
  }
}

function isReason(reason: string): reason is RefusalReason {
  return Object.hasOwn(TABLE, reason)
}
