/** Records a refusal with everything that was said, and answers with as little as helps. */

import type { Verdict } from '../audit/entry.ts'
import { digestOfJson } from '../base/bytes.ts'
import { canonicalJson } from '../base/canonical-json.ts'
import type { Clock } from '../base/clock.ts'
import type { Diagnostics } from '../base/diagnostics.ts'
import {
  type RefusalBudget,
  refusalBeside,
  suspendIfOverspent,
} from '../delegation/refusal-budget.ts'
import { agentIdSchema } from '../identity/agent.ts'
import type { Store } from '../store/store.ts'
import type { Admissions } from './admit.ts'
import type { CallAnswer, Told } from './call.ts'
import { actingAgent, callMembers, callerOf } from './call-entry.ts'
import type { RefusedCall } from './judge.ts'

/** Larger arguments of a call without effect are not kept: their digest says which they were. */
const MOST_KEPT_BYTES = 65_536

/** What recording a refusal needs. */
export interface RefusalEnv {
  readonly store: Store
  readonly clock: Clock
  readonly diagnostics: Diagnostics
  readonly admissions: Admissions
  readonly refusalBudget: RefusalBudget
}

/**
 * Durable when it resolves; refuses without a record the agent that was refused too often just now. One
 * that is beyond its budget is suspended before it is answered.
 */
export async function recordRefusal(
  refused: RefusedCall,
  env: RefusalEnv,
): Promise<Extract<CallAnswer, { type: 'refused' }>> {
  const { call, known, by, reason, judged } = refused
  const { arguments: args } = call.action
  const isKept = Buffer.byteLength(canonicalJson(args)) <= MOST_KEPT_BYTES
  const agent = agentIdSchema.parse(actingAgent(call))
  const isReaching = isOwnDoing(refused)
  const recorded = await env.admissions.recordIdle(agent, {
    sealings: isKept ? [{ value: args, subject: call.caller.delegation }] : [],
    ...(isReaching && { rows: () => [refusalBeside(agent)] }),
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
  if (isReaching) await suspendIfOverspent({ agent, delegation: call.caller.delegation }, env)
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

/** Denials that say nothing of the agent: what ended, what erred here. */
const OF_OTHERS: ReadonlySet<string> = new Set(['not_active', 'policy_error', 'not_confirmed'])

/**
 * Whether the agent reached for what it was not given, and so whether the refusal counts against it.
 *
 * What others can bring about does not count, or they could have the agent suspended: authority that
 * ended, a server in quarantine, a limit that another agent of the tree used up, facts that keep changing,
 * a question that a person has to answer.
 */
function isOwnDoing({ by, reason, judged }: RefusedCall): boolean {
  if (by === 'registry') return reason === 'argument_ambiguous'
  if (by === 'admission' || judged?.decision.outcome !== 'deny') return false
  return !OF_OTHERS.has(judged.decision.reason ?? '')
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
