/**
 * The change feed: which subjects changed, from the log's own order.
 *
 * Call `watchChanges` once per process; caches subscribe through it. A notification only wakes the
 * reader, the rows decide: what a lost notification would have said is read at the next heartbeat.
 * Inside a transaction, `staleAmong` asks the same question exactly.
 *
 * The head row is locked by every append until it commits, so indexes become visible in order: who has
 * seen a log of size n has seen every change with a version below n.
 */

import { sql } from 'kysely'
import { Client } from 'pg'
import type { Clock } from '../base/clock.ts'
import type { Diagnostics } from '../base/diagnostics.ts'
import { connectionSettings } from './connection.ts'
import type { Store, Tx } from './store.ts'

/** The channel that an append notifies when an entry touched something. */
export const TOUCHED_CHANNEL = 'behalf_touched'

/** Called with subjects that changed, each with its version, and the size of the log that was read. */
export type OnTouched = (touched: ReadonlyMap<string, number>, logSize: number) => void

/** A running watch. */
export interface ChangeFeed {
  /** The time at which the last complete read began: everything committed before it was handed over. */
  freshAsOfMilliseconds(): number
  /** The size of the log up to which changes were handed over. */
  caughtUpTo(): number
  /** Resolves when the watch has ended after its signal. */
  readonly stopped: Promise<void>
}

/** The number of entries in the log, as this transaction sees it. */
export async function logSize(tx: Tx): Promise<number> {
  const { rows } = await sql<{ size: number }>`select size from log_head`.execute(tx)
  return rows[0]?.size ?? 0
}

/** Those of `subjects` that changed since a reader saw the log at size `readAt`. */
export async function staleAmong(
  tx: Tx,
  subjects: readonly string[],
  readAt: number,
): Promise<string[]> {
  const { rows } = await sql<{ subject: string }>`
    select subject from touched
    where subject = any(${subjects}::text[]) and version >= ${readAt}`.execute(tx)
  return rows.map((row) => row.subject)
}

/** The entry that changed each of `subjects` last; those that nothing ever changed are missing. */
export async function lastChanges(
  tx: Tx,
  subjects: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const { rows } = await sql<{ subject: string; version: number }>`
    select subject, version from touched where subject = any(${subjects}::text[])`.execute(tx)
  return new Map(rows.map(({ subject, version }) => [subject, version]))
}

const HEARTBEAT = 1_000
const ANSWER_LIMIT = 5_000

/**
 * Hands over every change from now on, in order, at the latest one heartbeat after it was committed.
 * Resolves once it listens; rejects if that is impossible at the start. Later faults are reported and
 * healed; meanwhile `freshAsOfMilliseconds` stands still, so that callers can refuse what is stale.
 */
export async function watchChanges(
  env: { readonly store: Store; readonly clock: Clock; readonly diagnostics: Diagnostics },
  onTouched: OnTouched,
  signal: AbortSignal,
): Promise<ChangeFeed> {
  const watch = new Watch(env, onTouched, signal)
  await watch.open().catch(async (fault: unknown) => {
    await watch.close()
    throw fault
  })
  return {
    freshAsOfMilliseconds: () => watch.freshAsOf,
    caughtUpTo: () => watch.cursor,
    stopped: watch.run(),
  }
}

interface Row {
  readonly size: number
  readonly subject: string | null
  readonly version: number
}

class Watch {
  readonly #env: Parameters<typeof watchChanges>[0]
  readonly #onTouched: OnTouched
  readonly #signal: AbortSignal
  #client: Client | undefined
  #wake = new AbortController()
  cursor = -1
  freshAsOf = 0

  constructor(env: Parameters<typeof watchChanges>[0], onTouched: OnTouched, signal: AbortSignal) {
    this.#env = env
    this.#onTouched = onTouched
    this.#signal = signal
  }

  /** Listens first and reads then: a change between the two is seen by the read. */
  async open(): Promise<void> {
    const client = new Client({
      ...connectionSettings(this.#env.store.url),
      query_timeout: ANSWER_LIMIT,
    })
    client.on('notification', () => this.#wake.abort())
    client.on('error', () => this.#wake.abort())
    this.#client = client
    await client.connect()
    await client.query(`listen ${TOUCHED_CHANNEL}`)
    await this.#read(client)
  }

  async run(): Promise<void> {
    this.#signal.addEventListener('abort', () => this.#wake.abort(), { once: true })
    while (!this.#signal.aborted) {
      await this.#env.clock.sleep(HEARTBEAT, this.#wake.signal)
      this.#wake = new AbortController()
      if (this.#signal.aborted) break
      await this.#catchUp()
    }
    await this.close()
  }

  async #catchUp(): Promise<void> {
    try {
      if (this.#client === undefined) await this.open()
      else await this.#read(this.#client)
    } catch (error) {
      this.#env.diagnostics.error('store.change_feed_interrupted', error)
      await this.close()
    }
  }

  async #read(client: Client): Promise<void> {
    const began = this.#env.clock.nowMilliseconds()
    // One statement, hence one snapshot: the size and the changes belong together.
    const { rows } = await client.query<Row>(
      `select h.size, t.subject, t.version
       from log_head h left join touched t on t.version >= $1 and $1 >= 0
       order by t.version`,
      [this.cursor],
    )
    const size = rows[0]?.size ?? 0
    // INVARIANT (append only): a shorter log is another log. The watch goes stale rather than skip.
    if (size < this.cursor) {
      throw new Error(`expected a log of at least ${this.cursor} entries, got ${size}`)
    }
    const touched = new Map<string, number>()
    for (const { subject, version } of rows) if (subject !== null) touched.set(subject, version)
    if (touched.size > 0) this.#onTouched(touched, size)
    this.cursor = size
    this.freshAsOf = began
  }

  async close(): Promise<void> {
    const client = this.#client
    this.#client = undefined
    await client?.end().catch(() => undefined)
  }
}
