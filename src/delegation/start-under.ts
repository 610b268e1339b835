/** Who may say that an agent was started by another one: call `mayStartUnder` before a person's word is taken. */

import { resolve } from '../accountability/resolve.ts'
import { ok, refuse, type Result } from '../base/result.ts'
import type { AgentId } from '../identity/agent.ts'
import type { PersonId } from '../people/person.ts'
import type { Tx } from '../store/store.ts'
import { heldBy } from './delegation-store.ts'
import { loadTree, rootOf, standing } from './standing.ts'

/**
 * Succeeds for whoever answers for the parent, and for whoever directs it: a person whose delegation it
 * holds, while that stands. To everybody else a parent that is not theirs is as unknown as one that is
 * not there.
 */
export async function mayStartUnder(
  tx: Tx,
  parent: AgentId,
  asker: { readonly person: PersonId; readonly nowMilliseconds: number },
): Promise<Result<undefined, { reason: 'unknown_parent' }>> {
  const { person, nowMilliseconds } = asker
  const answers = await resolve(tx, parent, nowMilliseconds)
  if (answers.ok && (answers.value.accountable.person as PersonId) === person) return ok()
  for (const delegation of await heldBy(tx, parent)) {
    const tree = await loadTree(tx, delegation)
    if (tree === undefined || rootOf(tree).person !== person) continue
    if (standing(tree, Math.floor(nowMilliseconds / 1_000)).ok) return ok()
  }
  return refuse({ reason: 'unknown_parent' })
}
