/** Who owns what: `assignOwner`. */

import { append } from '../audit/append.ts'
import type { Actor } from '../audit/entry.ts'
import type { Clock } from '../base/clock.ts'
import { ok, refuse, type Result } from '../base/result.ts'
import type { AgentId } from '../identity/agent.ts'
import { findAgent, findArchetype } from '../identity/agent-store.ts'
import { findGroup, findPerson } from '../people/people-store.ts'
import type { Store, Tx } from '../store/store.ts'
import { ownerOf, writeOwner } from './accountability-store.ts'
import { isGroup, type Owned, type Owner } from './owner.ts'

/** Why no owner was assigned. */
export interface OwnerRefusal {
  readonly reason: 'unknown_owned' | 'unknown_owner' | 'owner_inactive' | 'owner_circle'
}

/** Says who owns an agent, an archetype or a group, or that nobody does (`null`). */
export async function assignOwner(
  { owned, owner }: { readonly owned: Owned; readonly owner: Owner | null },
  by: Actor,
  env: { readonly store: Store; readonly clock: Clock },
): Promise<Result<undefined, OwnerRefusal>> {
  return await env.store.transaction(async (tx) => {
    if (!(await exists(tx, owned))) return refuse({ reason: 'unknown_owned' })
    const fit = owner === null ? ok() : await canOwn(tx, owner, owned)
    if (!fit.ok) return fit
    await writeOwner(tx, owned, owner)
    const time = env.clock.nowMilliseconds()
    await append(tx, [{ v: 1, kind: 'owner_assigned', time, by, touches: [owned], owned, owner }])
    return ok()
  })
}

async function exists(tx: Tx, owned: Owned): Promise<boolean> {
  if (isGroup(owned)) return (await findGroup(tx, owned)) !== undefined
  if (owned.startsWith('agt_')) return (await findAgent(tx, owned as AgentId)) !== undefined
  return (await findArchetype(tx, owned.slice('archetype:'.length))) !== undefined
}

async function canOwn(
  tx: Tx,
  owner: Owner,
  owned: Owned,
): Promise<Result<undefined, OwnerRefusal>> {
  if (!isGroup(owner)) {
    const person = await findPerson(tx, owner)
    if (person === undefined) return refuse({ reason: 'unknown_owner' })
    return person.active ? ok() : refuse({ reason: 'owner_inactive' })
  }
  if ((await findGroup(tx, owner)) === undefined) return refuse({ reason: 'unknown_owner' })
  return (await isAbove(tx, owned, owner)) ? refuse({ reason: 'owner_circle' }) : ok()
}

const HIGHEST_CHAIN = 20

/** Whether `owned` owns `from`, directly or through groups. Two at once can close a circle: `resolve` ends in it. */
async function isAbove(tx: Tx, owned: Owned, from: Owner): Promise<boolean> {
  let at: Owner | undefined = from
  for (let step = 0; at !== undefined && isGroup(at); step++) {
    if (at === owned || step === HIGHEST_CHAIN) return true
    at = await ownerOf(tx, at)
  }
  return false
}
