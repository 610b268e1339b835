/** Tables `owner`, `rotation` and `duty_override`. */

import type { GroupId, PersonId } from '../people/person.ts'
import type { Tx } from '../store/store.ts'
import type { Owned, Owner } from './owner.ts'
import type { RotationTerms } from './rotation.ts'

type AccountabilityTables = {
  owner: { owned: Owned; owner: Owner }
  rotation: {
    group_id: GroupId
    members: PersonId[]
    start: string
    time_zone: string
    shift: string
  }
  duty_override: {
    group_id: GroupId
    person_id: PersonId
    from_time: number
    until_time: number
  }
}

/** A person who answers for a group in place of its rotation. */
export interface Override {
  readonly group: GroupId
  readonly person: PersonId
  /** Seconds since the epoch. */
  readonly from: number
  /** Seconds since the epoch; from here on the rotation counts again. */
  readonly until: number
}

/** Who owns `owned`. */
export async function ownerOf(tx: Tx, owned: Owned): Promise<Owner | undefined> {
  return (await ownersOf(tx, [owned])).get(owned)
}

/** The owners of those that have one. */
export async function ownersOf(
  tx: Tx,
  owned: readonly Owned[],
): Promise<ReadonlyMap<Owned, Owner>> {
  if (owned.length === 0) return new Map()
  const rows = await tx
    .withTables<AccountabilityTables>()
    .selectFrom('owner')
    .select(['owned', 'owner'])
    .where('owned', 'in', owned)
    .execute()
  return new Map(rows.map((row) => [row.owned, row.owner]))
}

/** Sets the owner, or none. */
export async function writeOwner(tx: Tx, owned: Owned, owner: Owner | null): Promise<void> {
  const db = tx.withTables<AccountabilityTables>()
  if (owner === null) {
    await db.deleteFrom('owner').where('owned', '=', owned).execute()
    return
  }
  await db
    .insertInto('owner')
    .values({ owned, owner })
    .onConflict((conflict) => conflict.column('owned').doUpdateSet({ owner }))
    .execute()
}

/** The terms of a group's rotation. */
export async function findRotation(tx: Tx, group: GroupId): Promise<RotationTerms | undefined> {
  const row = await tx
    .withTables<AccountabilityTables>()
    .selectFrom('rotation')
    .select(['members', 'start', 'time_zone', 'shift'])
    .where('group_id', '=', group)
    .executeTakeFirst()
  if (row === undefined) return undefined
  return { members: row.members, start: row.start, timeZone: row.time_zone, shift: row.shift }
}

/** Sets a group's rotation, or none. */
export async function writeRotation(
  tx: Tx,
  group: GroupId,
  terms: RotationTerms | null,
): Promise<void> {
  const db = tx.withTables<AccountabilityTables>()
  await db.deleteFrom('rotation').where('group_id', '=', group).execute()
  if (terms === null) return
  const { members, start, timeZone, shift } = terms
  const row = { group_id: group, members: [...members], start, time_zone: timeZone, shift }
  await db.insertInto('rotation').values(row).execute()
}

/** Those who override a group's rotation at that second, the one set last first. */
export async function overridesAt(tx: Tx, group: GroupId, seconds: number): Promise<PersonId[]> {
  const rows = await tx
    .withTables<AccountabilityTables & { duty_override: { number: number } }>()
    .selectFrom('duty_override')
    .select('person_id')
    .where('group_id', '=', group)
    .where('from_time', '<=', seconds)
    .where('until_time', '>', seconds)
    .orderBy('number', 'desc')
    .execute()
  return rows.map((row) => row.person_id)
}

/** Adds an override; those of the group that ended before `now` are forgotten, the log has them. */
export async function insertOverride(tx: Tx, override: Override, now: number): Promise<void> {
  const { group, person, from, until } = override
  const db = tx.withTables<AccountabilityTables>()
  await db
    .deleteFrom('duty_override')
    .where('group_id', '=', group)
    .where('until_time', '<=', now)
    .execute()
  const row = { group_id: group, person_id: person, from_time: from, until_time: until }
  await db.insertInto('duty_override').values(row).execute()
}
