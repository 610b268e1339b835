/** Tables `person`, `group` and `group_member`. */

import type { SelectQueryBuilder } from 'kysely'
import type { Tx } from '../store/store.ts'
import {
  type Group,
  type GroupId,
  groupIdSchema,
  type Person,
  type PersonId,
  personIdSchema,
} from './person.ts'

type PeopleTables = {
  person: {
    id: PersonId
    handle: string
    name: string
    email: string | null
    active: boolean
    manager: PersonId | null
    created_at: number
  }
  group: { id: GroupId; name: string; created_at: number }
  group_member: { group_id: GroupId; person_id: PersonId }
}

type Row = Omit<PeopleTables['person'], 'created_at'>

const COLUMNS = ['id', 'handle', 'name', 'email', 'active', 'manager'] as const

/** Adds a person; `false` if the handle was ever taken. */
export async function insertPerson(tx: Tx, person: Person, createdAt: number): Promise<boolean> {
  const { id, handle, name, active } = person
  const added = await tx
    .withTables<PeopleTables>()
    .insertInto('person')
    .values({ id, handle, name, active, email: person.email ?? null, created_at: createdAt })
    .onConflict((conflict) => conflict.column('handle').doNothing())
    .executeTakeFirst()
  return added.numInsertedOrUpdatedRows === 1n
}

/** The person by handle or identifier, active or not. */
export async function findPerson(tx: Tx, handleOrId: string): Promise<Person | undefined> {
  return await one(selectPerson(tx, handleOrId))
}

/** The person, whom nobody else can change until the transaction ends. */
export async function lockPerson(tx: Tx, handleOrId: string): Promise<Person | undefined> {
  return await one(selectPerson(tx, handleOrId).forUpdate())
}

/** The handles of those of `ids` that there are, by identifier. */
export async function handlesOf(
  tx: Tx,
  ids: readonly PersonId[],
): Promise<ReadonlyMap<PersonId, string>> {
  if (ids.length === 0) return new Map()
  const rows = await tx
    .withTables<PeopleTables>()
    .selectFrom('person')
    .select(['id', 'handle'])
    .where('id', 'in', ids)
    .execute()
  return new Map(rows.map(({ id, handle }) => [id, handle]))
}

/** Everybody, by handle. */
export async function listPeople(tx: Tx): Promise<Person[]> {
  const rows = await tx
    .withTables<PeopleTables>()
    .selectFrom('person')
    .select(COLUMNS)
    .orderBy('handle')
    .execute()
  return rows.map(personFrom)
}

/** Whether anybody was ever added. */
export async function hasPeople(tx: Tx): Promise<boolean> {
  const query = tx.withTables<PeopleTables>().selectFrom('person').select('id').limit(1)
  return (await query.executeTakeFirst()) !== undefined
}

/** Makes a person active or not. */
export async function updateActive(tx: Tx, id: PersonId, active: boolean): Promise<void> {
  await tx
    .withTables<PeopleTables>()
    .updateTable('person')
    .set({ active })
    .where('id', '=', id)
    .execute()
}

/** Sets or clears who answers when this person cannot. */
export async function updateManager(tx: Tx, id: PersonId, manager: PersonId | null): Promise<void> {
  await tx
    .withTables<PeopleTables>()
    .updateTable('person')
    .set({ manager })
    .where('id', '=', id)
    .execute()
}

/** Adds a group; `false` if the name was ever taken. */
export async function insertGroup(tx: Tx, group: Group, createdAt: number): Promise<boolean> {
  const added = await tx
    .withTables<PeopleTables>()
    .insertInto('group')
    .values({ id: group.id, name: group.name, created_at: createdAt })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .executeTakeFirst()
  return added.numInsertedOrUpdatedRows === 1n
}

/** The group by name or identifier. */
export async function findGroup(tx: Tx, nameOrId: string): Promise<Group | undefined> {
  return await selectGroup(tx, nameOrId).executeTakeFirst()
}

/** The group, whose members nobody else can change until the transaction ends. */
export async function lockGroup(tx: Tx, nameOrId: string): Promise<Group | undefined> {
  return await selectGroup(tx, nameOrId).forUpdate().executeTakeFirst()
}

/** Every group, by name, with its members. */
export async function listGroups(tx: Tx): Promise<(Group & { members: PersonId[] })[]> {
  const db = tx.withTables<PeopleTables>()
  const groups = await db.selectFrom('group').select(['id', 'name']).orderBy('name').execute()
  const all = await db
    .selectFrom('group_member')
    .select(['group_id', 'person_id'])
    .orderBy('person_id')
    .execute()
  const members = Map.groupBy(all, (row) => row.group_id)
  return groups.map((group) => ({
    ...group,
    members: (members.get(group.id) ?? []).map((row) => row.person_id),
  }))
}

/** Adds a member; `false` if they already are one. */
export async function insertMember(tx: Tx, group: GroupId, person: PersonId): Promise<boolean> {
  const added = await tx
    .withTables<PeopleTables>()
    .insertInto('group_member')
    .values({ group_id: group, person_id: person })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst()
  return added.numInsertedOrUpdatedRows === 1n
}

/** Removes a member; `false` if they are none. */
export async function deleteMember(tx: Tx, group: GroupId, person: PersonId): Promise<boolean> {
  const removed = await tx
    .withTables<PeopleTables>()
    .deleteFrom('group_member')
    .where('group_id', '=', group)
    .where('person_id', '=', person)
    .executeTakeFirst()
  return removed.numDeletedRows === 1n
}

/** The groups that a person belongs to, in the order of their identifiers. */
export async function groupsOf(tx: Tx, person: PersonId): Promise<GroupId[]> {
  const rows = await tx
    .withTables<PeopleTables>()
    .selectFrom('group_member')
    .select('group_id')
    .where('person_id', '=', person)
    .orderBy('group_id')
    .execute()
  return rows.map((row) => row.group_id)
}

/** The members of a group, active or not, in the order of their identifiers. */
export async function membersOf(tx: Tx, group: GroupId): Promise<Person[]> {
  const rows = await tx
    .withTables<PeopleTables>()
    .selectFrom('person')
    .innerJoin('group_member', 'group_member.person_id', 'person.id')
    .select(COLUMNS)
    .where('group_member.group_id', '=', group)
    .orderBy('person.id')
    .execute()
  return rows.map(personFrom)
}

function selectPerson(tx: Tx, handleOrId: string): SelectQueryBuilder<PeopleTables, 'person', Row> {
  const column = personIdSchema.safeParse(handleOrId).success ? 'id' : 'handle'
  return tx
    .withTables<PeopleTables>()
    .selectFrom('person')
    .select(COLUMNS)
    .where(column, '=', storable(handleOrId) as PersonId)
}

function selectGroup(tx: Tx, nameOrId: string): SelectQueryBuilder<PeopleTables, 'group', Group> {
  const column = groupIdSchema.safeParse(nameOrId).success ? 'id' : 'name'
  return tx
    .withTables<PeopleTables>()
    .selectFrom('group')
    .select(['id', 'name'])
    .where(column, '=', storable(nameOrId) as GroupId)
}

/** Postgres keeps no NUL: a text with one names nobody, and must not be a fault. */
function storable(text: string): string {
  return text.includes('\0') ? '' : text
}

async function one(
  query: SelectQueryBuilder<PeopleTables, 'person', Row>,
): Promise<Person | undefined> {
  const row = await query.executeTakeFirst()
  return row === undefined ? undefined : personFrom(row)
}

function personFrom(row: Row): Person {
  return {
    id: row.id,
    handle: row.handle,
    name: row.name,
    ...(row.email === null ? {} : { email: row.email }),
    active: row.active,
    ...(row.manager === null ? {} : { manager: row.manager }),
  }
}
