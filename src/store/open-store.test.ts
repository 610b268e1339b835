import assert from 'node:assert/strict'
import test from 'node:test'
import { sql } from 'kysely'
import { types } from 'pg'
import { silentDiagnostics } from '../base/diagnostics.ts'
import { ok, refuse, type Result } from '../base/result.ts'
import { openStore } from './open-store.ts'
import type { Migration, Store, Tx } from './store.ts'
import { testDatabase, testStore } from './testing.ts'

const NOTES: Migration = {
  name: 'notes-0001',
  up: 'create table note (text text primary key, size bigint not null default 0)',
}

async function write(tx: Tx, text: string): Promise<void> {
  await sql`insert into note (text) values (${text})`.execute(tx)
}

async function notes(store: Store): Promise<string[]> {
  const { rows } = await sql<{ text: string }>`select text from note order by text`.execute(
    store.db,
  )
  return rows.map((row) => row.text)
}

test('a transaction commits what it returns', async (t) => {
  const store = await testStore(t, [NOTES])
  const result = await store.transaction(async (tx): Promise<Result<number>> => {
    await write(tx, 'kept')
    return ok(7)
  })
  assert.deepEqual(result, { ok: true, value: 7 })
  assert.deepEqual(await notes(store), ['kept'])
})

test('a refusal changes nothing and comes back as it was', async (t) => {
  const store = await testStore(t, [NOTES])
  const result = await store.transaction(async (tx) => {
    await write(tx, 'lost')
    return refuse({ reason: 'not_yours', owner: 'per_1' })
  })
  assert.deepEqual(result, { ok: false, error: { reason: 'not_yours', owner: 'per_1' } })
  assert.deepEqual(await notes(store), [])
})

test('a fault changes nothing and is thrown as it was', async (t) => {
  const store = await testStore(t, [NOTES])
  const fault = new Error('disk on fire')
  const work = store.transaction(async (tx) => {
    await write(tx, 'lost')
    throw fault
  })
  await assert.rejects(work, (error) => error === fault)
  assert.deepEqual(await notes(store), [])
})

test('a transaction whose failed statement was swallowed does not pass for committed', async (t) => {
  const store = await testStore(t, [NOTES])
  const work = store.transaction(async (tx) => {
    await write(tx, 'lost')
    await write(tx, 'lost').catch(() => undefined)
  })
  await assert.rejects(work, {
    message: 'expected a commit, got a rollback: a statement before it failed',
  })
  assert.deepEqual(await notes(store), [])
})

test('a snapshot sees one instant and cannot write', async (t) => {
  const store = await testStore(t, [NOTES])
  const count = sql<{ n: number }>`select count(*) as n from note`
  const seen = await store.snapshot(async (tx) => {
    const before = (await count.execute(tx)).rows
    await store.transaction(async (other) => await write(other, 'later'))
    return [before, (await count.execute(tx)).rows]
  })
  assert.deepEqual(seen, [[{ n: 0 }], [{ n: 0 }]])
  assert.deepEqual(await notes(store), ['later'])
  await assert.rejects(
    store.snapshot(async (tx) => await write(tx, 'refused')),
    { code: '25006' },
  )
})

test('bigint columns are numbers here, and stay strings for other users of the driver', async (t) => {
  const store = await testStore(t, [NOTES])
  const { rows } = await sql`select 9007199254740991::bigint as n`.execute(store.db)
  assert.deepEqual(rows, [{ n: 9007199254740991 }])
  await assert.rejects(sql`select 9007199254740992::bigint as n`.execute(store.db), {
    message: 'expected a bigint below 2^53',
  })
  assert.equal(types.getTypeParser(types.builtins.INT8)('1'), '1')
})

test('a connection lost at work fails that work alone, and the store heals', async (t) => {
  const store = await testStore(t, [NOTES])
  const work = store.transaction(async (tx) => {
    await write(tx, 'lost')
    await sql`select pg_terminate_backend(pg_backend_pid())`.execute(tx)
  })
  await assert.rejects(work)
  await store.transaction(async (tx) => await write(tx, 'after'))
  assert.deepEqual(await notes(store), ['after'])
})

test('connections lost while idle are replaced', async (t) => {
  const store = await testStore(t, [NOTES])
  await Promise.all(
    ['a', 'b'].map(async (x) => await store.transaction(async (tx) => await write(tx, x))),
  )
  await store.transaction(
    async (tx) =>
      await sql`select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid()`.execute(tx),
  )
  // A connection whose end nobody noticed fails one query, and is gone.
  let found: readonly string[] | undefined
  for (let tries = 0; found === undefined && tries < 2; tries++)
    found = await notes(store).catch(() => undefined)
  assert.deepEqual(found ?? (await notes(store)), ['a', 'b'])
})

test('migrations apply once, in order, and their text is kept', async (t) => {
  const url = await testDatabase(t)
  const open = async (...migrations: Migration[]): Promise<Store> => {
    const store = await openStore({ url, migrations, diagnostics: silentDiagnostics })
    t.after(async () => await store.close())
    return store
  }
  const more = { name: 'notes-0002', up: `insert into note (text) values ('migrated')` }
  await open(NOTES)
  await Promise.all([open(NOTES, more), open(NOTES, more)])
  // An older version meets a newer schema: what it does not know is left alone.
  const old = await open(NOTES)
  assert.deepEqual(await notes(old), ['migrated'])
  await old.close()

  const names = await sql<{ name: string }>`select name from migration order by name`.execute(
    (await open(NOTES)).db,
  )
  assert.deepEqual(
    names.rows.map((row) => row.name),
    ['notes-0001', 'notes-0002', 'store-0001', 'store-0002', 'store-0003'],
  )
  await assert.rejects(open({ ...NOTES, up: 'create table other ()' }), {
    message: 'migration `notes-0001` was edited after it was applied to this database',
  })
  await assert.rejects(open(NOTES, { ...NOTES, up: '' }), {
    message: 'expected one migration named `notes-0001`, got two',
  })
})

test('a migration that fails takes back all that came with it', async (t) => {
  const url = await testDatabase(t)
  const broken = { name: 'notes-0002', up: 'create table x (); select no_such_function()' }
  await assert.rejects(
    openStore({ url, migrations: [NOTES, broken], diagnostics: silentDiagnostics }),
    {
      message: 'migration `notes-0002` failed',
    },
  )
  const store = await openStore({ url, migrations: [NOTES], diagnostics: silentDiagnostics })
  assert.deepEqual(await notes(store), [])
  await store.close()
})

test('a database that is not there is a fault that names where', async () => {
  const url = 'postgresql://nobody@127.0.0.1:1/nothing'
  await assert.rejects(openStore({ url, migrations: [], diagnostics: silentDiagnostics }), {
    message: 'cannot connect to the database on `127.0.0.1`',
  })
})
