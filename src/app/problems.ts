/** One table from our reasons to problems (RFC 9457): status and title. An unlisted reason is a 409. */

import { PROBLEM_TYPE } from '../api/operation.ts'
import type { Refusal } from '../base/result.ts'
import type { HttpAnswer } from './http.ts'

const TITLES: Readonly<Record<number, string>> = {
  400: 'bad request',
  401: 'not signed in',
  403: 'not permitted',
  404: 'not found',
  409: 'not possible as things are',
  413: 'too large',
  429: 'too many requests',
}

const STATUS: Readonly<Record<string, number>> = {
  not_signed_in: 401,
  not_authenticated: 401,
  bad_code: 401,
  not_permitted: 403,
  not_entitled: 403,
  own_proposal: 403,
  review_required: 403,
  step_up_required: 403,
  json_too_large: 413,
  too_many_idle: 429,
  too_many_requests: 429,
  model_busy: 429,
  trials_busy: 429,
}

/** The status of a reason: by the table, else by how the reason begins. */
function statusOf(reason: string): number {
  const listed = STATUS[reason]
  if (listed !== undefined) return listed
  if (reason.startsWith('unknown_')) return 404
  if (/^(?:bad_|invalid_|json_|malformed_)/.test(reason)) return 400
  return 409
}

/** The answer for a refusal. `message` is public by convention: what was expected, never a secret. */
export function problem(
  refusal: Refusal & {
    readonly headers?: HttpAnswer['headers']
    /** Everything that is wrong, where there may be more than one thing (RFC 9457 §3.2). */
    readonly problems?: readonly string[]
  },
): HttpAnswer {
  const status = statusOf(refusal.reason)
  const body = {
    type: `urn:behalf:problem:${refusal.reason}`,
    title: TITLES[status],
    status,
    detail: refusal.message ?? refusal.reason.replaceAll('_', ' '),
    reason: refusal.reason,
    ...(refusal.problems !== undefined && { problems: refusal.problems.slice(0, 100) }),
  }
  const challenge = status === 401 ? { 'www-authenticate': 'Bearer' } : {}
  // RFC 6585 §4.
  const later = status === 429 ? { 'retry-after': '1' } : {}
  return {
    status,
    headers: { 'content-type': PROBLEM_TYPE, ...challenge, ...later, ...refusal.headers },
    body: JSON.stringify(body),
  }
}
