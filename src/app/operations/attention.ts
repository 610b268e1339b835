/** What needs somebody: the operation of `api/attention.ts`. */

import { pendingFor } from '../../approval/approval-store.ts'
import { nowSeconds } from '../../base/clock.ts'
import { ok } from '../../base/result.ts'
import { decideOperation } from '../../decision/decide-operation.ts'
import { loadPerson } from '../../decision/load-facts.ts'
import { currentPoliciesIn } from '../../policy/current.ts'
import type { Session } from '../../people/session.ts'
import type { Tx } from '../../store/store.ts'
import type { Handlers } from '../api-endpoint.ts'
import { suspendedFor } from '../attention.ts'
import type { Installation } from '../installation.ts'
import { shownApproval } from './delegations.ts'

/** Handlers by operation. */
export const attentionHandlers: Pick<Handlers, 'listAttention'> = {
  listAttention: {
    run: async (_input, session, env) =>
      await env.store.snapshot(async (tx) => {
        const concerned = { person: session.person, appoints: await appoints(tx, session, env) }
        return ok({
          approvals: (await pendingFor(tx, session.person)).map(shownApproval),
          ...(await suspendedFor(tx, concerned, env)),
        })
      }),
  },
}

/** Whether the person may say who answers for an agent. */
async function appoints(tx: Tx, session: Session, env: Installation): Promise<boolean> {
  const asked = {
    person: await loadPerson(tx, session.person),
    acr: session.acr,
    operation: 'owner.assign',
    target: { type: 'installation' } as const,
    time: nowSeconds(env.clock),
  }
  return decideOperation(asked, await currentPoliciesIn(tx, env)).outcome === 'permit'
}
