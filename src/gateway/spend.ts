/**
 * What an admitted call uses up, in the transaction that admits it: limits, and its approval.
 *
 * INVARIANT (narrowing): a call is debited from its delegation and every ancestor.
 * INVARIANT (approval binding): an approval is consumed by exactly the call that it was given to, once;
 * another consequential call on the same server voids what waits in the same tree.
 */

import type { Entry } from '../audit/entry.ts'
import { ok, refuse, type Result } from '../base/result.ts'
import { chargesOf, debit } from '../delegation/limits.ts'
import type { Tx } from '../store/store.ts'
import type { Approvals } from './approvals.ts'
import type { JudgedCall } from './judge.ts'

/** Whether a call needs a transaction of its own: it is limited, approved, or voids others' approvals. */
export function needsSpending(judged: JudgedCall): boolean {
  const charges = chargesOf(judged.known.tree, judged.intent)
  const free = charges.ok && charges.value.length === 0
  return !free || judged.approval !== undefined || judged.target.resource.consequential
}

/** What to do in the admitting transaction, after the head is locked; its entries follow the call's. */
export function spend(
  judged: JudgedCall,
  env: { readonly approvals: Approvals },
): (tx: Tx) => Promise<Result<readonly Entry[]>> {
  return async (tx) => {
    const debited = await debit(tx, judged.known.tree, judged.intent)
    if (!debited.ok) return refuse({ reason: debited.error.reason })
    if (judged.approval !== undefined) {
      const consumed = await env.approvals.consume(tx, judged)
      if (!consumed.ok) return consumed
    }
    const { consequential } = judged.target.resource
    return ok(consequential ? await env.approvals.voidOthers(tx, judged) : [])
  }
}
