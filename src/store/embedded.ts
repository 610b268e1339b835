/**
 * The default database: a real Postgres that comes with npm, in a folder of ours.
 *
 * Call `startEmbeddedPostgres`. It listens on a unix socket in a folder that only this user can enter,
 * and nowhere else; whoever can enter is trusted, so the folder's mode is the lock. Writes are durable
 * (fsync stays on).
 *
 * Every start runs the same path, whatever the last process left behind: a postgres that still runs is
 * adopted, a stale pid file is removed, and a data directory that initdb did not finish was never
 * there (`embedded-folder.ts`).
 */

import { spawn } from 'node:child_process'
import { mkdir, open, readFile, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { DatabaseError } from 'pg'
import type { Clock } from '../base/clock.ts'
import type { Diagnostics } from '../base/diagnostics.ts'
import { askOnce } from './connection.ts'
import { asOrdinaryUser, findPostgres, type PostgresBinaries } from './embedded-binaries.ts'
import { makeRole } from './serving-role.ts'
import {
  isReady,
  makeCluster,
  postmasterOf,
  removeStalePid,
  signalProcess,
  socketFolder,
} from './embedded-folder.ts'

/** A Postgres of our own. */
export interface EmbeddedPostgres {
  /** The connection string of the role that owns everything. */
  readonly url: string
  /** The connection string of a role that can do what it is granted, and nothing else. */
  readonly servingUrl: string
  /** Ends it, unless another process still uses it: the last one out turns off the light. */
  stop(): Promise<void>
}

interface Env {
  readonly folder: string
  readonly diagnostics: Diagnostics
  readonly clock: Clock
}

/** A cluster on disk, the sockets it is reached by, the programs that serve it, and who looks after it. */
interface Cluster extends Env {
  readonly data: string
  readonly sockets: string
  readonly log: string
  readonly binaries: PostgresBinaries
}

const DATABASE = 'behalf'
const ROLE = 'behalf'
const SERVING_ROLE = 'behalf_serving'
/** Milliseconds. Recovery after a crash replays the write-ahead log before the first answer. */
const START_LIMIT = 120_000
const STOP_LIMIT = 30_000
const DEPARTURE_LIMIT = 2_000
const PAUSE = 20
const HEARTBEAT = 1_000
const LOG_LIMIT_BYTES = 8 * 1024 * 1024

/**
 * Starts or adopts the Postgres in `folder` (made if missing), and starts it again should it end before
 * `stop`. Throws with the reason and the last lines of its log if it cannot run.
 */
export async function startEmbeddedPostgres(env: Env): Promise<EmbeddedPostgres> {
  const folder = resolve(env.folder)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const binaries = await findPostgres(folder)
  const cluster: Cluster = {
    ...env,
    folder,
    binaries,
    data: await makeCluster(folder, binaries),
    sockets: await socketFolder(folder),
    log: join(folder, 'postgres.log'),
  }
  await bringUp(cluster)
  await makeDatabase(cluster)
  await ask(cluster, makeRole(SERVING_ROLE))
  const watching = new AbortController()
  const watched = watchOver(cluster, watching.signal)
  return {
    url: urlOf(cluster, DATABASE),
    servingUrl: urlOf(cluster, DATABASE, SERVING_ROLE),
    stop: async () => {
      watching.abort()
      await watched
      await leave(cluster)
    },
  }
}

/** libpq's own spelling of a socket: its folder, percent-encoded, where a host would stand. */
function urlOf(cluster: Cluster, database: string, role = ROLE): string {
  return `postgresql://${role}@${encodeURIComponent(cluster.sockets)}/${database}`
}

/** Returns once it answers, started by us or found running. */
async function bringUp(cluster: Cluster): Promise<void> {
  const deadline = cluster.clock.nowMilliseconds() + START_LIMIT
  let started: Started | undefined
  while (!(await answers(cluster))) {
    if (cluster.clock.nowMilliseconds() > deadline) {
      throw new Error(`embedded postgres does not answer${await said(cluster, started?.logFrom)}`)
    }
    if (started?.failure !== undefined && !(await passes(started, cluster))) {
      throw new Error(`embedded postgres ${started.failure}${await said(cluster, started.logFrom)}`)
    }
    const isStarting = started !== undefined && started.failure === undefined
    if (!isStarting && (await postmasterOf(cluster.data)) === undefined) {
      await removeStalePid(cluster.data)
      started = await launch(cluster)
    }
    await cluster.clock.sleep(PAUSE)
  }
  const how = started === undefined ? 'store.postgres_adopted' : 'store.postgres_started'
  cluster.diagnostics.info(how, { folder: cluster.folder })
}

/** One attempt to start. */
interface Started {
  /** Where in the log its words begin. */
  readonly logFrom: number
  /** How it ended, once it has. */
  failure?: string
}

async function launch(cluster: Cluster): Promise<Started> {
  const settings = {
    listen_addresses: '',
    // A list: quoted, so that a comma or a space in the path is part of the path.
    unix_socket_directories: `"${cluster.sockets.replaceAll('"', '""')}"`,
    unix_socket_permissions: '0700',
    fsync: 'on',
    full_page_writes: 'on',
    synchronous_commit: 'on',
    max_connections: '200',
    timezone: 'UTC',
    log_timezone: 'UTC',
    jit: 'off',
    // Faults of the server itself; never a statement or its values.
    log_min_messages: 'log',
    log_min_error_statement: 'panic',
    log_error_verbosity: 'terse',
  }
  const options = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const [command, ...args] = asOrdinaryUser([
    cluster.binaries.postgres,
    '-D',
    cluster.data,
    ...options,
  ])
  const length = (await stat(cluster.log).catch(() => undefined))?.size ?? 0
  const log = await open(cluster.log, length > LOG_LIMIT_BYTES ? 'w' : 'a', 0o600)
  const started: Started = { logFrom: length > LOG_LIMIT_BYTES ? 0 : length }
  try {
    const child = spawn(command, args, {
      // Its own session: a Ctrl-C meant for us must not end the database first.
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
      env: cluster.binaries.environment,
      cwd: cluster.folder,
    })
    child.once('error', (error) => (started.failure = error.message))
    child.once(
      'exit',
      (code, signal) => (started.failure = `ended with ${signal ?? `code ${code}`}`),
    )
    child.unref()
  } finally {
    await log.close()
  }
  return started
}

/** Ends of a start that pass by themselves: another start is ahead, or a killed server's last children still hold its memory. */
const PASSING = /lock file "[^"]*" (already exists|is empty)|pre-existing shared memory block/

async function passes({ logFrom }: Started, cluster: Cluster): Promise<boolean> {
  if ((await postmasterOf(cluster.data)) !== undefined) return true
  return PASSING.test(await logSince(cluster, logFrom))
}

/** The last that the server said, for whoever has to mend it. */
async function said(cluster: Cluster, logFrom: number | undefined): Promise<string> {
  const lines = (await logSince(cluster, logFrom ?? 0)).trimEnd().split('\n').slice(-6)
  return `; the end of \`${cluster.log}\` says:\n${lines.join('\n')}`
}

async function logSince(cluster: Cluster, from: number): Promise<string> {
  const bytes = await readFile(cluster.log).catch(() => Buffer.alloc(0))
  return bytes.subarray(from).toString('utf8')
}

const NOBODY_THERE = new Set(['ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'EAGAIN', 'EPIPE'])
const CANNOT_CONNECT_NOW = '57P03'

/** Whether the server in our socket folder takes connections. Throws if it serves other data than ours. */
async function answers(cluster: Cluster): Promise<boolean> {
  if (!(await isReady(cluster.data))) return false
  try {
    const [row] = await ask<{ data: string }>(
      cluster,
      "select current_setting('data_directory') as data",
    )
    if (row?.data === cluster.data) return true
    throw new Error(`expected a postgres that serves \`${cluster.data}\`, got \`${row?.data}\``)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    if (NOBODY_THERE.has(code) || code === CANNOT_CONNECT_NOW) return false
    throw error
  }
}

async function ask<R extends object>(cluster: Cluster, statement: string): Promise<R[]> {
  return await askOnce<R>(urlOf(cluster, 'postgres'), statement)
}

const ALREADY_THERE = new Set(['42P04', '23505'])

async function makeDatabase(cluster: Cluster): Promise<void> {
  const found = await ask(cluster, `select 1 from pg_database where datname = '${DATABASE}'`)
  if (found.length > 0) return
  try {
    await ask(cluster, `create database ${DATABASE}`)
  } catch (error) {
    // Another process made it between the two statements.
    if (!(error instanceof DatabaseError) || !ALREADY_THERE.has(error.code ?? '')) throw error
  }
}

/** Brings it up again whenever it is gone: what a crash of the database needs is what a start needs. */
async function watchOver(cluster: Cluster, signal: AbortSignal): Promise<void> {
  for (;;) {
    await cluster.clock.sleep(HEARTBEAT, signal)
    if (signal.aborted) return
    if ((await postmasterOf(cluster.data)) !== undefined) continue
    cluster.diagnostics.warn('store.postgres_gone', { folder: cluster.folder })
    try {
      await bringUp(cluster)
    } catch (error) {
      cluster.diagnostics.error('store.postgres_not_restarted', error)
    }
  }
}

async function leave(cluster: Cluster): Promise<void> {
  if (await isUsed(cluster)) return
  await endPostmaster(cluster, 'SIGINT')
}

/** Whether others are connected; our own connections get a moment to finish closing. */
async function isUsed(cluster: Cluster): Promise<boolean> {
  const deadline = cluster.clock.nowMilliseconds() + DEPARTURE_LIMIT
  for (;;) {
    const [row] = await ask<{ others: number }>(
      cluster,
      `select count(*) as others from pg_stat_activity
       where backend_type = 'client backend' and pid <> pg_backend_pid()`,
    ).catch(() => [])
    if (row === undefined || row.others === 0) return false
    if (cluster.clock.nowMilliseconds() > deadline) return true
    await cluster.clock.sleep(PAUSE)
  }
}

/** SIGINT ends sessions and writes a checkpoint; SIGQUIT leaves the rest to recovery. */
async function endPostmaster(cluster: Cluster, signal: 'SIGINT' | 'SIGQUIT'): Promise<void> {
  const pid = await postmasterOf(cluster.data)
  if (pid === undefined) return
  signalProcess(pid, signal)
  const deadline = cluster.clock.nowMilliseconds() + STOP_LIMIT
  while ((await postmasterOf(cluster.data)) === pid) {
    if (cluster.clock.nowMilliseconds() > deadline) {
      if (signal === 'SIGINT') return await endPostmaster(cluster, 'SIGQUIT')
      throw new Error(`embedded postgres (process ${pid}) does not end`)
    }
    await cluster.clock.sleep(PAUSE)
  }
}
