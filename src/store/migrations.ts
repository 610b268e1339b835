/**
 * Schema steps: numbered, forward-only, applied once and in order.
 *
 * `openStore` calls `migrate`. Every room with tables exports its own `migrations`; the store's own come
 * first. Code of one version runs on the schema of the next, so an applied step that this version does
 * not know is left alone.
 */

import type { ClientBase } from 'pg'
import { digestOf } from '../base/bytes.ts'
import { grantTo, type ServingRole } from './serving-role.ts'
import type { Migration } from './store.ts'

/**
 * The store's own tables. The log's head and the versions of subjects stand here, below the log that
 * writes them, so that `changes.ts` can read both. The version of a subject is the index of the last
 * entry that touched it; there are no other version columns.
 */
export const migrations: readonly Migration[] = [
  {
    name: 'store-0001',
    up: `
      create table log_head (
        "only" boolean primary key default true check ("only"),
        size bigint not null check (size >= 0)
      );
      insert into log_head (size) values (0);
      create table touched (
        subject text primary key,
        version bigint not null
      );
      create index touched_version on touched (version);
    `,
  },
  {
    // A table that nobody has analyzed is taken for thousands of rows: until that is mended by itself, every
    // statement that joins the head would be planned anew each time it runs.
    name: 'store-0002',
    up: 'analyze log_head',
  },
  {
    // For tables whose rows never change, whoever asks: `before update or delete or truncate`.
    name: 'store-0003',
    up: `
      create function refuse_change() returns trigger language plpgsql as $$
      begin
        raise exception 'expected no % of %: its rows never change', lower(tg_op), tg_table_name;
      end $$`,
  },
]

/** Arbitrary and ours: two processes that start at once migrate one after the other. */
const MIGRATION_LOCK = 7_305_805_912_331

/**
 * Applies what is missing, in one transaction: all of it or nothing; then grants to `serving`, if told.
 * Throws if an applied step has been edited since, if two steps share a name, or if something is missing
 * and this role may not make it.
 *
 * @returns the names of the steps applied now
 */
export async function migrate(
  client: ClientBase,
  wanted: readonly Migration[],
  serving?: ServingRole,
): Promise<readonly string[]> {
  const all = distinct([...migrations, ...wanted])
  await client.query('begin')
  try {
    await client.query('select pg_advisory_xact_lock($1)', [MIGRATION_LOCK])
    const applied = await appliedSteps(client)
    const missing = all.filter((step) => isMissing(step, applied ?? new Map()))
    if (missing.length > 0) await mustOwn(client, missing)
    if (applied === undefined) {
      await client.query(
        `create table migration (
           name text primary key, digest text not null, applied_at timestamptz not null default now())`,
      )
    }
    for (const step of missing) await apply(client, step)
    if (serving !== undefined) await grantTo(client, serving)
    await client.query('commit')
    return missing.map((step) => step.name)
  } catch (error) {
    await client.query('rollback')
    throw error
  }
}

/** Names and digests of the steps that this database has; undefined if it has never had one. */
async function appliedSteps(client: ClientBase): Promise<Map<string, string> | undefined> {
  const found = await client.query(`select to_regclass('migration') as "table"`)
  if (found.rows[0].table === null) return undefined
  const { rows } = await client.query<{ name: string; digest: string }>(
    'select name, digest from migration',
  )
  return new Map(rows.map((row) => [row.name, row.digest]))
}

/** A serving role has no right to make tables: said before Postgres says it of the first one. */
async function mustOwn(client: ClientBase, [first]: readonly Migration[]): Promise<void> {
  const { rows } = await client.query(
    `select has_schema_privilege(current_schema(), 'create') as may, current_user as role`,
  )
  if (rows[0].may === true) return
  throw new Error(
    `the database lacks \`${first?.name}\`, and \`${rows[0].role}\` may not make it: run \`behalf migrate\` as the owner of the tables`,
  )
}

/** The steps without repetition: a list may be handed over twice, a name may not mean two things. */
function distinct(steps: readonly Migration[]): Migration[] {
  const byName = new Map<string, Migration>()
  for (const step of steps) {
    const other = byName.get(step.name)
    if (other !== undefined && other.up !== step.up) {
      throw new Error(`expected one migration named \`${step.name}\`, got two`)
    }
    byName.set(step.name, step)
  }
  return [...byName.values()]
}

function isMissing(step: Migration, applied: ReadonlyMap<string, string>): boolean {
  const digest = applied.get(step.name)
  if (digest !== undefined && digest !== digestOf(step.up)) {
    throw new Error(`migration \`${step.name}\` was edited after it was applied to this database`)
  }
  return digest === undefined
}

async function apply(client: ClientBase, step: Migration): Promise<void> {
  try {
    await client.query(step.up)
  } catch (cause) {
    throw new Error(`migration \`${step.name}\` failed`, { cause })
  }
  const row = [step.name, digestOf(step.up)]
  await client.query('insert into migration (name, digest) values ($1, $2)', row)
}
