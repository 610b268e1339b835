/**
 * Judges one call on given facts: is the delegation in force, is there such a definition, what do agent,
 * person and intent say, has a person said yes to exactly this call. Reads, and changes nothing.
 */

import type { Verdict } from '../audit/entry.ts'
import type { Vault } from '../audit/vault.ts'
import { type Digest, digestOfJson } from '../base/bytes.ts'
import { type Clock, nowSeconds } from '../base/clock.ts'
import type { Diagnostics } from '../base/diagnostics.ts'
import { handedOnSegment, intentSegment } from '../channel/segment.ts'
import { Shown, type TracedSegment } from '../channel/shown.ts'
import { ShownMemory } from '../channel/shown-memory.ts'
import { carried, isDirected, type Provenance, trace } from '../channel/trace.ts'
import { type Decision, decide, type DecisionRequest } from '../decision/decide.ts'
import type { ApprovalFacts } from '../decision/facts.ts'
import { type CallFacts, type Coverage, covers, namedPaths } from '../delegation/covers.ts'
import { branchOf, rootOf, standing, type Tree } from '../delegation/standing.ts'
import type { Store } from '../store/store.ts'
import { serverResource } from '../token/resource.ts'
import type { Upstreams } from '../upstream/upstreams.ts'
import type { Approvals } from './approvals.ts'
import type { Call } from './call.ts'
import type { KnownFacts } from './facts-cache.ts'
import { findTarget, type Target } from './target.ts'

/** A call with everything that it was judged on. */
export interface JudgedCall {
  readonly call: Call
  readonly known: KnownFacts
  readonly target: Target
  /** The call as the intent sees it. */
  readonly intent: CallFacts
  /** What the intent, as the token carries it, says of the call. */
  readonly coverage: Coverage
  /** What was asked of the policies: the record keeps it, so that it can be asked again. */
  readonly request: DecisionRequest
  readonly decision: Decision
  readonly provenance: readonly Provenance[]
  /** What the agents were shown; empty where provenance was not asked for. */
  readonly shown: readonly Shown[]
  /** The call asks for what the person's own words say. */
  readonly directed: boolean
  readonly argumentsDigest: Digest
  /** A yes to exactly this call, not yet consumed. */
  readonly approval?: ApprovalFacts
}

/** A call before it was put to the policies. */
export type AskedCall = Omit<JudgedCall, 'request' | 'decision'>

/** A call that is refused, and by what; with the judgement when there was one. */
export interface RefusedCall {
  readonly call: Call
  readonly known: KnownFacts
  /** Who refused: a constraint, or a part of the gateway. */
  readonly by: Verdict['constraint'] | 'registry' | 'admission'
  readonly reason: string
  readonly judged?: JudgedCall
}

/** What came of judging. */
export type Judgement =
  | { readonly outcome: 'permit' | 'approval_required'; readonly judged: JudgedCall }
  | { readonly outcome: 'refuse'; readonly refused: RefusedCall }

/** What judging needs. */
export interface JudgeEnv {
  readonly store: Store
  readonly vault: Vault
  readonly clock: Clock
  readonly diagnostics: Diagnostics
  /** The public origin. */
  readonly issuer: string
  readonly approvals: Approvals
  /** Says where servers run. */
  readonly upstreams: Pick<Upstreams, 'tierOf'>
}

/** Judges a call on `known`. */
export async function judge(call: Call, known: KnownFacts, env: JudgeEnv): Promise<Judgement> {
  const stands = standing(known.tree, nowSeconds(env.clock))
  if (!stands.ok) return refuse({ call, known, by: 'intent', reason: stands.error.reason })
  // What a tool returns is part of the conversation: what does not fit there is not asked for.
  if (known.actedIn?.isFull === true)
    return refuse({ call, known, by: 'admission', reason: 'conversation_full' })
  const target = findTarget(call, await env.upstreams.tierOf(call.server))
  if (!target.ok) return refuse({ call, known, by: 'registry', reason: target.error.reason })

  const judged = await decided(call, known, target.value, env)
  const { outcome, constraint = 'guardrail', reason = 'denied' } = judged.decision
  if (outcome === 'approval_required') return { outcome, judged }
  if (outcome !== 'permit') return refuse({ call, known, by: constraint, reason, judged })
  // INVARIANT (pinned definitions): a resource may be permitted that no reviewer accepted.
  if (target.value.digest === undefined) {
    return refuse({ call, known, by: 'registry', reason: 'unknown_resource', judged })
  }
  return { outcome, judged }
}

function refuse(refused: RefusedCall): Judgement {
  return { outcome: 'refuse', refused }
}

async function decided(
  call: Call,
  known: KnownFacts,
  target: Target,
  env: JudgeEnv,
): Promise<JudgedCall> {
  const intent: CallFacts = {
    location: serverResource(env.issuer, call.server.name),
    action: call.action.action,
    arguments: call.action.arguments,
    stage: known.facts.stage,
    sinks: target.resource.sinks.map((sink) => sink.path),
    at: nowSeconds(env.clock),
  }
  const traced = await tracedCall({ call, known, intent }, target, env)
  const argumentsDigest = digestOfJson(call.action.arguments)
  const coverage = covers(call.caller.details, intent)
  const asked = { call, known, target, intent, coverage, ...traced, argumentsDigest }
  const first = decideOn(asked, env)
  if (first.decision.outcome !== 'approval_required') return { ...asked, ...first }
  const approval = await env.approvals.found(asked)
  if (approval === undefined) return { ...asked, ...first }
  // INVARIANT (approval binding): decided again with the approval, which admission consumes.
  return { ...asked, approval, ...decideOn({ ...asked, approval }, env) }
}

function decideOn(asked: AskedCall, env: JudgeEnv): Pick<JudgedCall, 'request' | 'decision'> {
  const { call, known, target, coverage, provenance, approval } = asked
  const { agents, people, delegation, stage } = known.facts
  const agency = known.facts.agency[target.resource.class]
  const isConfidential = carried(asked.shown, call.action.arguments).length > 0
  const request: DecisionRequest = {
    agents,
    people,
    delegation,
    action: call.action.method,
    resource: target.resource,
    context: {
      stage,
      acr: call.caller.acr,
      boundBy: call.caller.boundBy,
      time: nowSeconds(env.clock),
      arguments: call.action.arguments,
      provenance,
      intent: coverage,
      ...(agency !== undefined && { agency }),
      ...(isConfidential && { confidential: true }),
      ...(approval !== undefined && { approval }),
    },
  }
  return { request, decision: decide(request, known.policies, env) }
}

/** Where the arguments came from; what agents were shown is loaded only where the answer can matter. */
async function tracedCall(
  { call, known, intent }: Pick<JudgedCall, 'call' | 'known' | 'intent'>,
  { resource }: Target,
  env: JudgeEnv,
): Promise<Pick<JudgedCall, 'provenance' | 'shown' | 'directed'>> {
  const [asked, handed] = askedFor(known)
  const directed = isDirected([asked], call.action.arguments)
  if (!resource.consequential && resource.sinks.length === 0) {
    return { provenance: [], shown: [], directed }
  }
  const shown = [asked, handed, ...(await memoryOf(env.store).of(call.caller.agents, env))]
  const sinks = resource.sinks.map(({ path }) => path)
  const root = rootOf(known.tree)
  const named = { paths: namedPaths(root.details, intent), by: root.id }
  return { provenance: trace(shown, call.action.arguments, { sinks, named }), shown, directed }
}

/**
 * What the person said, and what agents said that handed the work on: indexed once for each time that the
 * tree is loaded. INVARIANT (immutable author): only the root is in the person's words; an agent that was
 * told to pass something on does not make it the person's by writing it into a purpose.
 */
function askedFor({ tree }: KnownFacts): readonly [person: Shown, agents: Shown] {
  const root = rootOf(tree)
  const found = ASKED.get(tree)
  if (found !== undefined) return found
  const asked = [new Shown([intentSegment(root, root.details)]), new Shown(handedOn(tree))] as const
  ASKED.set(tree, asked)
  return asked
}

/** By whom each part of the work below the root was handed on: the agent of the delegation above it. */
function handedOn(tree: Tree): TracedSegment[] {
  const branch = branchOf(tree)
  return branch.slice(1).map(({ id, purpose }, at) => {
    const by = branch[at]?.delegate.agent
    return handedOnSegment({ id, purpose, ...(by !== undefined && { by }) })
  })
}

const ASKED = new WeakMap<Tree, readonly [Shown, Shown]>()

/** One memory for each store that is open. */
function memoryOf(store: Store): ShownMemory {
  const found = MEMORIES.get(store)
  if (found !== undefined) return found
  const memory = new ShownMemory()
  MEMORIES.set(store, memory)
  return memory
}

const MEMORIES = new WeakMap<Store, ShownMemory>()
