/**
 * One delegated call, from the request to the recorded outcome. HEART: read it top to bottom.
 *
 * Call `handleCall` for an authenticated request whose server is known. Everything that could refuse
 * comes before `admit`; the effect comes after the intended entry is durable (`record first`); what the
 * server answered is recorded before the agent sees it.
 *
 * INVARIANT (three constraints): the only way to `perform` is a permit by `decide` on facts that `admit`
 * found unchanged. A refusal is recorded with what each constraint said; the caller is told the
 * constraint and the remedy.
 */

import type { Actor, Entry, Verdict } from '../audit/entry.ts'
import type { Vault } from '../audit/vault.ts'
import { type Digest, digestOfJson } from '../base/bytes.ts'
import type { JsonObject } from '../base/canonical-json.ts'
import { type Clock, nowSeconds } from '../base/clock.ts'
import type { Diagnostics } from '../base/diagnostics.ts'
import type { Random } from '../base/random.ts'
import {
  insertSegment,
  intentSegment,
  loadSegments,
  newSegment,
  type Segment,
} from '../channel/segment.ts'
import { type Provenance, trace } from '../channel/trace.ts'
import { type Decision, decide } from '../decision/decide.ts'
import type { ApprovalFacts } from '../decision/facts.ts'
import { type CallFacts, covers } from '../delegation/covers.ts'
import { standing } from '../delegation/standing.ts'
import type { Store } from '../store/store.ts'
import { tokenSubject } from '../token/revoked-tokens.ts'
import type { CallOutcome } from '../upstream/call.ts'
import type { Upstreams } from '../upstream/upstreams.ts'
import type { Admissions } from './admit.ts'
import type { Approvals } from './approvals.ts'
import type { Call, CallAnswer } from './call.ts'
import type { FactsCache, KnownFacts } from './facts-cache.ts'
import { needsSpending, spend, type Spending } from './spend.ts'
import { findTarget, type Target } from './target.ts'
import { warningsIn } from './warnings.ts'

/** What a call needs around it. */
export interface CallEnv {
  readonly store: Store
  readonly vault: Vault
  readonly clock: Clock
  readonly random: Random
  readonly diagnostics: Diagnostics
  /** The public origin. */
  readonly issuer: string
  readonly facts: FactsCache
  readonly approvals: Approvals
  readonly admissions: Admissions
  readonly upstreams: Upstreams
}

/** A decided call: everything that its entry says. */
interface Judged {
  readonly decision: Decision
  readonly provenance: readonly Provenance[]
  readonly argumentsDigest: Digest
  readonly approval?: ApprovalFacts
}

/** Facts may change between decision and admission; after this many times the caller is asked to retry. */
const MOST_ATTEMPTS = 4

/** Decides, records, makes and records one call. */
export async function handleCall(call: Call, env: CallEnv): Promise<CallAnswer> {
  let known = await env.facts.of(call.caller)
  for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
    const stands = standing(known.tree, nowSeconds(env.clock))
    if (!stands.ok) {
      if (known.cached) known = await env.facts.fresh(call.caller)
      else
        return await refused(
          call,
          known,
          { reason: stands.error.reason, constraint: 'intent' },
          env,
        )
      continue
    }
    const target = findTarget(call)
    if (!target.ok)
      return await refused(
        call,
        known,
        { reason: target.error.reason, constraint: 'registry' },
        env,
      )

    const judged = await judge(call, target.value, known, env)
    const { decision } = judged
    if (decision.outcome !== 'permit') {
      // What was cached only refuses when the facts as they stand now refuse too.
      if (known.cached) known = await env.facts.fresh(call.caller)
      else if (decision.outcome === 'approval_required')
        return await askForApproval(call, target.value, known, judged, env)
      else
        return await refused(
          call,
          known,
          {
            reason: decision.reason ?? 'denied',
            constraint: decision.constraint ?? 'guardrail',
            judged,
          },
          env,
        )
      continue
    }

    // INVARIANT (pinned definitions): a resource may be permitted that no reviewer accepted.
    if (target.value.digest === undefined) {
      return await refused(
        call,
        known,
        { reason: 'unknown_resource', constraint: 'registry', judged },
        env,
      )
    }
    const admission = await admit(call, target.value, known, judged, env)
    if (admission.ok) return await perform(call, target.value, admission.value.index, env)
    if (admission.error.reason !== 'stale') {
      const reason =
        admission.error.reason === 'expired' ? 'delegation_expired' : admission.error.cause
      return await refused(call, known, { reason, constraint: 'intent', judged }, env)
    }
    known = await env.facts.fresh(call.caller)
  }
  return await refused(call, known, { reason: 'facts_changed', constraint: 'admission' }, env)
}

/** What the three constraints say, on these facts; with an approval if one was given to exactly this call. */
async function judge(call: Call, target: Target, known: KnownFacts, env: CallEnv): Promise<Judged> {
  const provenance = await provenanceOf(call, target, known, env)
  const argumentsDigest = digestOfJson(call.action.arguments)
  const decideWith = (approval?: ApprovalFacts): Decision =>
    decide(
      {
        agents: known.facts.agents,
        people: known.facts.people,
        delegation: known.facts.delegation,
        action: call.action.method,
        resource: target.resource,
        context: {
          stage: known.facts.stage,
          acr: call.caller.acr,
          boundBy: call.caller.boundBy,
          time: nowSeconds(env.clock),
          arguments: call.action.arguments,
          provenance,
          intent: covers(call.caller.details, intentFacts(call, target, known, env)),
          ...(approval !== undefined && { approval }),
        },
      },
      known.policies,
      env,
    )
  const decision = decideWith()
  if (decision.outcome !== 'approval_required') return { decision, provenance, argumentsDigest }
  const approval = await env.approvals.found(call, target, argumentsDigest)
  if (approval === undefined) return { decision, provenance, argumentsDigest }
  // INVARIANT (approval binding): decided again with the approval, which `admit` consumes.
  return { decision: decideWith(approval), provenance, argumentsDigest, approval }
}

function intentFacts(call: Call, target: Target, known: KnownFacts, env: CallEnv): CallFacts {
  return {
    location: `${env.issuer}/mcp/${call.server.name}`,
    action: call.action.action,
    arguments: call.action.arguments,
    stage: known.facts.stage,
    sinks: target.resource.sinks.map((sink) => sink.path),
    at: nowSeconds(env.clock),
  }
}

/** Where the arguments came from; asked only where the answer can matter. */
async function provenanceOf(
  call: Call,
  target: Target,
  known: KnownFacts,
  env: CallEnv,
): Promise<readonly Provenance[]> {
  if (!target.resource.consequential && target.resource.sinks.length === 0) return []
  const { delegation } = known.tree
  const shown = await loadSegments(env.store.db, call.caller.agents, env.vault)
  const said = intentSegment(delegation, delegation.details as unknown as readonly JsonObject[])
  return trace([said, ...shown], call.action.arguments)
}

async function askForApproval(
  call: Call,
  target: Target,
  known: KnownFacts,
  judged: Judged,
  env: CallEnv,
): Promise<CallAnswer> {
  const { decision } = judged
  const constraint = decision.constraint ?? 'intent'
  const intent = intentFacts(call, target, known, env)
  const asked = await env.approvals.request({ call, target, known, intent, ...judged })
  if (!asked.ok) return await refused(call, known, { reason: asked.error.reason, constraint }, env)
  await record(call, known, { reason: 'approval_required', constraint, judged }, env)
  const { remedy } = decision
  return {
    type: 'refused',
    reason: 'approval_required',
    told: {
      outcome: 'approval_required',
      constraint,
      approval: asked.value,
      ...(remedy !== undefined && { remedy }),
    },
  }
}

async function admit(
  call: Call,
  target: Target,
  known: KnownFacts,
  judged: Judged,
  env: CallEnv,
): ReturnType<Admissions['admit']> {
  const { approval } = judged
  const spending: Spending = {
    call,
    target,
    known,
    ...judged,
    intent: intentFacts(call, target, known, env),
  }
  return await env.admissions.admit({
    entry: {
      v: 1,
      kind: 'call_intended',
      time: env.clock.nowMilliseconds(),
      by: actorOf(call),
      ...described(call, known, judged),
      ...(target.digest !== undefined && { definition: target.digest }),
      argumentsDigest: judged.argumentsDigest,
      readAt: Math.min(known.readAt, call.serverReadAt),
      relied: [...known.facts.relied, call.server.id, tokenSubject(call.caller.jti)],
      ...(approval !== undefined && { approval: approval.id }),
      expiresAt: Math.min(call.caller.expiresAt, known.tree.delegation.expiresAt) * 1_000,
    },
    sealings: [{ value: call.action.arguments, subject: call.caller.delegation }],
    ...(needsSpending(spending) && { also: spend(spending, env) }),
  })
}

/** Makes the call and records how it ended. Nothing in here refuses: the call was admitted. */
async function perform(
  call: Call,
  target: Target,
  intended: number,
  env: CallEnv,
): Promise<CallAnswer> {
  const started = env.clock.nowMilliseconds()
  const { server, action, signal } = call
  const { timeoutMilliseconds, outputLimitBytes } = server
  const answer = await env.upstreams.call(
    server,
    { method: action.method, params: action.params },
    { signal, timeoutMilliseconds, outputLimitBytes },
  )
  const milliseconds = env.clock.nowMilliseconds() - started
  await recordOutcome({ call, target, intended, answer, milliseconds }, env)
  return 'result' in answer
    ? { type: 'result', result: answer.result }
    : { type: 'refused', reason: answer.error.reason }
}

interface Outcome {
  readonly call: Call
  readonly target: Target
  readonly intended: number
  readonly answer: CallOutcome
  readonly milliseconds: number
}

/** The result payload is the segment: what the agent is shown next, authored by the server. */
async function recordOutcome(outcome: Outcome, env: CallEnv): Promise<void> {
  const { call, target, intended, answer, milliseconds } = outcome
  const { delegation } = call.caller
  const result = 'result' in answer ? answer.result : undefined
  const warnings = result === undefined ? [] : warningsIn(result, target)
  const segment = result === undefined ? undefined : segmentOf(call, target, env)
  await env.admissions.record({
    sealings: result === undefined ? [] : [{ value: result, subject: delegation }],
    also: async (tx, [content]) => {
      if (segment !== undefined && content !== undefined) await insertSegment(tx, segment, content)
    },
    entry: ([content]) => ({
      v: 1,
      kind: 'call_outcome',
      time: env.clock.nowMilliseconds(),
      by: { type: 'system', part: 'gateway' },
      call: call.id,
      intended,
      delegation,
      outcome: answer.outcome,
      ...(content !== undefined && { result: content }),
      ...(segment !== undefined && { segment: segment.id }),
      ...(warnings.length > 0 && { warnings }),
      milliseconds,
    }),
  })
}

const SEGMENT_KINDS = {
  'tools/call': 'tool_result',
  'resources/read': 'resource',
  'prompts/get': 'prompt',
  'completion/complete': 'tool_result',
} as const

function segmentOf(call: Call, target: Target, env: CallEnv): Segment {
  const about = {
    agent: actingAgent(call),
    delegation: call.caller.delegation,
    principal: call.server.id,
    kind: SEGMENT_KINDS[call.action.method],
    trust: 'untrusted' as const,
    systemFields: target.systemFields,
  }
  return newSegment(about, env)
}

interface RefusalFacts {
  readonly reason: string
  readonly constraint: string
  readonly judged?: Judged
}

/** Records a refusal and answers with it. */
async function refused(
  call: Call,
  known: KnownFacts,
  refusal: RefusalFacts,
  env: CallEnv,
): Promise<CallAnswer> {
  await record(call, known, refusal, env)
  const { judged, reason, constraint } = refusal
  // Registry and admission refuse without a judgement of anybody: the table's own words say it all.
  if (!isConstraint(constraint)) return { type: 'refused', reason }
  const outcome = judged?.decision.outcome === 'step_up' ? 'step_up' : 'deny'
  const remedy = REMEDIES[reason] ?? judged?.decision.remedy
  return {
    type: 'refused',
    reason: outcome === 'step_up' ? 'step_up' : 'denied',
    told: { outcome, constraint, ...(remedy !== undefined && { remedy }) },
  }
}

function isConstraint(text: string): text is Verdict['constraint'] {
  return ['agent', 'person', 'intent', 'guardrail'].includes(text)
}

/** For refusals that are no decision's own. */
const REMEDIES: Readonly<Record<string, string>> = {
  limit_exhausted: 'A limit of the delegation is used up.',
  delegation_suspended: 'The delegation is suspended.',
  delegation_completed: 'The delegation is completed.',
  delegation_revoked: 'The delegation was revoked.',
  delegation_expired: 'The delegation has expired.',
}

async function record(
  call: Call,
  known: KnownFacts,
  refusal: RefusalFacts,
  env: CallEnv,
): Promise<void> {
  await env.admissions.record({
    sealings: [{ value: call.action.arguments, subject: call.caller.delegation }],
    entry: ([content]) => ({
      v: 1,
      kind: 'call_refused',
      time: env.clock.nowMilliseconds(),
      by: actorOf(call),
      ...described(call, known, refusal.judged),
      ...(content !== undefined && { arguments: content }),
      constraint: refusal.constraint,
      reason: refusal.reason,
    }),
  })
}

function actorOf(call: Call): Actor {
  const { delegation, person } = call.caller
  return { type: 'agent', agent: actingAgent(call), delegation, person }
}

function actingAgent({ caller }: Call): string {
  const [agent] = caller.agents
  if (agent === undefined) throw new Error('expected a token of ours to name its agent')
  return agent
}

/** The members that an intended and a refused call share. */
function described(
  call: Call,
  known: KnownFacts,
  judged: Judged | undefined,
): Omit<
  Extract<Entry, { kind: 'call_refused' }>,
  'v' | 'kind' | 'time' | 'by' | 'constraint' | 'reason'
> {
  return {
    call: call.id,
    delegation: call.caller.delegation,
    person: call.caller.person,
    agents: [...call.caller.agents],
    server: call.server.id,
    serverName: call.server.name,
    action: call.action.action,
    stage: known.facts.stage,
    verdicts: [...(judged?.decision.verdicts ?? [])] satisfies Verdict[],
    ...(judged !== undefined &&
      judged.provenance.length > 0 && {
        provenance: judged.provenance.map(({ path, from, grounded }) => ({
          path,
          from: [...from],
          grounded,
        })),
      }),
    ...(known.facts.accountable !== undefined && { accountable: known.facts.accountable }),
  }
}
