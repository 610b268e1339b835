/**
 * Answers one question of an enforcement point, by the same judgement that the gateway makes.
 *
 * Call `evaluate`. An agent asks about itself, under the delegation of its token; a person about an agent
 * that works for them, or about their own operations; whoever may simulate policies about anybody. A yes
 * says that the call would be admitted now: it reserves no limit and consumes no approval.
 */

import type { JsonObject } from '../../base/canonical-json.ts'
import { nowSeconds } from '../../base/clock.ts'
import { ok, refuse, type Result } from '../../base/result.ts'
import { decideOperation, type OperationDecision } from '../../decision/decide-operation.ts'
import { loadPerson } from '../../decision/load-facts.ts'
import { METHOD_NAMES, OPERATION_NAMES } from '../../decision/schema.ts'
import type { DelegationId } from '../../delegation/delegation.ts'
import { agentsOf, loadTree } from '../../delegation/standing.ts'
import type { Call } from '../../gateway/call.ts'
import { judge, type Judgement } from '../../gateway/judge.ts'
import { findAgent } from '../../identity/agent-store.ts'
import { actionOf } from '../../mcp/actions.ts'
import { isObject } from '../../mcp/message.ts'
import { findPerson } from '../../people/people-store.ts'
import type { Session } from '../../people/session.ts'
import { currentPolicies } from '../../policy/current.ts'
import type { Caller } from '../../token/authenticate-token.ts'
import type { Installation } from '../installation.ts'
import type { Question } from './question.ts'

/** Who asks. */
export type Asker =
  | { readonly type: 'person'; readonly session: Session }
  | { readonly type: 'agent'; readonly caller: Caller }

/** The answer (AuthZEN §6.2): `context` says what an agent would be told of the same call. */
export interface Evaluation {
  readonly decision: boolean
  readonly context?: JsonObject
  /** For the record, never for the asker. */
  readonly recorded: { readonly delegation?: string; readonly server?: string }
}

/** Answers one question. What cannot be decided is a no, with the reason in its context. */
export async function evaluate(
  question: Question,
  asker: Asker,
  env: Installation,
): Promise<Evaluation> {
  const { name } = question.action
  if (OPERATION_NAMES.includes(name)) return await evaluateOperation(question, asker, env)
  if (!METHOD_NAMES.includes(name)) return no('unknown_action')
  const caller = await callerOf(question, asker, env)
  if (!caller.ok) return no(caller.error.reason)
  const call = await callOf(question, caller.value, env)
  if (!call.ok) return no(call.error.reason)
  const judgement = await judge(call.value, await env.facts.fresh(call.value.caller), env)
  return answerOf(judgement, call.value)
}

/** An operation of the administration API, of the person alone. */
async function evaluateOperation(
  { subject, action, resource }: Question,
  asker: Asker,
  env: Installation,
): Promise<Evaluation> {
  // An agent never is a principal of the administration API.
  if (asker.type !== 'person' || !isPersonType(subject.type)) return no('not_permitted')
  if (resource.type !== 'installation') return no('unknown_resource')
  const { session } = asker
  const person = await env.store.snapshot((tx) => findPerson(tx, subject.id))
  if (person === undefined || (person.id !== session.person && !(await maySimulate(session, env))))
    return no('not_permitted')
  const decided = await decidedOperation(action.name, person.id, session, env)
  if (decided.outcome === 'permit') return { decision: true, recorded: {} }
  return no(decided.outcome === 'step_up' ? 'step_up_required' : 'not_permitted')
}

async function decidedOperation(
  operation: string,
  person: Session['person'],
  session: Session,
  env: Installation,
): Promise<OperationDecision> {
  return decideOperation(
    {
      person: await env.store.snapshot((tx) => loadPerson(tx, person)),
      acr: session.acr,
      operation,
      target: { type: 'installation' },
      time: nowSeconds(env.clock),
    },
    await currentPolicies(env),
  )
}

/** Whether a person may ask about others. */
async function maySimulate(session: Session, env: Installation): Promise<boolean> {
  const decided = await decidedOperation('policy.simulate', session.person, session, env)
  return decided.outcome === 'permit'
}

/** The caller that the call would have: the agent of the token, or the one that the delegation is for. */
async function callerOf(
  { subject, context }: Question,
  asker: Asker,
  env: Installation,
): Promise<Result<Caller>> {
  const id = asker.type === 'agent' ? asker.caller.delegation : context?.['delegation']
  if (typeof id !== 'string') return refuse({ reason: 'delegation_missing' })
  const tree = await env.store.snapshot((tx) => loadTree(tx, id as DelegationId))
  // Who may not ask learns nothing, not even whether there is such a delegation.
  if (tree === undefined) return refuse({ reason: 'not_permitted' })
  const agents = asker.type === 'agent' ? asker.caller.agents : agentsOf(tree)
  const named = await env.store.snapshot((tx) => findAgent(tx, subject.id as `agt_${string}`))
  if (subject.type !== 'agent' || named === undefined || agents?.[0] !== named.id) {
    return refuse({ reason: 'not_permitted' })
  }
  if (asker.type === 'agent') {
    // A token for this endpoint carries no authority of its own: the delegation's is what would count.
    return ok({ ...asker.caller, details: tree.delegation.details })
  }
  const { session } = asker
  const own = tree.delegation.person === session.person
  if (!own && !(await maySimulate(session, env))) return refuse({ reason: 'not_permitted' })
  const { delegation } = tree
  // The caller as a fresh token of this delegation would make it.
  return ok({
    delegation: delegation.id,
    person: delegation.person,
    agents,
    spiffeIds: [named.spiffeId],
    clientId: named.spiffeId,
    boundBy: 'dpop',
    acr: session.acr,
    authTime: session.authTime,
    details: delegation.details,
    expiresAt: delegation.expiresAt,
    jti: 'none',
    audience: env.issuer,
  })
}

async function callOf(
  { action, resource, context }: Question,
  caller: Caller,
  env: Installation,
): Promise<Result<Call>> {
  const at = resource.id.indexOf('/')
  if (!/^(?:tool|resource|prompt)$/.test(resource.type) || at === -1) {
    return refuse({ reason: 'unknown_resource' })
  }
  const known = await env.servers.named(resource.id.slice(0, at))
  if (known === undefined) return refuse({ reason: 'unknown_resource' })
  const name = resource.id.slice(at + 1)
  const args = context?.['arguments'] ?? {}
  if (!isObject(args)) return refuse({ reason: 'arguments_invalid' })
  const params = resource.type === 'resource' ? { uri: name } : { name, arguments: args }
  const asked = actionOf(action.name, params)
  if (!asked.ok) return refuse({ reason: 'unknown_action' })
  if (asked.value.target.kind !== resource.type) return refuse({ reason: 'unknown_action' })
  return ok({
    id: 'question',
    caller,
    server: known.server,
    action: asked.value,
    serverReadAt: known.readAt,
    signal: AbortSignal.abort(),
  })
}

function answerOf(judgement: Judgement, { caller, server }: Call): Evaluation {
  const recorded = { delegation: caller.delegation, server: server.id }
  if (judgement.outcome === 'permit') return { decision: true, recorded }
  const { decision } =
    judgement.outcome === 'refuse'
      ? { decision: judgement.refused.judged?.decision }
      : judgement.judged
  if (decision === undefined || decision.outcome === 'permit') {
    const reason = judgement.outcome === 'refuse' ? judgement.refused.reason : 'denied'
    return { ...no(reason), recorded }
  }
  const { outcome, constraint, remedy } = decision
  return {
    decision: false,
    context: {
      reason: outcome,
      ...(constraint !== undefined && { constraint }),
      ...(remedy !== undefined && { reason_user: { en: remedy } }),
    },
    recorded,
  }
}

function no(reason: string): Evaluation {
  return { decision: false, context: { reason }, recorded: {} }
}

function isPersonType(type: string): boolean {
  return type === 'person' || type === 'user'
}
