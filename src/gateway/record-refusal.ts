/** Records a refusal with everything that was said, and answers with as little as helps. */

import type { Verdict } from '../audit/entry.ts'
import { digestOfJson } from '../base/bytes.ts'
import { canonicalJson } from '../base/canonical-json.ts'
import type { Clock } from '../base/clock.ts'
import type { Admissions } from './admit.ts'
import type { CallAnswer, Told } from './call.ts'
import { actingAgent, callMembers, callerOf } from './call-entry.ts'
import type { RefusedCall } from './judge.ts'

/** Larger arguments of a call without effect are not kept: their digest says which they were. */
const MOST_KEPT_BYTES = 65_536

/** Durable when it resolves; refuses without a record the agent that was refused too often just now. */
export async function recordRefusal(
  refused: RefusedCall,
  env: { readonly clock: Clock; readonly admissions: Admissions },
): Promise<Extract<CallAnswer, { type: 'refused' }>> {
  const { call, known, by, reason, judged } = refused
  const { arguments: args } = call.action
  const isKept = Buffer.byteLength(canonicalJson(args)) <= MOST_KEPT_BYTES
  const recorded = await env.admissions.recordIdle(actingAgent(call), {
    sealings: isKept ? [{ value: args, subject: call.caller.delegation }] : [],
    entry: ([content]) => ({
      v: 1,
      kind: 'call_refused',
      time: env.clock.nowMilliseconds(),
      by: callerOf(call),
      ...callMembers(call, known, judged),
      ...(content === undefined ? { argumentsDigest: digestOfJson(args) } : { arguments: content }),
      constraint: by,
      reason,
    }),
  })
  if (!recorded) return { type: 'refused', reason: 'too_many_idle' }
  // Registry and admission refuse without a judgement of anybody: the protocol's own words say it all.
  if (by === 'registry' || by === 'admission') return { type: 'refused', reason }
  const outcome = judged?.decision.outcome === 'step_up' ? 'step_up' : 'deny'
  const remedy = REMEDIES[reason] ?? judged?.decision.remedy
  return {
    type: 'refused',
    reason: outcome === 'step_up' ? 'step_up' : 'denied',
    told: told({ outcome, constraint: by, remedy }),
  }
}

/** What the caller is told, without the members that are undefined. */
export function told(about: {
  readonly outcome: Told['outcome']
  readonly constraint: Verdict['constraint']
  readonly remedy: string | undefined
  readonly approval?: string
}): Told {
  const { remedy, ...rest } = about
  return remedy === undefined ? rest : { ...rest, remedy }
}

/** For refusals that are no decision's own. */
const REMEDIES: Readonly<Record<string, string>> = {
  limit_exhausted: 'A limit of the delegation is used up.',
  delegation_suspended: 'The delegation is suspended.',
  delegation_completed: 'The delegation is completed.',
  delegation_revoked: 'The delegation was revoked.',
  delegation_expired: 'The delegation has expired.',
}
