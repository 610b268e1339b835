/**
 * A new database for one test: call `testStore`.
 *
 * The server is named by `BEHALF_TEST_DATABASE_URL`; without it, an embedded Postgres is shared by all
 * tests on this machine. A keeper process (this file, run as a program) starts it and ends it when it
 * has been unused for a while.
 */

import { spawn, type SpawnOptions } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { closeSync, mkdirSync, openSync } from 'node:fs'
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { type RawBuilder, sql } from 'kysely'
import { systemClock } from '../base/clock.ts'
import { silentDiagnostics } from '../base/diagnostics.ts'
import { askOnce } from './connection.ts'
import { startEmbeddedPostgres } from './embedded.ts'
import { openStore } from './open-store.ts'
import type { Migration, Store } from './store.ts'

/** A store on a database of its own, with `migrations` applied; closed and dropped after the test. */
export async function testStore(t: TestContext, migrations: readonly Migration[]): Promise<Store> {
  const { url, drop } = await newDatabase()
  const store = await openStore({ url, migrations, diagnostics: silentDiagnostics, poolSize: 8 })
  let closing: Promise<void> | undefined
  const close = async (): Promise<void> => await (closing ??= store.close())
  t.after(async () => {
    await close()
    await drop()
  })
  return { ...store, close }
}

/** Changes a table behind the product's back, as its owner can: what keeps rows from changing rests meanwhile. */
export async function tamper(
  { db }: Pick<Store, 'db'>,
  table: string,
  statement: RawBuilder<unknown>,
): Promise<void> {
  await db.transaction().execute(async (tx) => {
    await sql`alter table ${sql.table(table)} disable trigger user`.execute(tx)
    await statement.execute(tx)
    await sql`alter table ${sql.table(table)} enable trigger user`.execute(tx)
  })
}

/** The connection string of a new, empty database, dropped after the test. */
export async function testDatabase(t: TestContext): Promise<string> {
  const { url, drop } = await newDatabase()
  t.after(drop)
  return url
}

async function newDatabase(): Promise<{ url: string; drop: () => Promise<void> }> {
  const server = await testServer()
  const name = `test_${randomBytes(8).toString('hex')}`
  await askOnce(server, `create database ${name}`)
  const url = new URL(server)
  url.pathname = `/${name}`
  const drop = async (): Promise<void> => {
    await askOnce(server, `drop database if exists ${name} with (force)`)
  }
  return { url: url.href, drop }
}

const FOLDER = join(tmpdir(), `behalf-test-postgres-${process.getuid?.() ?? 0}`)
const URL_FILE = join(FOLDER, 'url')
const START_LIMIT = 120_000
const UNUSED_LIMIT = 180_000
const PAUSE = 100

let found: Promise<string> | undefined

async function testServer(): Promise<string> {
  return await (found ??= findServer())
}

async function findServer(): Promise<string> {
  const configured = process.env['BEHALF_TEST_DATABASE_URL']
  if (configured !== undefined) return configured
  const deadline = systemClock.nowMilliseconds() + START_LIMIT
  for (let round = 0; systemClock.nowMilliseconds() < deadline; round++) {
    const url = await readFile(URL_FILE, 'utf8').catch(() => undefined)
    if (url !== undefined && (await isAnswering(url))) return url
    // A keeper that finds another one at work does no harm; one that died is replaced.
    if (round % 100 === 0) startKeeper()
    await systemClock.sleep(PAUSE)
  }
  throw new Error(`no test database after ${START_LIMIT} ms, see \`${FOLDER}\``)
}

async function isAnswering(url: string): Promise<boolean> {
  return await askOnce(url, 'select 1').then(
    () => true,
    () => false,
  )
}

function startKeeper(): void {
  mkdirSync(FOLDER, { recursive: true, mode: 0o700 })
  const log = openSync(join(FOLDER, 'keeper.log'), 'a')
  const options = { detached: true, stdio: ['ignore', log, log] } satisfies SpawnOptions
  spawn(process.execPath, [import.meta.filename], options).unref()
  closeSync(log)
}

async function keep(): Promise<void> {
  const folder = join(FOLDER, 'postgres')
  const env = { folder, diagnostics: silentDiagnostics, clock: systemClock }
  const postgres = await startEmbeddedPostgres(env)
  await writeFile(`${URL_FILE}.${process.pid}`, postgres.url)
  await rename(`${URL_FILE}.${process.pid}`, URL_FILE)
  await untilUnused(postgres.url)
  await rm(URL_FILE, { force: true })
  await postgres.stop()
}

/** Returns once no test has been connected for a while; counts databases, which tests drop at their end. */
async function untilUnused(url: string): Promise<void> {
  for (let unusedSince = systemClock.nowMilliseconds(); ;) {
    await systemClock.sleep(5_000)
    if (await isUsed(url)) unusedSince = systemClock.nowMilliseconds()
    if (systemClock.nowMilliseconds() - unusedSince > UNUSED_LIMIT) return
  }
}

async function isUsed(url: string): Promise<boolean> {
  const rows = await askOnce(
    url,
    `select 1 from pg_stat_activity where backend_type = 'client backend'
     and pid <> pg_backend_pid() and datname like 'test\\_%'`,
  )
  return rows.length > 0
}

if (import.meta.main) await keep()
