/** Records a refusal with everything that was said, and answers with as little as helps. */

import type { Verdict } from '../audit/entry.ts'
import type { Clock } from '../base/clock.ts'
import type { Admissions } from './admit.ts'
import type { CallAnswer, Told } from './call.ts'
import { callMembers, callerOf } from './call-entry.ts'
import type { RefusedCall } from './judge.ts'

/** Durable when it resolves. */
export async function recordRefusal(
  refused: RefusedCall,
  env: { readonly clock: Clock; readonly admissions: Admissions },
): Promise<CallAnswer> {
  const { call, known, by, reason, judged } = refused
  await env.admissions.record({
    sealings: [{ value: call.action.arguments, subject: call.caller.delegation }],
    entry: ([content]) => ({
      v: 1,
      kind: 'call_refused',
      time: env.clock.nowMilliseconds(),
      by: callerOf(call),
      ...callMembers(call, known, judged),
      ...(content !== undefined && { arguments: content }),
      constraint: by,
      reason,
    }),
  })
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
