/** Form parameters as OAuth wants them read (RFC 6749 §3.2). */

import { ok, type Result } from '../base/result.ts'
import { type OAuthError, refuseRequest } from './errors.ts'

/** A decoded `application/x-www-form-urlencoded` body; `URLSearchParams` is one. */
export type Form = Iterable<readonly [name: string, value: string]>

/** The parameters of a form that have a value. */
export type FormValues = Readonly<Record<string, string>>

/** The longest value: a signed delegation. */
const MAX_VALUE_LENGTH = 65_536
const MAX_PARAMETERS = 50

/** The parameters that have a value, by name. Unknown ones are kept: they are the caller's to ignore. */
export function readForm(form: Form): Result<FormValues, OAuthError> {
  const values = new Map<string, string>()
  let count = 0
  for (const [name, value] of form) {
    if (++count > MAX_PARAMETERS || value.length > MAX_VALUE_LENGTH) {
      return refuseRequest('parameter_too_long')
    }
    // RFC 6749 §3.2: parameters MUST NOT be included more than once, so not even with the same value.
    // RFC 8707 §2 lets `resource` repeat; a token of ours is for one, so here it may not.
    if (values.has(name)) {
      return refuseRequest(name === 'resource' ? 'resource_not_delegated' : 'parameter_repeated')
    }
    values.set(name, value)
  }
  // RFC 6749 §3.2: a parameter without a value is treated as if it were omitted.
  return ok(Object.fromEntries([...values].filter(([, value]) => value !== '')))
}
