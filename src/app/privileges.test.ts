import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { sql } from 'kysely'
import { silentDiagnostics } from '../base/diagnostics.ts'
import { askOnce } from '../store/connection.ts'
import { openStore } from '../store/open-store.ts'
import { makeRole } from '../store/serving-role.ts'
import type { Store } from '../store/store.ts'
import { testDatabase } from '../store/testing.ts'
import { migrateFor } from './migrate-for.ts'
import { allMigrations } from './migrations.ts'
import { PRIVILEGES } from './privileges.ts'

const ROLE = 'behalf_test_serving'

/** A database that its owner prepared, and the store of a server that knows only the role that serves. */
async function opened(t: TestContext): Promise<{ owner: string; store: Store }> {
  const owner = await testDatabase(t)
  await askOnce(owner, makeRole(ROLE))
  await migrateFor(ROLE, { url: owner, diagnostics: silentDiagnostics })
  const serving = new URL(owner)
  serving.username = ROLE
  const store = await openStore({
    url: serving.href,
    migrations: allMigrations,
    diagnostics: silentDiagnostics,
  })
  t.after(async () => await store.close())
  return { owner, store }
}

test('every table has its privileges, and no other is named', async (t) => {
  const { owner } = await opened(t)
  const rows = await askOnce<{ name: string }>(
    owner,
    `select tablename as name from pg_tables where schemaname = 'public' and tablename <> 'migration'`,
  )
  assert.deepEqual(rows.map(({ name }) => name).toSorted(), Object.keys(PRIVILEGES).toSorted())
})

/** Every write that stands in the code's text. What `on conflict` does is not among them. */
function writes(): { readonly verb: string; readonly table: string; readonly file: string }[] {
  const source = join(import.meta.dirname, '..')
  const files = readdirSync(source, { recursive: true, encoding: 'utf8' })
  return files
    .filter((file) => file.endsWith('.ts') && !/(?:test|testing|migrations)\.ts$/.test(file))
    .flatMap((file) =>
      WRITES.flatMap((pattern) =>
        [...readFileSync(join(source, file), 'utf8').matchAll(pattern)].map(
          ([, verb = '', table = '']) => ({ verb, table, file }),
        ),
      ),
    )
}

const WRITES = [
  /\b(update|delete|insert)(?:Table|From|Into)\('(\w+)'/g,
  /\b(insert) into (\w+) (?:as \w+ )?\(/g,
  /\b(update) (\w+)(?: \w+)?\s+set /g,
  /\b(delete) from (\w+)/g,
]

test('what the code writes, the server may write', () => {
  const made = allMigrations.flatMap(({ up }) =>
    [...up.matchAll(/create table "?(\w+)/g)].map(([, table = '']) => table),
  )
  const found = writes().filter(({ table }) => made.includes(table))
  assert.ok(new Set(found.map(({ table }) => table)).size > 30)
  assert.deepEqual(
    found.filter(({ verb, table }) => !new RegExp(`\\b${verb}\\b`).test(PRIVILEGES[table] ?? '')),
    [],
  )
})

const NEVER = /^permission denied for table|^must be owner of/

test('the server cannot rewrite what never changes', async (t) => {
  const { store } = await opened(t)
  for (const statement of [
    `update log_entry set entry = ''`,
    `delete from log_entry`,
    `truncate log_entry`,
    `alter table log_entry disable trigger log_entry_never_changes`,
    `drop trigger log_entry_never_changes on log_entry`,
    `drop table log_entry`,
    `delete from touched`,
    `delete from log_head`,
    `update log_checkpoint set note = ''`,
    `update delegation set details = '[]'`,
    `update delegation set expires_at = 0`,
    `update delegation set person = ''`,
    `update delegation set signed = ''`,
    `delete from delegation`,
    `update approval set shown = ''`,
    `update approval set entitled_people = '{}'`,
    `update approval set expires_at = 0`,
    `update agent set spiffe_id = ''`,
    `update agent set archetype = ''`,
    `update agent_key set jkt = ''`,
    `delete from agent_key`,
    `update server set name = ''`,
    `delete from server`,
    `update server_review set signed = ''`,
    `delete from server_review`,
    `update policy_text set text = ''`,
    `update policy_activation set signed = ''`,
    `update person set handle = ''`,
    `delete from person`,
    `update segment set principal = ''`,
    `delete from segment`,
    `update migration set digest = ''`,
  ]) {
    await assert.rejects(sql.raw(statement).execute(store.db), { message: NEVER }, statement)
  }
})

test('nor do the tables of the log and of what agents were shown let their owner', async (t) => {
  const { owner } = await opened(t)
  for (const table of ['log_entry', 'segment']) {
    for (const statement of [
      `update ${table} set kind = 'x'`,
      `delete from ${table}`,
      `truncate ${table}`,
    ]) {
      await assert.rejects(askOnce(owner, statement), /its rows never change$/, statement)
    }
  }
})
