/** Cedar text in its canonical form, comments kept. Call `formatted`. */

import { formatPolicies } from '@cedar-policy/cedar-wasm/nodejs'
import { ok, refuse, type Result } from '../base/result.ts'

const LINE_WIDTH = 80

/** The text as the formatter writes it; refuses one that does not parse. */
export function formatted(
  text: string,
): Result<string, { reason: 'invalid_policies'; message: string }> {
  const answer = formatPolicies({ policyText: text, lineWidth: LINE_WIDTH, indentWidth: 2 })
  if (answer.type === 'success') return ok(answer.formatted_policy)
  const message = answer.errors[0]?.message ?? 'expected policies'
  return refuse({ reason: 'invalid_policies', message })
}
