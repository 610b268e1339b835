/** An agent instance claims a delegation that was made for any of its archetype. */

import type { Entry } from '../audit/entry.ts'
import type { Clock } from '../base/clock.ts'
import { type Result, ok, refuse } from '../base/result.ts'
import type { Agent } from '../identity/agent.ts'
import type { Tx } from '../store/store.ts'
import type { Delegation } from './delegation.ts'
import { bindAgent } from './delegation-store.ts'

/** Why an agent may not use a delegation. */
export interface ClaimRefusal {
  readonly reason: 'not_the_delegate'
}

/**
 * Succeeds if the delegation is the agent's, binding it to the agent if it was nobody's yet: of two that
 * claim at once, one wins. Returns the entries to append, none if it was the agent's before.
 */
export async function claim(
  tx: Tx,
  delegation: Delegation,
  agent: Agent,
  env: { readonly clock: Clock },
): Promise<Result<readonly Entry[], ClaimRefusal>> {
  const { delegate, id, person } = delegation
  if (delegate.agent === agent.id) return ok([])
  if (delegate.agent !== undefined || delegate.archetype !== agent.archetype) {
    return refuse({ reason: 'not_the_delegate' })
  }
  if (!(await bindAgent(tx, id, agent.id))) return refuse({ reason: 'not_the_delegate' })
  return ok([
    {
      v: 1,
      kind: 'delegation_claimed',
      time: env.clock.nowMilliseconds(),
      by: { type: 'agent', agent: agent.id, delegation: id, person },
      touches: [id],
      delegation: id,
      agent: agent.id,
    },
  ])
}
