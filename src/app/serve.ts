/** Starts an installation and stops it gracefully. Call `serve`. */

import { join } from 'node:path'
import { sql } from 'kysely'
import type { Diagnostics } from '../base/diagnostics.ts'
import { systemClock } from '../base/clock.ts'
import { systemRandom } from '../base/random.ts'
import { openVault } from '../audit/vault.ts'
import { bootstrap } from '../people/bootstrap.ts'
import { startEmbeddedPostgres } from '../store/embedded.ts'
import { openStore, type StoreOptions } from '../store/open-store.ts'
import type { Store } from '../store/store.ts'
import { compose } from './compose.ts'
import type { Configuration } from './configuration.ts'
import { claimHome } from './home.ts'
import { serveHttp } from './http.ts'
import { counted, MetricsPage } from './metrics.ts'
import { allMigrations } from './migrations.ts'
import { PRIVILEGES } from './privileges.ts'
import { routes } from './routes.ts'

/** A running server. */
export interface Running {
  readonly url: string
  /** The one-time code of an installation that nobody administers yet. */
  readonly code?: string
  /** Resolves with the reason when the installation must not go on. */
  readonly broken: Promise<string>
  stop(): Promise<void>
}

/** Serves until `stop`. Rejects, with everything undone, when something is missing or in use. */
export async function serve(
  configuration: Configuration,
  diagnostics: Diagnostics,
): Promise<Running> {
  const undo: (() => Promise<void>)[] = []
  const stop = async (): Promise<void> => {
    for (const step of undo.splice(0).toReversed()) await step()
  }
  try {
    return { ...(await start(configuration, diagnostics, undo)), stop }
  } catch (fault) {
    await stop()
    throw fault
  }
}

async function start(
  configuration: Configuration,
  told: Diagnostics,
  undo: (() => Promise<void>)[],
): Promise<Omit<Running, 'stop'>> {
  const { home, host, port, maxBodyBytes, drainSeconds } = configuration
  undo.push(await claimHome(home))
  const metrics = new MetricsPage()
  const diagnostics = counted(told, metrics)
  const http = await serveHttp({ host, port, maxBodyBytes, diagnostics, metrics })
  const stopHttp = (): Promise<void> => http.stop(drainSeconds * 1_000)
  undo.push(stopHttp)
  const issuer = configuration.issuer ?? `http://127.0.0.1:${http.port}`

  const { databaseUrl } = configuration
  const database =
    databaseUrl === undefined ? await embedded(home, diagnostics, undo) : { url: databaseUrl }
  const store = await openStore({ ...database, migrations: allMigrations, diagnostics })
  undo.push(() => store.close())
  if (await mayRewrite(store)) diagnostics.warn('store.one_role', { see: 'behalf migrate --help' })
  const composed = await compose({
    configuration,
    store,
    diagnostics,
    metrics,
    issuer,
    port: http.port,
  })
  undo.push(() => composed.close())
  metrics.gauge('behalf_agent_sockets', () => composed.installation.sockets.size)
  metrics.gauge('behalf_calls_under_way', () => composed.installation.underWay.size)
  metrics.gauge('behalf_windows', () => composed.installation.door.size)
  metrics.gauge('behalf_log_size', () => composed.installation.feed.caughtUpTo())

  const vault = openVault({ random: systemRandom, clock: systemClock })
  const issued = await bootstrap({ store, clock: systemClock, random: systemRandom, vault })
  http.start(routes(composed.installation), issuer)
  // Once there are requests, they drain before anything that they stand on is closed.
  undo.push(stopHttp)
  diagnostics.info('server.ready', { url: issuer })
  return {
    url: issuer,
    broken: composed.logRefused,
    ...(issued !== undefined && { code: issued.code }),
  }
}

/** The embedded database: served by a role that owns nothing. */
async function embedded(
  home: string,
  diagnostics: Diagnostics,
  undo: (() => Promise<void>)[],
): Promise<Pick<StoreOptions, 'url' | 'owner'>> {
  const folder = join(home, 'postgres')
  const postgres = await startEmbeddedPostgres({ folder, clock: systemClock, diagnostics })
  undo.push(() => postgres.stop())
  return { url: postgres.servingUrl, owner: { url: postgres.url, privileges: PRIVILEGES } }
}

/** Whether the role that serves could do more than serve. */
async function mayRewrite({ db }: Store): Promise<boolean> {
  const { rows } = await sql<{ may: boolean }>`
    select has_table_privilege('log_entry', 'update') as may`.execute(db)
  return rows[0]?.may !== false
}
