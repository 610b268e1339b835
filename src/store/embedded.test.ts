import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { sql } from 'kysely'
import { systemClock } from '../base/clock.ts'
import { silentDiagnostics } from '../base/diagnostics.ts'
import { askOnce } from './connection.ts'
import { startEmbeddedPostgres, type EmbeddedPostgres } from './embedded.ts'
import { openStore } from './open-store.ts'

interface Running extends EmbeddedPostgres {
  readonly events: string[]
}

/** A folder, and servers in it that end before it is removed. */
class Home {
  readonly folder: string
  readonly #running: Running[] = []

  constructor(folder: string) {
    this.folder = folder
  }

  async start(folder = this.folder): Promise<Running> {
    const events: string[] = []
    const record = (event: string): void => void events.push(event)
    const diagnostics = { info: record, warn: record, error: record }
    const postgres = await startEmbeddedPostgres({ folder, diagnostics, clock: systemClock })
    let stopping: Promise<void> | undefined
    const stop = async (): Promise<void> => await (stopping ??= postgres.stop())
    const running = { ...postgres, stop, events }
    this.#running.push(running)
    return running
  }

  async remove(): Promise<void> {
    for (const postgres of this.#running) await postgres.stop()
    await rm(this.folder, { recursive: true, force: true })
  }
}

async function newHome(t: TestContext): Promise<Home> {
  const home = new Home(await mkdtemp(join(tmpdir(), 'behalf-pg-')))
  t.after(async () => await home.remove())
  return home
}

async function pidOf(folder: string): Promise<number> {
  return Number.parseInt(await readFile(join(folder, 'data', 'postmaster.pid'), 'utf8'), 10)
}

async function until(what: () => Promise<boolean> | boolean): Promise<void> {
  for (let i = 0; i < 1_000; i++) {
    if (await what()) return
    await systemClock.sleep(20)
  }
  assert.fail('it did not happen')
}

test('starts on a socket alone, keeps what was written, and starts again', async (t) => {
  const home = await newHome(t)
  const { folder } = home
  const first = await home.start()
  assert.deepEqual(first.events, ['store.postgres_started'])
  await askOnce(first.url, 'create table kept as select 1 as n')
  const settings = await askOnce(
    first.url,
    `select name, setting from pg_settings where name in
     ('listen_addresses', 'fsync', 'full_page_writes', 'synchronous_commit') order by name`,
  )
  assert.deepEqual(settings, [
    { name: 'fsync', setting: 'on' },
    { name: 'full_page_writes', setting: 'on' },
    { name: 'listen_addresses', setting: '' },
    { name: 'synchronous_commit', setting: 'on' },
  ])
  assert.equal((await stat(join(folder, 'socket'))).mode & 0o777, 0o700)
  assert.equal((await stat(join(folder, 'data'))).mode & 0o777, 0o700)
  await first.stop()
  await assert.rejects(pidOf(folder), { code: 'ENOENT' })

  const second = await home.start()
  assert.deepEqual(await askOnce(second.url, 'select n from kept'), [{ n: 1 }])
})

test('adopts what a killed process left running, and ends it when the last one leaves', async (t) => {
  const home = await newHome(t)
  const { folder } = home
  const program = `
    const { startEmbeddedPostgres } = await import(${JSON.stringify(join(import.meta.dirname, 'embedded.ts'))})
    const { systemClock } = await import(${JSON.stringify(join(import.meta.dirname, '../base/clock.ts'))})
    const quiet = { info() {}, warn() {}, error() {} }
    await startEmbeddedPostgres({ folder: ${JSON.stringify(folder)}, diagnostics: quiet, clock: systemClock })
    console.log('up')`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(child.stdout, 'data')
  child.kill('SIGKILL')
  await once(child, 'exit')
  const orphan = await pidOf(folder)

  const first = await home.start()
  assert.deepEqual(first.events, ['store.postgres_adopted'])
  assert.equal(await pidOf(folder), orphan)

  const second = await home.start()
  const store = await openStore({ url: second.url, migrations: [], diagnostics: silentDiagnostics })
  await sql`select 1`.execute(store.db)
  await first.stop()
  assert.equal(await pidOf(folder), orphan)
  await store.close()
  await second.stop()
  await assert.rejects(pidOf(folder), { code: 'ENOENT' })
})

test('a postgres that was killed is started again, and an open store heals', async (t) => {
  const home = await newHome(t)
  const { folder } = home
  const postgres = await home.start()
  const store = await openStore({
    url: postgres.url,
    migrations: [],
    diagnostics: silentDiagnostics,
  })
  t.after(async () => await store.close())
  await sql`create table kept as select 1 as n`.execute(store.db)
  process.kill(await pidOf(folder), 'SIGKILL')
  await until(
    async () =>
      await sql`select n from kept`.execute(store.db).then(
        () => postgres.events.length > 2,
        () => false,
      ),
  )
  assert.deepEqual(postgres.events, [
    'store.postgres_started',
    'store.postgres_gone',
    'store.postgres_started',
  ])
  await store.close()
})

test('a stale pid file is removed, even when by now its number is somebody else’s', async (t) => {
  const home = await newHome(t)
  const { folder } = home
  const before = await home.start()
  await before.stop()
  const stale = `${process.pid}\n${folder}/data\n1700000000\n5432\n${folder}/socket\n\n  5432001 0\n`
  await writeFile(join(folder, 'data', 'postmaster.pid'), stale)
  await writeFile(join(folder, 'socket', '.s.PGSQL.5432.lock'), stale)
  const after = await home.start()
  assert.deepEqual(await askOnce(after.url, 'select 1 as n'), [{ n: 1 }])
})

test('an empty pid file, which a crash can leave, is removed', async (t) => {
  const home = await newHome(t)
  const before = await home.start()
  await before.stop()
  await writeFile(join(home.folder, 'data', 'postmaster.pid'), '')
  const after = await home.start()
  assert.deepEqual(await askOnce(after.url, 'select 1 as n'), [{ n: 1 }])
})

test('an initdb that was interrupted half way is discarded and done again', async (t) => {
  const home = await newHome(t)
  const { folder } = home
  const dead = spawn(process.execPath, ['-e', ''])
  await once(dead, 'exit')
  const half = join(folder, `initdb-${dead.pid}-x1y2z3`)
  await mkdir(join(half, 'base'), { recursive: true })
  await writeFile(join(half, 'PG_VERSION'), '18\n')
  const postgres = await home.start()
  assert.deepEqual(await askOnce(postgres.url, 'select 1 as n'), [{ n: 1 }])
  assert.deepEqual(
    (await readdir(folder)).filter((name) => name.startsWith('initdb')),
    [],
  )
})

test('two processes that start at once share one postgres', async (t) => {
  const home = await newHome(t)
  const [a, b] = await Promise.all([home.start(), home.start()])
  assert.equal(a.url, b.url)
  assert.deepEqual(await askOnce(b.url, 'select 1 as n'), [{ n: 1 }])
})

test('a folder whose path is too long for a socket gets a short one that is private', async (t) => {
  const home = await newHome(t)
  const folder = join(home.folder, 'a folder, with "odd" names'.repeat(4))
  const postgres = await home.start(folder)
  assert.deepEqual(await askOnce(postgres.url, 'select 1 as n'), [{ n: 1 }])
  const sockets = decodeURIComponent(new URL(postgres.url).hostname)
  assert.ok(sockets.startsWith(join(tmpdir(), 'behalf-')))
  assert.equal((await stat(sockets)).mode & 0o777, 0o700)
  await postgres.stop()

  await chmod(sockets, 0o755)
  await assert.rejects(home.start(folder), {
    message: `expected \`${sockets}\` to be a folder of this user with mode 0700`,
  })
  await rm(sockets, { recursive: true })
})

test('a broken data directory fails with what postgres said about it', async (t) => {
  const home = await newHome(t)
  const { folder } = home
  await (await home.start()).stop()
  await writeFile(join(folder, 'data', 'global', 'pg_control'), 'garbage')
  await assert.rejects(home.start(), (error: Error) => {
    assert.match(
      error.message,
      /^embedded postgres ended with (code 1|SIGABRT); the end of `.*postgres.log` says:/,
    )
    assert.match(error.message, /pg_control/)
    return true
  })
})
