/**
 * A yes is used: found for the call that is made again, consumed with it, and the others voided.
 *
 * `consume` and `voidOthers` belong into the transaction that admits the call, after `lockHead`.
 */

import type { Actor, Entry } from '../audit/entry.ts'
import type { Clock } from '../base/clock.ts'
import type { Id } from '../base/id.ts'
import { type Result, ok, refuse } from '../base/result.ts'
import type { DelegationId } from '../delegation/delegation.ts'
import type { Keyring } from '../keys/keyring.ts'
import type { Tx } from '../store/store.ts'
import { type Approval, type ApprovalId, type Binding, bindingDigest } from './approval.ts'
import { findApproval, latestFor, openIn, setConsumed, setVoided } from './approval-store.ts'
import { verifyApproval } from './signed-approval.ts'

/** The unused yes to exactly this call, if there is one. */
export async function findApproved(tx: Tx, binding: Binding): Promise<Approval | undefined> {
  const latest = await latestFor(tx, bindingDigest(binding))
  return latest?.state === 'approved' ? latest : undefined
}

/** Why a yes cannot be used. */
export interface ConsumeRefusal {
  readonly reason:
    | 'unknown_approval'
    /** Pending, denied, voided, used before, or expired. */
    | 'approval_not_usable'
    /** It is for a call that differs in something. */
    | 'approval_for_another_call'
    | 'not_as_signed'
}

/**
 * Uses up a yes for the call that it was given to.
 *
 * INVARIANT (approval binding): one row is changed from `approved` to `consumed` at most once, by a call
 * with the binding that was signed, before it expires by the database's clock.
 */
export async function consume(
  tx: Tx,
  use: { readonly approval: ApprovalId; readonly binding: Binding; readonly call: string },
  env: { readonly keyring: Keyring; readonly issuer: string },
): Promise<Result<Approval, ConsumeRefusal>> {
  const approval = await findApproval(tx, use.approval)
  if (approval === undefined) return refuse({ reason: 'unknown_approval' })
  if (approval.state !== 'approved') return refuse({ reason: 'approval_not_usable' })
  if (bindingDigest(use.binding) !== bindingDigest(approval.binding)) {
    return refuse({ reason: 'approval_for_another_call' })
  }
  const verified = verifyApproval(approval, env)
  if (!verified.ok) return verified
  if (!(await setConsumed(tx, approval.id, use.call))) {
    return refuse({ reason: 'approval_not_usable' })
  }
  return ok({ ...approval, state: 'consumed' })
}

/** A consequential call that is about to be admitted. */
export interface Consequential {
  readonly call: string
  /** The root of its delegation's tree. */
  readonly root: DelegationId
  readonly server: Id<'srv'>
  /** The approval that it consumes. */
  readonly approval?: ApprovalId
  /** Whether review declared it independent of others on its server. */
  readonly independent?: boolean
}

/**
 * Voids what is pending or approved in the same tree on the same server: what an approver saw there no
 * longer is what they saw. Returns the entries to append with the call's.
 */
export async function voidOthers(
  tx: Tx,
  going: Consequential,
  by: Actor,
  env: { readonly clock: Clock },
): Promise<readonly Entry[]> {
  if (going.independent === true) return []
  const others = (await openIn(tx, going.root)).filter(
    ({ id, binding, independent }) =>
      id !== going.approval && binding.server === going.server && !independent,
  )
  if (others.length === 0) return []
  await setVoided(
    tx,
    others.map(({ id }) => id),
  )
  return others.map(({ id, binding }) => ({
    v: 1,
    kind: 'approval_voided',
    time: env.clock.nowMilliseconds(),
    by,
    touches: [id],
    approval: id,
    delegation: binding.delegation,
    reason: `another call on the same server went through: ${going.call}`,
  }))
}
