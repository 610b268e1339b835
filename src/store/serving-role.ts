/**
 * Two roles in Postgres: one owns the tables and migrates, the other serves and may do only what was
 * granted. A statement that should not exist, injected or mistaken, then fails in the database too.
 *
 * `openStore` calls `grantTo` when it is told who owns the tables; `makeRole` makes a role to serve with.
 */

import { type ClientBase, escapeIdentifier } from 'pg'
import { digestOf } from '../base/bytes.ts'

/** What the serving role may do to each table: `{ note: 'select, insert, update (text)' }`. */
export type Privileges = Readonly<Record<string, string>>

/** The role that serves, and all that it may do. */
export interface ServingRole {
  readonly name: string
  readonly privileges: Privileges
}

/** Makes the role unless it is there. It logs in without a password: where it does, the way in is the lock. */
export function makeRole(name: string): string {
  const role = escapeIdentifier(name)
  return `do $$ begin create role ${role} login;
    exception when duplicate_object or unique_violation then null; end $$`
}

/**
 * Grants exactly `privileges`, and takes back whatever else the role held. A table that is not there yet
 * belongs to a later version. Runs in the caller's transaction, under the lock of the migrations.
 *
 * @returns whether anything changed: grants that stand are not written anew
 */
export async function grantTo(
  client: ClientBase,
  { name, privileges }: ServingRole,
): Promise<boolean> {
  const role = escapeIdentifier(name)
  const { rows } = await client.query<{ owner: string }>('select current_user as owner')
  if (rows[0]?.owner === name) {
    throw new Error(`expected another role to serve than \`${name}\`, which owns the tables`)
  }
  const found = await client.query<{ schema: string; table: string }>(
    `select schemaname as schema, tablename as table from pg_tables
     where schemaname = current_schema() order by tablename`,
  )
  const schema = escapeIdentifier(found.rows[0]?.schema ?? 'public')
  const grants = found.rows.flatMap(({ table }) => {
    const allowed = table === 'migration' ? 'select' : privileges[table]
    return allowed === undefined ? [] : `grant ${allowed} on ${escapeIdentifier(table)} to ${role}`
  })
  const text = [
    `revoke all on all tables in schema ${schema} from ${role}`,
    `grant usage on schema ${schema} to ${role}`,
    ...grants,
  ].join(';\n')
  const row = [`grants to ${name}`, digestOf(text)]
  const { rowCount } = await client.query(
    `insert into migration (name, digest) values ($1, $2)
     on conflict (name) do update set digest = excluded.digest, applied_at = now()
       where migration.digest <> excluded.digest`,
    row,
  )
  if (rowCount === 0) return false
  await client.query(text)
  return true
}
