/**
 * What an admitted call uses up, in the transaction that admits it: limits, and its approval.
 *
 * INVARIANT (narrowing): a call is debited from its delegation and every ancestor.
 * INVARIANT (approval binding): an approval is consumed by exactly the call that it was given to, once;
 * another consequential call on the same server voids what waits in the same tree.
 */

import type { Entry } from '../audit/entry.ts'
import type { Charge } from '../audit/log-writer.ts'
import { ok, refuse, type Result } from '../base/result.ts'
import {
  type Charge as LimitCharge,
  chargesOf,
  debit,
  debitAllStatement,
  debitStatement,
  unaffordable,
} from '../delegation/limits.ts'
import type { Statement } from '../store/statement.ts'
import type { Tx } from '../store/store.ts'
import type { Approvals } from './approvals.ts'
import type { JudgedCall } from './judge.ts'

/** What a call spends, as admission takes it. */
export interface Spending {
  readonly charge?: Charge
  readonly also?: (tx: Tx) => Promise<Result<readonly Entry[]>>
}

/**
 * What a call uses up. One that is only limited is charged among others in one transaction; one that is
 * approved, or voids others' approvals, needs a transaction of its own, as does one that what is above
 * does not cover: whether that is still so is seen there.
 */
export function spendingOf(judged: JudgedCall, env: { readonly approvals: Approvals }): Spending {
  const charges = chargesOf(judged.known.tree, judged.intent)
  const { consequential } = judged.target.resource
  if (!charges.ok || consequential || judged.approval !== undefined) {
    return { also: spend(judged, env) }
  }
  if (charges.value.length === 0) return {}
  const charge = {
    statement: debitStatement(charges.value),
    refusal: unaffordable(charges.value),
    kind: debitCalls,
    from: charges.value,
  }
  return { charge }
}

function debitCalls(calls: readonly unknown[]): Statement {
  return debitAllStatement((calls as readonly (readonly LimitCharge[])[]).flat())
}

/** What to do in the admitting transaction, after the head is locked; its entries follow the call's. */
function spend(
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
