/**
 * A decision that stopped a tool call, as a tool result: the model reads it, and a client that knows
 * us reads `_meta`. A JSON-RPC error would reach many models as nothing but "the tool failed".
 */

import type { JsonObject } from '../base/canonical-json.ts'
import { isObject } from '../mcp/message.ts'
import type { Told } from './call.ts'

/** The `_meta` key under which the outcome of a decision stands. */
const DECISION_META = 'behalf/decision'

/** The result that tells a model what was decided. */
export function refusalResult({ outcome, constraint, remedy, approval }: Told): JsonObject {
  const what =
    outcome === 'approval_required'
      ? `This call waits for a person's approval (${approval}). Make the same call again once it is approved.`
      : `Not permitted: refused by the ${constraint} constraint.`
  return {
    content: [{ type: 'text', text: remedy === undefined ? what : `${what} ${remedy}` }],
    isError: true,
    _meta: { [DECISION_META]: { outcome, constraint, remedy, approval } },
  }
}

/** A server's result without what only we may say: a decision that it claims is not ours. */
export function withoutDecision(result: JsonObject): JsonObject {
  const { _meta: meta, ...rest } = result
  if (!isObject(meta) || !Object.hasOwn(meta, DECISION_META)) return result
  const { [DECISION_META]: _claimed, ...others } = meta
  return { ...rest, _meta: others }
}
