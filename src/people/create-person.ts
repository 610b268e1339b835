/** How people come to be: `createPerson`. Their profile is sealed beside the log, so it can be erased. */

import * as z from 'zod'
import { append } from '../audit/append.ts'
import type { Actor, EntryOf } from '../audit/entry.ts'
import type { Vault } from '../audit/vault.ts'
import type { Clock } from '../base/clock.ts'
import { newId } from '../base/id.ts'
import type { Random } from '../base/random.ts'
import { ok, refuse, type Result } from '../base/result.ts'
import type { Store, Tx } from '../store/store.ts'
import { insertPerson } from './people-store.ts'
import { displayName, isSlug, type Person } from './person.ts'

/** Whom to add. */
export interface PersonRequest {
  /** @see Person.handle */
  readonly handle: string
  readonly name: string
  readonly email?: string
}

/** Why nobody was added. */
export interface PersonRefusal {
  readonly reason: 'bad_handle' | 'bad_name' | 'bad_email' | 'handle_taken'
}

interface Env {
  readonly clock: Clock
  readonly random: Random
  readonly vault: Vault
}

const address = z.email().max(254)

/** Adds an active person, who belongs to no group and has no way to sign in yet. */
export async function createPerson(
  request: PersonRequest,
  by: Actor,
  env: Env & { readonly store: Store },
): Promise<Result<Person, PersonRefusal>> {
  return await env.store.transaction(async (tx) => {
    const added = await addPerson(tx, request, by, env)
    if (!added.ok) return added
    await append(tx, [added.value.entry])
    return ok(added.value.person)
  })
}

/** Writes a person and returns the entry, for the caller to append. */
export async function addPerson(
  tx: Tx,
  request: PersonRequest,
  by: Actor,
  env: Env,
): Promise<Result<{ person: Person; entry: EntryOf<'person_created'> }, PersonRefusal>> {
  const { handle, email } = request
  const name = displayName.safeParse(request.name)
  if (!isSlug(handle)) return refuse({ reason: 'bad_handle' })
  if (!name.success) return refuse({ reason: 'bad_name' })
  if (email !== undefined && !address.safeParse(email).success)
    return refuse({ reason: 'bad_email' })

  const profile = { handle, name: name.data, ...(email === undefined ? {} : { email }) }
  const person: Person = { id: newId('per', env), ...profile, active: true }
  const time = env.clock.nowMilliseconds()
  if (!(await insertPerson(tx, person, time))) return refuse({ reason: 'handle_taken' })
  const entry: EntryOf<'person_created'> = {
    v: 1,
    kind: 'person_created',
    time,
    by,
    touches: [person.id],
    person: person.id,
    profile: await env.vault.seal(tx, profile, { subject: person.id }),
  }
  return ok({ person, entry })
}
