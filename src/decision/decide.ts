/**
 * Decides one MCP request: agent ∧ person ∧ intent, then the guardrails.
 *
 * Call `decide`. The same request is put to each agent of the act chain under the agents' policies, to
 * each person under the people's, to the delegation under the intent's, and to the agent that acts under
 * the guardrails. Each answers in two layers: **hard** (an error, a forbid, or no permit: denied, whatever
 * else holds) and then **soft** (a forbid with `@require`, which asks for a fact that is missing). A deny
 * by anybody is final; nobody is asked to approve what another constraint denies anyway.
 *
 * Which constraint is named: the first that did not permit, in the order agent, person, intent,
 * guardrail. An agent that steps out of its kind is told so even where its intent would not cover the
 * call either, and nobody learns what a delegation holds from calls that its agent could never make.
 *
 * HEART: the order of this file is the correctness argument; every path that is not a full permit denies.
 */

import type { Verdict } from '../audit/entry.ts'
import type { Diagnostics } from '../base/diagnostics.ts'
import type { Id } from '../base/id.ts'
import { agentUid, callFacts, personUid, type Subjectless } from './entities.ts'
import type { CedarRequest } from './expression.ts'
import type {
  AgentFacts,
  CallContext,
  DelegationFacts,
  PersonFacts,
  ResourceFacts,
} from './facts.ts'
import { disagreement } from './oracle.ts'
import { evaluate, type Evaluation, type PolicySet, type PolicySets } from './policy-set.ts'
import { EntityUid } from './value.ts'

/** One request and all facts that its decision may depend on. */
export interface DecisionRequest {
  /** The act chain, the agent that acts now first (RFC 8693 §4.1). */
  readonly agents: readonly AgentFacts[]
  /** The delegating person first, then each whose segments directed the call. */
  readonly people: readonly PersonFacts[]
  readonly delegation: DelegationFacts
  /** The MCP method. */
  readonly action: string
  readonly resource: ResourceFacts
  readonly context: CallContext
}

/** What was decided, and what each constraint said. */
export interface Decision {
  readonly outcome: Verdict['effect']
  /** For the record; never for the agent. */
  readonly verdicts: readonly Verdict[]
  /** The first constraint that did not permit; absent on a permit. */
  readonly constraint?: Verdict['constraint']
  /** A stable snake_case word for the record; absent on a permit. */
  readonly reason?: DecisionReason
  /** One sentence for the agent: what to do next, not what was checked; absent on a permit. */
  readonly remedy?: string
  /** Who is entitled to say yes; present exactly when `approval_required`. */
  readonly approver?: Id<'grp'> | Id<'per'>
}

/** Why a request was not permitted. */
type DecisionReason =
  | 'unknown_action'
  | 'facts_refused'
  | 'not_active'
  | 'policy_error'
  | 'forbidden'
  | 'not_permitted'
  /** Which part of the intent does not cover the call. */
  | 'outside_intent_action'
  | 'outside_intent_stage'
  | 'outside_intent_arguments'
  | 'outside_intent_sinks'
  | 'step_up_required'
  | 'approval_required'
  /** Cedar itself did not confirm a consequential permit. */
  | 'not_confirmed'

/** Decides one request. Never throws for what a request or a policy holds: that is a deny. */
export function decide(
  request: DecisionRequest,
  policies: PolicySets,
  env: { readonly diagnostics: Diagnostics },
): Decision {
  const judgements = judge(request, policies)
  const decided = conclude(judgements, request)
  if (decided.outcome !== 'permit' || !isConsequential(request.resource)) return decided
  // INVARIANT (three constraints): what matters is permitted only if two evaluators agree that it is.
  const checked = judgements.map((judgement) => confirmed(judgement, env.diagnostics))
  return conclude(checked, request)
}

/**
 * What `decide` comes to before Cedar is asked to confirm it: for searches that put thousands of made-up
 * requests, never for a call.
 */
export function foresee(request: DecisionRequest, policies: PolicySets): Decision {
  return conclude(judge(request, policies), request)
}

/**
 * Whether a list shows this to the caller: some arguments could be permitted now, perhaps after a
 * step-up or an approval. The request's own arguments, provenance and intent beyond action and stage do
 * not count.
 */
export function mayOffer(request: DecisionRequest, policies: PolicySets): boolean {
  const { context } = request
  const intent = { ...context.intent, arguments: true, sinks: true }
  const bare = { ...context, arguments: {}, provenance: [], intent }
  return conclude(judge({ ...request, context: bare }, policies), request).outcome !== 'deny'
}

/** What one constraint says of one subject, and what it takes to ask Cedar the same. */
interface Judgement {
  readonly verdict: Verdict
  readonly reason?: DecisionReason
  readonly asked?: { readonly set: PolicySet; readonly request: CedarRequest }
}

const MAX_AGENTS = 16
const MAX_PEOPLE = 20

function judge(request: DecisionRequest, policies: PolicySets): readonly Judgement[] {
  const { agents, people, delegation } = request
  const [acting] = agents
  const [person] = people
  if (acting === undefined || person === undefined) {
    return [denied('intent', delegation.id, policies.intent, 'facts_refused')]
  }
  if (agents.length > MAX_AGENTS || people.length > MAX_PEOPLE) {
    return [denied('agent', acting.id, policies.agent, 'facts_refused')]
  }
  const facts = callFacts(request)
  if (!facts.ok) {
    const { reason, message } = facts.error
    return [denied('guardrail', acting.id, policies.guardrail, reason, message)]
  }
  return [
    ...agents.map((agent) =>
      agent.state === 'active'
        ? ask('agent', agent.id, policies.agent, as(agentUid(agent), facts.value))
        : denied('agent', agent.id, policies.agent, 'not_active'),
    ),
    ...people.map((one) =>
      one.active
        ? ask('person', one.id, policies.person, as(personUid(one), facts.value))
        : denied('person', one.id, policies.person, 'not_active'),
    ),
    explained(
      ask('intent', delegation.id, policies.intent, as(delegationUid(delegation), facts.value)),
      request.context.intent,
    ),
    ask('guardrail', acting.id, policies.guardrail, as(agentUid(acting), facts.value)),
  ]
}

function ask(
  constraint: Verdict['constraint'],
  subject: string,
  set: PolicySet,
  request: CedarRequest,
): Judgement {
  const evaluation = evaluate(set, request)
  const { effect, reason, policies } = layered(evaluation)
  const said = policies.find((policy) => policy.reason !== undefined)?.reason
  const verdict: Verdict = {
    constraint,
    subject,
    effect,
    policies: policies.slice(0, MAX_POLICIES).map(({ id }) => id),
    version: set.version,
    ...(said === undefined ? {} : { reason: said }),
  }
  return { verdict, ...(reason === undefined ? {} : { reason }), asked: { set, request } }
}

const MAX_POLICIES = 50

/** The two layers, in order. */
function layered({ permits, forbids, errors }: Evaluation): {
  effect: Verdict['effect']
  reason?: DecisionReason
  policies: Evaluation['permits']
} {
  // INVARIANT (three constraints): any error is a deny. Cedar skips a policy that errs, and a forbid that
  // is skipped would permit.
  if (errors.length > 0) return { effect: 'deny', reason: 'policy_error', policies: errors }
  const hard = forbids.filter(({ require }) => require === undefined)
  if (hard.length > 0) return { effect: 'deny', reason: 'forbidden', policies: hard }
  if (permits.length === 0) return { effect: 'deny', reason: 'not_permitted', policies: [] }
  const stepUps = forbids.filter(({ require }) => require === 'step_up')
  if (stepUps.length > 0) {
    return { effect: 'step_up', reason: 'step_up_required', policies: stepUps }
  }
  if (forbids.length > 0) {
    return { effect: 'approval_required', reason: 'approval_required', policies: forbids }
  }
  return { effect: 'permit', policies: permits }
}

/** Says which part of the intent does not cover the call, where that is why it was denied. */
function explained(judgement: Judgement, coverage: CallContext['intent']): Judgement {
  if (judgement.reason !== 'not_permitted') return judgement
  const missing = (['action', 'stage', 'arguments', 'sinks'] as const).find(
    (part) => !coverage[part],
  )
  if (missing === undefined) return judgement
  const { why } = coverage
  const verdict = why === undefined ? judgement.verdict : { ...judgement.verdict, reason: why }
  return { ...judgement, verdict, reason: `outside_intent_${missing}` }
}

function denied(
  constraint: Verdict['constraint'],
  subject: string,
  set: PolicySet,
  ...[reason, message]: [DecisionReason, string?]
): Judgement {
  const verdict: Verdict = {
    constraint,
    subject,
    effect: 'deny',
    policies: [],
    version: set.version,
    ...(message === undefined ? {} : { reason: message }),
  }
  return { verdict, reason }
}

/** The judgement if Cedar agrees with it, else a deny; a disagreement is a bug that somebody must see. */
function confirmed(judgement: Judgement, diagnostics: Diagnostics): Judgement {
  const { asked, verdict } = judgement
  if (asked === undefined) return judgement
  const { set, request } = asked
  const dissent = disagreement(set, request)
  if (dissent === undefined) return judgement
  const facts = { set: set.name, version: set.version, action: request.action.id }
  diagnostics.error('decision.not_confirmed', new Error(dissent), facts)
  return denied(verdict.constraint, verdict.subject, set, 'not_confirmed')
}

/** Deny before step-up before approval; within one, the first in the order of constraints. */
function conclude(judgements: readonly Judgement[], request: DecisionRequest): Decision {
  const verdicts = judgements.map(({ verdict }) => verdict)
  for (const outcome of ['deny', 'step_up', 'approval_required'] as const) {
    const first = judgements.find(({ verdict }) => verdict.effect === outcome)
    if (first === undefined) continue
    const { reason = 'policy_error', verdict } = first
    const { constraint } = verdict
    const remedy = outcome === 'deny' ? REMEDY[constraint] : REMEDY[outcome]
    const decision = { outcome, verdicts, constraint, reason, remedy }
    return outcome === 'approval_required' ? { ...decision, approver: approver(request) } : decision
  }
  return { outcome: 'permit', verdicts }
}

/** What the agent is told. Each sentence holds for every reason of its constraint. */
const REMEDY: Readonly<Record<Verdict['constraint'] | 'step_up' | 'approval_required', string>> = {
  agent: 'An agent of this kind may not do this. Do not retry; leave it to a person.',
  person: 'The person you work for may not do this. Do not retry; tell them.',
  intent:
    'This is not part of the work that was delegated, or not of its current stage. Do not retry; ask the person who delegated it.',
  guardrail:
    'This is not allowed here for anybody as things stand. Do not retry; tell the person you work for.',
  step_up: 'The person you work for must prove more strongly who they are. Ask them, then retry.',
  approval_required: 'A person must approve exactly this call. Retry it unchanged once they have.',
}

/** Whom the intent names; where a policy asks and the intent does not, the delegating person. */
function approver(request: DecisionRequest): Id<'grp'> | Id<'per'> {
  const by = request.context.intent.approval?.by ?? request.people[0]?.id
  // `judge` denies a request without people, so nobody is asked to approve it.
  if (by === undefined) throw new Error('expected a delegating person')
  return by
}

function isConsequential({ consequential, class: worst }: ResourceFacts): boolean {
  return consequential || worst === 'egress' || worst === 'destructive' || worst === 'money'
}

function as(principal: EntityUid, facts: Subjectless): CedarRequest {
  return { principal, ...facts }
}

function delegationUid({ id }: DelegationFacts): EntityUid {
  return new EntityUid('Delegation', id)
}
