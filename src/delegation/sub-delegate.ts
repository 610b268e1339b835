/**
 * An agent passes part of its authority on to another agent.
 *
 * INVARIANT (narrowing): a sub-delegation lies within its parent as signed: tools, arguments, stages,
 * limits, approvers (`narrowing.ts`), lifetime, and the tree's own stages and movers, which it has no
 * say in.
 */

import { lockHead } from '../audit/append.ts'
import type { Actor } from '../audit/entry.ts'
import type { Json } from '../base/canonical-json.ts'
import { type Result, ok, refuse } from '../base/result.ts'
import type { AgentId } from '../identity/agent.ts'
import { findAgent } from '../identity/agent-store.ts'
import type { Tx } from '../store/store.ts'
import { approversOf, checkStages, type DelegationRefusal, termsSchema } from './delegate.ts'
import { type Delegate, type Delegation, type DelegationId, MAX_DEPTH } from './delegation.ts'
import { countBelow, databaseMilliseconds } from './delegation-store.ts'
import { firstIssue, parseDetails } from './intent.ts'
import { checkDelegate, checkParties, type IssueEnv, issueDelegation } from './issue.ts'
import { contains, type Wider } from './narrowing.ts'
import { type InvalidDelegation, verifyTree } from './signed-delegation.ts'
import { branchOf, loadTree, type NotStanding, standing, type Tree } from './standing.ts'

/** What an agent asks for. */
export interface SubDelegateRequest {
  /** In the agent's words: untrusted text. */
  readonly purpose: string
  readonly delegate: Delegate
  readonly details: Json
  /** From now; until the parent expires unless told. */
  readonly lifetimeSeconds?: number
}

/** An agent as its token proved it: the agent that acts now, and the delegation that it acts under. */
export interface AgentCaller {
  readonly agent: AgentId
  readonly delegation: DelegationId
}

/** Why a sub-delegation was not made. */
export type SubDelegationRefusal =
  | DelegationRefusal
  | NotStanding
  | Wider
  | { readonly reason: 'not_the_delegate' | 'too_deep' | 'too_many' }
  | { readonly reason: 'parent_not_as_signed'; readonly cause: InvalidDelegation['reason'] }

/** The most delegations directly below one. */
const MAX_BELOW = 1_000

const requestSchema = termsSchema.partial({ lifetimeSeconds: true })

/** Makes a delegation below the caller's. */
export async function subDelegate(
  request: SubDelegateRequest,
  caller: AgentCaller,
  env: IssueEnv,
): Promise<Result<Delegation, SubDelegationRefusal>> {
  const { details: stated, ...rest } = request
  const terms = requestSchema.safeParse(rest)
  if (!terms.success) return refuse({ reason: 'invalid_request', message: firstIssue(terms.error) })
  const details = parseDetails(stated)
  if (!details.ok) return details

  return await env.store.transaction(async (tx) => {
    const parent = await checkCaller(tx, caller)
    if (!parent.ok) return parent
    const { delegation: above } = parent.value
    const claims = verifyTree(parent.value, env)
    if (!claims.ok) return refuse({ reason: 'parent_not_as_signed', cause: claims.error.reason })

    const within = contains(claims.value.authorization_details, details.value)
    if (!within.ok) return within
    const stagesKnown = checkStages(details.value, claims.value.stages)
    if (!stagesKnown.ok) return stagesKnown
    const now = await databaseMilliseconds(tx)
    const { purpose, delegate, lifetimeSeconds } = terms.data
    const expiresAt =
      lifetimeSeconds === undefined ? claims.value.exp : Math.floor(now / 1_000) + lifetimeSeconds
    if (expiresAt > claims.value.exp) {
      return refuse({ reason: 'not_contained', message: 'expected it to expire with its parent' })
    }

    const agent = await checkDelegate(tx, delegate)
    if (!agent.ok) return agent
    const parties = await checkParties(tx, approversOf(details.value))
    if (!parties.ok) return parties

    // INVARIANT (one instant): after this lock everything that was recorded before is visible, so the
    // log never shows a sub-delegation after the end of what it comes from.
    await lockHead(tx)
    const stillThere = await checkCaller(tx, caller)
    if (!stillThere.ok) return stillThere
    const from = await findAgent(tx, caller.agent)
    if (from?.state !== 'active') return refuse({ reason: 'agent_not_active' })

    const made = await issueDelegation(
      tx,
      {
        person: above.person,
        delegate,
        parent: above.id,
        ancestors: [...above.ancestors, above.id],
        purpose,
        details: details.value,
        stages: above.stages,
        stage: above.stage,
        stageMovers: above.stageMovers,
        stagesReversible: above.stagesReversible,
        createdAt: now,
        expiresAt,
      },
      {
        by: actorOf(caller, above),
        // RFC 8693 §4.1: the latest actor is outermost.
        act: { sub: from.spiffeId, ...(claims.value.act && { act: claims.value.act }) },
        ...(agent.value === undefined ? {} : { agent: agent.value }),
      },
      env,
    )
    return ok(made)
  })
}

/** Succeeds if the caller's delegation stands, is the caller's, and has room below it. */
async function checkCaller(
  tx: Tx,
  caller: AgentCaller,
): Promise<Result<Tree, SubDelegationRefusal>> {
  const tree = await loadTree(tx, caller.delegation)
  // An agent learns nothing about delegations that are not its own, not even whether they exist.
  if (tree?.delegation.delegate.agent !== caller.agent)
    return refuse({ reason: 'not_the_delegate' })
  const stands = standing(tree, Math.floor((await databaseMilliseconds(tx)) / 1_000))
  if (!stands.ok) return stands
  if (branchOf(tree).length >= MAX_DEPTH) return refuse({ reason: 'too_deep' })
  if ((await countBelow(tx, caller.delegation)) >= MAX_BELOW) return refuse({ reason: 'too_many' })
  return ok(tree)
}

function actorOf(caller: AgentCaller, above: Delegation): Actor {
  return { type: 'agent', ...caller, person: above.person }
}
