/**
 * The first administrator of an empty installation: call `bootstrap` at each start.
 *
 * Whoever can read what the server prints is the first to administer it, once.
 */

import { sql } from 'kysely'
import { append } from '../audit/append.ts'
import type { Actor, Entry } from '../audit/entry.ts'
import type { Vault } from '../audit/vault.ts'
import type { Clock } from '../base/clock.ts'
import { newId } from '../base/id.ts'
import type { Random } from '../base/random.ts'
import { must } from '../base/result.ts'
import type { Store, Tx } from '../store/store.ts'
import { ADMINISTRATORS } from './administrators.ts'
import { addPerson } from './create-person.ts'
import { hasPeople, insertGroup, insertMember, lockPerson } from './people-store.ts'
import type { Group, PersonId } from './person.ts'
import { bootstrapPending } from './session-store.ts'
import { codeIssued, type IssuedCode, writeCode } from './sign-in.ts'

interface Env {
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly vault: Vault
}

const BY: Actor = { type: 'system', part: 'bootstrap' }
const LIFETIME_SECONDS = 24 * 60 * 60
/** Arbitrary and ours: two servers that start at once do this one after the other. */
const BOOTSTRAP_LOCK = 7_305_805_912_332

/**
 * Makes the person `administrator` in the group `administrators` if nobody was ever added, and a code
 * for them to sign in. Until a code was used, each start makes a new one; afterwards it does nothing.
 */
export async function bootstrap(env: Env): Promise<IssuedCode | undefined> {
  return await env.store.transaction(async (tx) => {
    await sql`select pg_advisory_xact_lock(${BOOTSTRAP_LOCK})`.execute(tx)
    const pending = await bootstrapPending(tx)
    if (pending !== undefined) {
      await lockPerson(tx, pending)
      return await issue(tx, pending, [], env)
    }
    if (await hasPeople(tx)) return undefined
    const { person, entries } = await addAdministrator(tx, env)
    return await issue(tx, person, entries, env)
  })
}

async function addAdministrator(tx: Tx, env: Env): Promise<{ person: PersonId; entries: Entry[] }> {
  const request = { handle: 'administrator', name: 'Administrator' }
  const { person, entry } = must(await addPerson(tx, request, BY, env))
  const group: Group = { id: newId('grp', env), name: ADMINISTRATORS }
  const time = env.clock.nowMilliseconds()
  await insertGroup(tx, group, time)
  await insertMember(tx, group.id, person.id)
  const head = { v: 1, time, by: BY, group: group.id } as const
  return {
    person: person.id,
    entries: [
      entry,
      { ...head, kind: 'group_created', touches: [group.id], name: group.name },
      {
        ...head,
        kind: 'group_member_added',
        touches: [group.id, person.id],
        person: person.id,
      },
    ],
  }
}

async function issue(
  tx: Tx,
  person: PersonId,
  entries: readonly Entry[],
  env: Env,
): Promise<IssuedCode> {
  const about = { person, purpose: 'bootstrap', lifetimeSeconds: LIFETIME_SECONDS } as const
  const issued = await writeCode(tx, about, env)
  await append(tx, [...entries, codeIssued(person, issued, BY, env)])
  return issued
}
