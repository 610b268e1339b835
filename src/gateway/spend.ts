/**
 * What an admitted call uses up, in the transaction that admits it: limits, and its approval.
 *
 * INVARIANT (narrowing): a call is debited from its delegation and every ancestor.
 * INVARIANT (approval binding): an approval is consumed by exactly the call that it was given to, once;
 * another consequential call on the same server voids what waits in the same tree.
 */

import type { Entry } from '../audit/entry.ts'
import { ok, refuse, type Result } from '../base/result.ts'
import type { CallFacts } from '../delegation/covers.ts'
import { chargesOf, debit } from '../delegation/limits.ts'
import type { Tx } from '../store/store.ts'
import type { Approvals } from './approvals.ts'
import type { Call } from './call.ts'
import type { KnownFacts } from './facts-cache.ts'
import type { Target } from './target.ts'
import type { ApprovalFacts } from '../decision/facts.ts'
import type { Digest } from '../base/bytes.ts'

/** A decided call with what it stands on. */
export interface Spending {
  readonly call: Call
  readonly target: Target
  readonly known: KnownFacts
  readonly intent: CallFacts
  readonly argumentsDigest: Digest
  readonly approval?: ApprovalFacts
}

/** Whether a call needs a transaction of its own: it is limited, approved, or voids others' approvals. */
export function needsSpending(spending: Spending): boolean {
  const charges = chargesOf(spending.known.tree, spending.intent)
  const free = charges.ok && charges.value.length === 0
  return !free || spending.approval !== undefined || spending.target.resource.consequential
}

/** What to do in the admitting transaction, after the head is locked; its entries follow the call's. */
export function spend(
  spending: Spending,
  env: { readonly approvals: Approvals },
): (tx: Tx) => Promise<Result<readonly Entry[]>> {
  return async (tx) => {
    const debited = await debit(tx, spending.known.tree, spending.intent)
    if (!debited.ok) return refuse({ reason: debited.error.reason })
    if (spending.approval !== undefined) {
      const consumed = await env.approvals.consume(tx, spending)
      if (!consumed.ok) return consumed
    }
    const { consequential } = spending.target.resource
    return ok(consequential ? await env.approvals.voidOthers(tx, spending) : [])
  }
}
