/** A person's states: `deactivatePerson`, `reactivatePerson`; and who answers in their stead: `assignManager`. */

import { append } from '../audit/append.ts'
import type { Actor } from '../audit/entry.ts'
import type { Clock } from '../base/clock.ts'
import { ok, refuse, type Result } from '../base/result.ts'
import type { Store, Tx } from '../store/store.ts'
import { leavesAdministrator } from './administrators.ts'
import { findPerson, lockPerson, updateActive, updateManager } from './people-store.ts'
import type { Person, PersonId } from './person.ts'
import { deleteCodes, deleteSessions } from './session-store.ts'

interface Env {
  readonly store: Store
  readonly clock: Clock
}

/**
 * Deactivates a person: sessions and codes end with the same commit, and nothing that they delegated
 * stands. Refused for the last active administrator, after whom nobody could undo it.
 */
export async function deactivatePerson(
  request: { readonly person: string; readonly reason?: string },
  by: Actor,
  env: Env,
): Promise<
  Result<Person, { reason: 'unknown_person' | 'already_inactive' | 'last_administrator' }>
> {
  return await env.store.transaction(async (tx) => {
    const others = await leavesAdministrator(tx, request.person)
    const person = await lockPerson(tx, request.person)
    if (person === undefined) return refuse({ reason: 'unknown_person' })
    if (!person.active) return refuse({ reason: 'already_inactive' })
    if (!others) return refuse({ reason: 'last_administrator' })

    await updateActive(tx, person.id, false)
    // INVARIANT (revocation): no session outlives the commit that deactivates its person.
    await deleteSessions(tx, person.id)
    await deleteCodes(tx, person.id)
    const { reason } = request
    await append(tx, [
      {
        v: 1,
        kind: 'person_deactivated',
        time: env.clock.nowMilliseconds(),
        by,
        touches: [person.id],
        person: person.id,
        ...(reason === undefined ? {} : { reason }),
      },
    ])
    return ok({ ...person, active: false })
  })
}

/** Makes a person active again; they sign in anew. */
export async function reactivatePerson(
  request: { readonly person: string },
  by: Actor,
  env: Env,
): Promise<Result<Person, { reason: 'unknown_person' | 'already_active' }>> {
  return await env.store.transaction(async (tx) => {
    const person = await lockPerson(tx, request.person)
    if (person === undefined) return refuse({ reason: 'unknown_person' })
    if (person.active) return refuse({ reason: 'already_active' })
    await updateActive(tx, person.id, true)
    const time = env.clock.nowMilliseconds()
    const { id } = person
    await append(tx, [{ v: 1, kind: 'person_reactivated', time, by, touches: [id], person: id }])
    return ok({ ...person, active: true })
  })
}

/** Says who answers when this person cannot, or that nobody does (`null`). */
export async function assignManager(
  request: { readonly person: string; readonly manager: string | null },
  by: Actor,
  env: Env,
): Promise<Result<Person, { reason: 'unknown_person' | 'unknown_manager' | 'manager_circle' }>> {
  return await env.store.transaction(async (tx) => {
    const person = await lockPerson(tx, request.person)
    if (person === undefined) return refuse({ reason: 'unknown_person' })
    const manager = request.manager === null ? null : await findPerson(tx, request.manager)
    if (manager === undefined) return refuse({ reason: 'unknown_manager' })
    if (manager !== null && (await isAbove(tx, person.id, manager))) {
      return refuse({ reason: 'manager_circle' })
    }
    const to = manager?.id ?? null
    await updateManager(tx, person.id, to)
    await append(tx, [
      {
        v: 1,
        kind: 'manager_assigned',
        time: env.clock.nowMilliseconds(),
        by,
        touches: [person.id],
        person: person.id,
        manager: to,
      },
    ])
    const { manager: _, ...rest } = person
    return ok({ ...rest, ...(to === null ? {} : { manager: to }) })
  })
}

const HIGHEST_CHAIN = 100

/**
 * Whether `person` is `from` or stands above it. Two assignments at once can still close a circle,
 * which is why whoever follows the chain counts its steps.
 */
async function isAbove(tx: Tx, person: PersonId, from: Person): Promise<boolean> {
  let at: Person | undefined = from
  for (let step = 0; at !== undefined && step < HIGHEST_CHAIN; step++) {
    if (at.id === person) return true
    at = at.manager === undefined ? undefined : await findPerson(tx, at.manager)
  }
  return at !== undefined
}
