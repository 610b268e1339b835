/** Delegations and approvals: the operations of `api/delegations.ts`. */

import { resolve } from '../../accountability/resolve.ts'
import type { Approval, ApprovalId } from '../../approval/approval.ts'
import { findApproval, pendingFor } from '../../approval/approval-store.ts'
import { decideApproval } from '../../approval/approve.ts'
import type { Output } from '../../api/operations.ts'
import type { Digest } from '../../base/bytes.ts'
import { idSchema } from '../../base/id.ts'
import { ok, refuse, type Result } from '../../base/result.ts'
import type { OperationTarget } from '../../decision/decide-operation.ts'
import { delegate } from '../../delegation/delegate.ts'
import type { Delegation, DelegationId } from '../../delegation/delegation.ts'
import { delegationsOf, findDelegation } from '../../delegation/delegation-store.ts'
import { complete, resume, revoke, suspend } from '../../delegation/end.ts'
import { moveStage } from '../../delegation/stage.ts'
import { subDelegate } from '../../delegation/sub-delegate.ts'
import { agentIdSchema, type AgentId, archetypeSubject } from '../../identity/agent.ts'
import { groupsOf } from '../../people/people-store.ts'
import type { Session } from '../../people/session.ts'
import type { Handlers } from '../api-endpoint.ts'
import type { Installation } from '../installation.ts'
import { findParty, resolveAll, withIdentifiers } from './shared.ts'

/** Handlers by operation. */
export const delegationHandlers: Pick<
  Handlers,
  | 'delegate'
  | 'subDelegate'
  | 'listDelegations'
  | 'showDelegation'
  | 'moveStage'
  | 'suspendDelegation'
  | 'resumeDelegation'
  | 'completeDelegation'
  | 'revokeDelegation'
  | 'listApprovals'
  | 'showApproval'
  | 'decideApproval'
> = {
  delegate: {
    run: async (
      { purpose, archetype, agent, details, stages, stageMovers, expiresIn, proposal },
      session,
      env,
    ) => {
      const delegateOf = whom(archetype, agent)
      if (!delegateOf.ok) return delegateOf
      const movers = await resolveAll(stageMovers ?? [], env, findParty, 'unknown_party')
      if (!movers.ok) return movers
      const named = await withIdentifiers(details, env)
      if (!named.ok) return named
      const made = await delegate(
        {
          purpose,
          delegate: delegateOf.value,
          details: named.value,
          stages,
          stageMovers: movers.value,
          lifetimeSeconds: expiresIn,
          ...(proposal !== undefined && { proposal }),
        },
        session,
        env,
      )
      return made.ok ? ok({ ...described(made.value), signed: made.value.signed }) : made
    },
  },
  subDelegate: {
    run: async ({ id, purpose, archetype, agent, details, expiresIn }, caller, env) => {
      const delegateOf = whom(archetype, agent)
      if (!delegateOf.ok) return delegateOf
      const [acting] = caller.agents
      // A token speaks for its own delegation only, whatever the path says.
      if (acting === undefined || caller.delegation !== id)
        return refuse({ reason: 'not_entitled' })
      if (!env.subDelegations.take(acting)) return refuse({ reason: 'too_many_requests' })
      const made = await subDelegate(
        {
          purpose,
          delegate: delegateOf.value,
          details,
          lifetimeSeconds: expiresIn,
        },
        { agent: acting, delegation: caller.delegation },
        env,
      )
      return made.ok ? ok({ ...described(made.value), signed: made.value.signed }) : made
    },
  },
  listDelegations: {
    run: async (_input, session, env) => {
      const own = await env.store.snapshot((tx) =>
        delegationsOf(tx, session.person, { limit: 500 }),
      )
      return ok({ delegations: own.map(described) })
    },
  },
  showDelegation: {
    target: delegationTarget,
    run: async ({ id }, _session, env) => {
      const found = await find(id, env)
      return found.ok ? ok(described(found.value)) : found
    },
  },
  moveStage: {
    target: delegationTarget,
    run: async ({ id, stage }, session, env) =>
      reshown(await moveStage({ delegation: id as DelegationId, stage }, session, env)),
  },
  suspendDelegation: {
    target: delegationTarget,
    run: async ({ id, reason }, session, env) =>
      reshown(await suspend({ delegation: id as DelegationId, reason }, session, env)),
  },
  resumeDelegation: {
    target: delegationTarget,
    run: async ({ id }, session, env) =>
      reshown(await resume({ delegation: id as DelegationId }, session, env)),
  },
  completeDelegation: {
    target: delegationTarget,
    run: async ({ id }, session, env) =>
      reshown(await complete({ delegation: id as DelegationId }, session, env)),
  },
  revokeDelegation: {
    target: delegationTarget,
    run: async ({ id, reason }, session, env) =>
      reshown(
        await revoke(
          { delegation: id as DelegationId, ...(reason !== undefined && { reason }) },
          session,
          env,
        ),
      ),
  },

  listApprovals: {
    run: async (_input, session, env) => {
      const waiting = await env.store.snapshot((tx) => pendingFor(tx, session.person))
      return ok({ approvals: waiting.map(shownApproval) })
    },
  },
  showApproval: {
    target: approvalTarget,
    run: async ({ id }, _session, env) => {
      const found = await findApprovalBy(id, env)
      return found.ok ? ok(shownApproval(found.value)) : found
    },
  },
  decideApproval: {
    target: approvalTarget,
    run: async ({ id, decision, shownDigest }, session, env) => {
      const request = { id: id as ApprovalId, decision, shownDigest: shownDigest as Digest }
      const decided = await decideApproval(request, session, env)
      return decided.ok ? ok(shownApproval(decided.value)) : decided
    },
  },
}

const delegationId = idSchema('dlg')

async function find(id: string, env: Installation): Promise<Result<Delegation>> {
  const parsed = delegationId.safeParse(id)
  const found = parsed.success ? await findDelegation(env.store.db, parsed.data) : undefined
  return found === undefined ? refuse({ reason: 'unknown_delegation' }) : ok(found)
}

/** The delegation, and what the person has to do with it. */
export async function delegationTarget(
  { id }: { readonly id: string },
  session: Session,
  env: Installation,
): Promise<Result<OperationTarget>> {
  const found = await find(id, env)
  if (!found.ok) return found
  const { person, stageMovers, delegate: to } = found.value
  const owned = to.agent ?? archetypeSubject(to.archetype)
  const { groups, answerable } = await env.store.snapshot(async (tx) => ({
    groups: await groupsOf(tx, session.person),
    answerable: await resolve(tx, owned, env.clock.nowMilliseconds()),
  }))
  const mover = stageMovers.some(
    (party) => party === session.person || groups.some((group) => group === party),
  )
  const answers = answerable.ok && answerable.value.accountable.person === session.person
  return ok({
    type: 'delegation',
    id: found.value.id,
    own: person === session.person,
    mover,
    answers,
  })
}

const approvalId = idSchema('apr')

async function findApprovalBy(id: string, env: Installation): Promise<Result<Approval>> {
  const parsed = approvalId.safeParse(id)
  const found = parsed.success
    ? await env.store.snapshot((tx) => findApproval(tx, parsed.data))
    : undefined
  return found === undefined ? refuse({ reason: 'unknown_approval' }) : ok(found)
}

async function approvalTarget(
  { id }: { readonly id: string },
  session: Session,
  env: Installation,
): Promise<Result<OperationTarget>> {
  const found = await findApprovalBy(id, env)
  if (!found.ok) return found
  return ok({
    type: 'approval',
    id: found.value.id,
    entitled: found.value.entitledPeople.includes(session.person),
  })
}

/** A request as it is shown, whole. */
export function shownApproval(approval: Approval): Output<'showApproval'> {
  const { id, state, binding, entitled, shownDigest, expiresAt } = approval
  return {
    id,
    state,
    entitled,
    shownDigest,
    expiresAt,
    delegation: binding.delegation,
    action: binding.action,
    shown: approval.shown as Output<'showApproval'>['shown'],
  }
}

function whom(
  archetype: string,
  agent: string | undefined,
): Result<{ archetype: string; agent?: AgentId }> {
  if (agent === undefined) return ok({ archetype })
  const parsed = agentIdSchema.safeParse(agent)
  return parsed.success
    ? ok({ archetype, agent: parsed.data })
    : refuse({ reason: 'unknown_agent' })
}

function reshown(result: Result<Delegation>): Result<Output<'showDelegation'>> {
  return result.ok ? ok(described(result.value)) : result
}

function described(delegation: Delegation): Output<'showDelegation'> {
  const {
    id,
    person,
    delegate: to,
    parent,
    purpose,
    details,
    stages,
    stage,
    state,
    expiresAt,
  } = delegation
  return {
    id,
    person,
    delegate: to,
    purpose,
    stage,
    state,
    expiresAt,
    stages: [...stages],
    details: details as unknown as Output<'showDelegation'>['details'],
    ...(parent !== undefined && { parent }),
  }
}
