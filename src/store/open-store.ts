/**
 * Opens Postgres: call `openStore`. It migrates, and hands out the one transaction idiom (`store.ts`).
 *
 * A lost connection ends the work that stood on it with a fault, and nothing else: the pool drops it
 * and connects anew.
 */

import {
  type Dialect,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
} from 'kysely'
import { Client, Pool, type PoolClient } from 'pg'
import type { Diagnostics } from '../base/diagnostics.ts'
import { connectionSettings } from './connection.ts'
import { migrate } from './migrations.ts'
import { PooledDriver } from './pooled-connection.ts'
import type { Privileges, ServingRole } from './serving-role.ts'
import type { Migration, Store, Tx } from './store.ts'

/** Where the database is and what it must hold. */
export interface StoreOptions {
  readonly url: string
  readonly migrations: readonly Migration[]
  readonly diagnostics: Diagnostics
  /** Connections at most; 16 when not given. */
  readonly poolSize?: number
  /** Who owns the tables, where it is not the role of `url`: that one then only serves. */
  readonly owner?: { readonly url: string; readonly privileges: Privileges }
}

const OLDEST_POSTGRES = 150_000
/** How long one statement may take, and how long a transaction may stand still: milliseconds. */
const STATEMENT_LIMIT = 30_000

/** Connects, brings the schema up to date, and refuses by throwing what cannot serve (Postgres < 15, no TLS). */
export async function openStore(options: StoreOptions): Promise<Store> {
  const settings = connectionSettings(options.url)
  const { owner } = options
  await prepareDatabase({
    ...options,
    url: owner?.url ?? options.url,
    ...(owner !== undefined && {
      serving: { name: settings.user ?? '', privileges: owner.privileges },
    }),
  })
  const pool = new Pool({
    ...settings,
    max: options.poolSize ?? 16,
    statement_timeout: STATEMENT_LIMIT,
    idle_in_transaction_session_timeout: STATEMENT_LIMIT,
    // A server that went silent is noticed here, where its own limits cannot reach us.
    query_timeout: STATEMENT_LIMIT + 5_000,
  })
  // Without handlers the end of a connection, idle or at work, would be an uncaught error.
  pool.on('connect', (client) => reportLoss(client, options.diagnostics))
  pool.on('error', () => undefined)
  const db = new Kysely<object>({ dialect: dialectOver(pool) })
  return {
    url: options.url,
    db,
    transaction: async (work) => await transaction(db, work),
    snapshot: async (work) =>
      await db
        .transaction()
        .setIsolationLevel('repeatable read')
        .setAccessMode('read only')
        .execute(work),
    close: async () => await db.destroy(),
  }
}

/** Brings the schema up to date as the role of `url`, and grants to the role that serves, if told which. */
export async function prepareDatabase(
  options: Pick<StoreOptions, 'url' | 'migrations' | 'diagnostics'> & {
    readonly serving?: ServingRole
  },
): Promise<void> {
  const client = new Client(connectionSettings(options.url))
  reportLoss(client, options.diagnostics)
  await client.connect().catch((cause: unknown) => {
    throw new Error(`cannot connect to the database on \`${client.host}\``, { cause })
  })
  try {
    const { rows } = await client.query<{ version: number }>(
      `select current_setting('server_version_num')::int as version`,
    )
    const version = rows[0]?.version ?? 0
    if (version < OLDEST_POSTGRES) {
      throw new Error(`expected Postgres 15 or later, got ${Math.floor(version / 10_000)}`)
    }
    const applied = await migrate(client, options.migrations, options.serving)
    if (applied.length > 0) options.diagnostics.info('store.migrated', { steps: applied.join(' ') })
  } finally {
    await client.end()
  }
}

function reportLoss(client: Client | PoolClient, diagnostics: Diagnostics): void {
  client.on('error', (error) => diagnostics.error('store.connection_lost', error))
}

/** Carries a refusal out of a transaction that must not commit. */
class Rollback extends Error {
  readonly refusal: unknown

  constructor(refusal: unknown) {
    super('rolled back: the work was refused')
    this.refusal = refusal
  }
}

async function transaction<T>(db: Kysely<object>, work: (tx: Tx) => Promise<T>): Promise<T> {
  try {
    return await db
      .transaction()
      .setIsolationLevel('read committed')
      .execute(async (tx) => {
        const result = await work(tx)
        if (isRefusal(result)) throw new Rollback(result)
        return result
      })
  } catch (error) {
    if (error instanceof Rollback) return error.refusal as T
    throw error
  }
}

function isRefusal(result: unknown): boolean {
  return typeof result === 'object' && result !== null && 'ok' in result && result.ok === false
}

function dialectOver(pool: Pool): Dialect {
  return {
    createDriver: () => new PooledDriver(pool),
    createQueryCompiler: () => new PostgresQueryCompiler(),
    createAdapter: () => new PostgresAdapter(),
    createIntrospector: (db) => new PostgresIntrospector(db),
  }
}
