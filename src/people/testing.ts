/** What tests of people start from. */

import type { TestContext } from 'node:test'
import { sql } from 'kysely'
import { checkLog } from '../audit/check-log.ts'
import { decodeEntry, type Entry } from '../audit/entry.ts'
import { openTestLog, testActor, type TestLog } from '../audit/testing.ts'
import { must } from '../base/result.ts'
import type { Migration, Store } from '../store/store.ts'
import { createPerson } from './create-person.ts'
import { addMember, createGroup } from './membership.ts'
import { migrations } from './migrations.ts'
import type { Group, Person } from './person.ts'
import { issueSignInCode, signIn, type SignedIn } from './sign-in.ts'

/** A log with the tables of people and of `more`. */
export async function openTestPeople(
  t: TestContext,
  more: readonly Migration[] = [],
): Promise<TestLog> {
  return await openTestLog(t, [...migrations, ...more])
}

/** A person of that handle. */
export async function addTestPerson(handle: string, env: TestLog): Promise<Person> {
  const name = handle[0]?.toUpperCase() + handle.slice(1)
  return must(await createPerson({ handle, name }, testActor, env))
}

/** A group of that name, with members. */
export async function addTestGroup(
  name: string,
  members: readonly Person[],
  env: TestLog,
): Promise<Group> {
  const group = must(await createGroup({ name }, testActor, env))
  for (const { id } of members) must(await addMember({ group: name, person: id }, testActor, env))
  return group
}

/** That person, signed in. */
export async function signInTestPerson(handle: string, env: TestLog): Promise<SignedIn> {
  const { code } = must(await issueSignInCode({ person: handle }, testActor, env))
  return must(await signIn({ code }, env))
}

/** The entries of the log from `first` on, once the whole log keeps its invariants. */
export async function entriesFrom(first: number, store: Store): Promise<Entry[]> {
  await checkLog(store)
  const { rows } = await sql<{ entry: Uint8Array }>`
    select entry from log_entry where index >= ${first} order by index`.execute(store.db)
  return rows.map((row) => decodeEntry(row.entry))
}
