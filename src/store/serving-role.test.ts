import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { sql } from 'kysely'
import { silentDiagnostics } from '../base/diagnostics.ts'
import { askOnce } from './connection.ts'
import { openStore } from './open-store.ts'
import { makeRole, type Privileges } from './serving-role.ts'
import type { Migration, Store } from './store.ts'
import { testDatabase } from './testing.ts'

const ROLE = 'behalf_test_serving'
const NOTES = { name: 'notes-0001', up: 'create table note (text text primary key, seen int)' }
const MORE = { name: 'notes-0002', up: 'create table more (text text)' }

interface Scene {
  readonly owner: string
  /** Opens a store that serves as `ROLE`, with these privileges granted by the owner first. */
  readonly open: (privileges: Privileges, ...migrations: Migration[]) => Promise<Store>
  /** Opens one that is told of no owner. */
  readonly openAlone: (...migrations: Migration[]) => Promise<Store>
}

async function opened(t: TestContext): Promise<Scene> {
  const owner = await testDatabase(t)
  await askOnce(owner, makeRole(ROLE))
  const serving = new URL(owner)
  serving.username = ROLE
  const url = serving.href
  const kept = (store: Store): Store => {
    t.after(async () => await store.close())
    return store
  }
  return {
    owner,
    open: async (privileges, ...migrations) =>
      kept(
        await openStore({
          url,
          migrations,
          diagnostics: silentDiagnostics,
          owner: { url: owner, privileges },
        }),
      ),
    openAlone: async (...migrations) =>
      kept(await openStore({ url, migrations, diagnostics: silentDiagnostics })),
  }
}

/** What came of each statement: `done`, or why not. */
async function outcomes(store: Store, statements: readonly string[]): Promise<string[]> {
  const all: string[] = []
  for (const statement of statements) {
    all.push(
      await sql
        .raw(statement)
        .execute(store.db)
        .then(
          () => 'done',
          (error: Error) => error.message,
        ),
    )
  }
  return all
}

test('the role that serves can do what it was granted, and nothing else', async (t) => {
  const { open } = await opened(t)
  const store = await open({ note: 'select, insert, update (seen)', later: 'select' }, NOTES, MORE)
  assert.deepEqual(
    await outcomes(store, [
      `insert into note values ('a', 0)`,
      `update note set seen = seen + 1`,
      `select * from note for update`,
      `update note set text = 'b'`,
      `delete from note`,
      `truncate note`,
      `alter table note disable trigger all`,
      `drop table note`,
      `create table mine ()`,
      `select * from more`,
      `insert into migration values ('x', 'y')`,
      `set session_replication_role = replica`,
      `set role postgres`,
    ]),
    [
      'done',
      'done',
      'done',
      'permission denied for table note',
      'permission denied for table note',
      'permission denied for table note',
      'must be owner of table note',
      'must be owner of table note',
      'permission denied for schema public',
      'permission denied for table more',
      'permission denied for table migration',
      'permission denied to set parameter "session_replication_role"',
      'role "postgres" does not exist',
    ],
  )
})

test('grants follow the version: what is no longer granted is taken back', async (t) => {
  const { open, openAlone } = await opened(t)
  const wide = await open({ note: 'select, insert, delete' }, NOTES)
  assert.deepEqual(await outcomes(wide, ['delete from note']), ['done'])
  await open({ note: 'select, insert' }, NOTES)
  assert.deepEqual(await outcomes(wide, ['select * from note', 'delete from note']), [
    'done',
    'permission denied for table note',
  ])
  // Whoever serves alone finds the schema as it should be, or says who has to mend it.
  await openAlone(NOTES)
  await assert.rejects(openAlone(NOTES, MORE), {
    message: `the database lacks \`notes-0002\`, and \`${ROLE}\` may not make it: run \`behalf migrate\` as the owner of the tables`,
  })
})

test('the owner of the tables is not taken for the role that serves', async (t) => {
  const { owner } = await opened(t)
  await assert.rejects(
    openStore({
      url: owner,
      migrations: [NOTES],
      diagnostics: silentDiagnostics,
      owner: { url: owner, privileges: {} },
    }),
    /expected another role to serve than `\w+`, which owns the tables/,
  )
})
