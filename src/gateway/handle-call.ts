/**
 * One delegated call, from the request to the recorded outcome. HEART: read it top to bottom.
 *
 * Call `handleCall` for an authenticated request whose server is known. Everything that could refuse
 * comes before `admit`; the effect comes after the intended entry is durable (`record first`); what the
 * server answered is recorded before the agent sees it.
 *
 * INVARIANT (three constraints): the only way to `perform` is a permit on facts that `admit` found
 * unchanged. A refusal is recorded with what each constraint said; the caller is told the constraint
 * and the remedy.
 */

import type { WriteRefusal } from '../audit/log-writer.ts'
import type { Upstreams } from '../upstream/upstreams.ts'
import { type Admission, type Admissions, intendedEntry } from './admit.ts'
import type { Call, CallAnswer } from './call.ts'
import type { Busy, CallsUnderWay } from './under-way.ts'
import type { FactsCache } from './facts-cache.ts'
import { type JudgedCall, type JudgeEnv, judge, type RefusedCall } from './judge.ts'
import { type OutcomeEnv, recordOutcome } from './record-outcome.ts'
import { recordRefusal, type RefusalEnv, told } from './record-refusal.ts'
import type { ServersCache } from './servers-cache.ts'
import { spendingOf } from './spend.ts'

/** What a call needs around it. */
export interface CallEnv extends JudgeEnv, OutcomeEnv, RefusalEnv {
  readonly facts: FactsCache
  readonly servers: ServersCache
  readonly admissions: Admissions
  readonly upstreams: Upstreams
  readonly underWay: CallsUnderWay
}

/** Facts may change between decision and admission; after this many times the caller is asked to retry. */
const MOST_ATTEMPTS = 4

/** Judges, records, makes and records one call. */
export async function handleCall(asked: Call, env: CallEnv): Promise<CallAnswer> {
  return await env.underWay.during(asked, (busy) => handle(asked, busy, env))
}

async function handle(asked: Call, busy: Busy, env: CallEnv): Promise<CallAnswer> {
  let call = asked
  let known = await env.facts.of(call.caller)
  for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
    const judgement = await judge(call, known, env)
    if (judgement.outcome === 'permit') {
      const { judged } = judgement
      const admission = await admit(judged, busy, env)
      if (admission.ok) {
        return await perform({ judged, intended: admission.value.index }, busy, env)
      }
      const why = whyNotAdmitted(admission.error)
      if (why !== undefined) return await recordRefusal({ ...judged, judged, ...why }, env)
      call = await reread(call, env)
    } else if (!known.cached) {
      // What was cached only refuses when the facts as they stand now refuse too.
      return judgement.outcome === 'refuse'
        ? await recordRefusal(judgement.refused, env)
        : await askForApproval(judgement.judged, env)
    }
    known = await env.facts.fresh(call.caller)
  }
  return await recordRefusal({ call, known, by: 'admission', reason: 'facts_changed' }, env)
}

/** Who refuses a call that was permitted, and why; undefined if it may be decided again. */
function whyNotAdmitted(refusal: WriteRefusal): Pick<RefusedCall, 'by' | 'reason'> | undefined {
  switch (refusal.reason) {
    case 'stale':
      return undefined
    case 'ended':
      return { by: 'admission', reason: 'token_revoked' }
    case 'expired':
      return { by: 'intent', reason: 'delegation_expired' }
    case 'not_admitted':
      return { by: 'intent', reason: refusal.cause }
    default:
      return refusal satisfies never
  }
}

/** The same call to the server as it is registered now. */
async function reread(call: Call, env: CallEnv): Promise<Call> {
  const again = await env.servers.reread(call.server.name)
  // It was withdrawn meanwhile: what is known of it refuses by its state.
  const gone = {
    server: { ...call.server, state: 'withdrawn' as const },
    readAt: call.serverReadAt,
  }
  const { server, readAt } = again ?? gone
  return { ...call, server, serverReadAt: readAt }
}

/** Refuses with the id of a request that an entitled person can answer. */
async function askForApproval(judged: JudgedCall, env: CallEnv): Promise<CallAnswer> {
  const { constraint = 'intent', remedy } = judged.decision
  const asked = await env.approvals.request(judged)
  const reason = asked.ok ? 'approval_required' : asked.error.reason
  const refused = await recordRefusal({ ...judged, by: constraint, reason, judged }, env)
  // What could not be recorded is not told either: the request stands, and is found by who asks later.
  if (!asked.ok || refused.told === undefined) return refused
  const outcome = 'approval_required'
  return {
    type: 'refused',
    reason,
    told: told({ outcome, constraint, remedy, approval: asked.value }),
  }
}

async function admit(judged: JudgedCall, busy: Busy, env: CallEnv): Promise<Admission> {
  const { call } = judged
  const entry = intendedEntry(judged, env)
  // Before it is admitted: what ends its authority afterwards must find it.
  busy.standOn(entry.relied)
  return await env.admissions.admit({
    entry,
    sealings: [{ value: call.action.arguments, subject: call.caller.delegation }],
    ...spendingOf(judged, env),
  })
}

/** Makes the call, once, and records how it ended. Nothing in here refuses: the call was admitted. */
async function perform(
  admitted: { readonly judged: JudgedCall; readonly intended: number },
  busy: Busy,
  env: CallEnv,
): Promise<CallAnswer> {
  const { server, action } = admitted.judged.call
  const { timeoutMilliseconds, outputLimitBytes } = server
  const { tier } = admitted.judged.target.resource
  const started = env.clock.nowMilliseconds()
  const answer = await env.upstreams.call(
    server,
    { method: action.method, params: action.params },
    { signal: busy.signal, timeoutMilliseconds, outputLimitBytes, tier },
  )
  const milliseconds = env.clock.nowMilliseconds() - started
  const recorded = await recordOutcome({ ...admitted, answer, milliseconds }, busy, env)
  // INVARIANT (record first): nobody sees a result that is not in the record.
  if (!recorded) return { type: 'refused', reason: 'outcome_unknown' }
  return 'result' in answer
    ? { type: 'result', result: answer.result }
    : { type: 'refused', reason: answer.error.reason }
}
