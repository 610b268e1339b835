/**
 * How a delegation ends, or stops for a while: `suspend`, `resume`, `complete`, `revoke`.
 *
 * Each marks one row, whatever hangs below it: what is below no longer stands (`standing.ts`). Stopping
 * is for the delegator, for whoever answers for the agent, and for administrators. Whoever suspended it
 * lets it go on, or an administrator; so nobody goes over the head of who stopped it.
 */

import { append, lockHead } from '../audit/append.ts'
import type { Entry } from '../audit/entry.ts'
import { resolve } from '../accountability/resolve.ts'
import type { Clock } from '../base/clock.ts'
import { type Result, ok, refuse } from '../base/result.ts'
import { archetypeSubject } from '../identity/agent.ts'
import { personActor, type Session } from '../people/session.ts'
import type { Store, Tx } from '../store/store.ts'
import { type AskerRefusal, checkAsker, isAdministrator } from './asker.ts'
import type { Delegation, DelegationId } from './delegation.ts'
import { findDelegation, setState, suspendedBy } from './delegation-store.ts'

/** Why a delegation did not change its state. */
export type EndRefusal =
  | AskerRefusal
  | { readonly reason: 'unknown_delegation' | 'not_entitled' | 'reason_too_long' }
  | { readonly reason: 'wrong_state'; readonly state: Delegation['state'] }

interface Env {
  readonly store: Store
  readonly clock: Clock
}

/** Which delegation, and why, for the record. */
export interface EndRequest {
  readonly delegation: DelegationId
  /** At most 2,000 characters. */
  readonly reason?: string
}

const MAX_REASON = 2_000

/** Stops an active delegation, and all below it, until it is resumed. */
export function suspend(
  request: EndRequest,
  session: Session,
  env: Env,
): Promise<Result<Delegation, EndRefusal>> {
  return change(request, session, env, {
    from: ['active'],
    to: 'suspended',
    entry: (common) => ({
      ...common,
      kind: 'delegation_suspended',
      reason: request.reason ?? 'no reason given',
    }),
  })
}

/** Lets a suspended delegation go on. */
export function resume(
  request: EndRequest,
  session: Session,
  env: Env,
): Promise<Result<Delegation, EndRefusal>> {
  return change(request, session, env, {
    from: ['suspended'],
    to: 'active',
    entry: (common) => ({ ...common, kind: 'delegation_resumed' }),
  })
}

/** Ends a delegation whose work is done, for good. */
export function complete(
  request: EndRequest,
  session: Session,
  env: Env,
): Promise<Result<Delegation, EndRefusal>> {
  return change(request, session, env, {
    from: ['active', 'suspended'],
    to: 'completed',
    entry: (common) => ({ ...common, kind: 'delegation_completed' }),
  })
}

/** Takes a delegation back, for good. */
export function revoke(
  request: EndRequest,
  session: Session,
  env: Env,
): Promise<Result<Delegation, EndRefusal>> {
  const { reason } = request
  return change(request, session, env, {
    from: ['active', 'suspended', 'expired'],
    to: 'revoked',
    entry: (common) => ({
      ...common,
      kind: 'delegation_revoked',
      ...(reason === undefined ? {} : { reason }),
    }),
  })
}

/** A change of state: from where, to where, and what the log says of it. */
interface Change {
  readonly from: readonly Delegation['state'][]
  readonly to: Exclude<Delegation['state'], 'expired'>
  readonly entry: (common: {
    v: 1
    time: number
    by: Entry['by']
    touches: string[]
    delegation: DelegationId
  }) => Entry
}

async function change(
  request: EndRequest,
  session: Session,
  env: Env,
  { from, to, entry }: Change,
): Promise<Result<Delegation, EndRefusal>> {
  if ((request.reason ?? '').length > MAX_REASON) return refuse({ reason: 'reason_too_long' })
  return await env.store.transaction(async (tx) => {
    await lockHead(tx)
    const now = await checkAsker(tx, session)
    if (!now.ok) return now
    const found = await findDelegation(tx, request.delegation)
    if (found === undefined) return refuse({ reason: 'unknown_delegation' })
    if (!(await mayChange(tx, found, session, { to, now: now.value })))
      return refuse({ reason: 'not_entitled' })
    if (!from.includes(found.state)) return refuse({ reason: 'wrong_state', state: found.state })

    const { id } = found
    await setState(
      tx,
      id,
      to === 'suspended' ? { state: to, suspendedBy: session.person } : { state: to },
    )
    // INVARIANT (revocation): one subject is touched; who relied on anything below relied on it too.
    const time = env.clock.nowMilliseconds()
    const by = personActor(session)
    await append(tx, [entry({ v: 1, time, by, touches: [id], delegation: id })])
    return ok({ ...found, state: to })
  })
}

async function mayChange(
  tx: Tx,
  delegation: Delegation,
  session: Session,
  { to, now }: { readonly to: Change['to']; readonly now: number },
): Promise<boolean> {
  if (await isAdministrator(tx, session)) return true
  const stoppedBy = await suspendedBy(tx, delegation.id)
  if (to === 'active' && stoppedBy !== undefined) return stoppedBy === session.person
  if (session.person === delegation.person) return true
  if (to === 'completed') return false
  const { agent, archetype } = delegation.delegate
  const answering = await resolve(tx, agent ?? archetypeSubject(archetype), now)
  return answering.ok && answering.value.accountable.person === session.person
}
