/**
 * Postgres, the system of record: the one transaction idiom.
 *
 * `open-store.ts` makes a `Store`. A room keeps its SQL in its own `*-store.ts`, names its tables with
 * `tx.withTables<PeopleTables>()`, and takes the transaction as its first parameter.
 */

import type { Kysely, Transaction } from 'kysely'

/** A transaction. A room sees its own tables in it by `tx.withTables<RoomTables>()`. */
// oxlint-disable-next-line typescript/no-empty-object-type -- kysely spells "no tables yet" so
export type Tx = Transaction<{}>

/** The database as everybody else sees it. */
export interface Store {
  /**
   * Runs `work` in one read-committed transaction. It commits when `work` returns, and rolls back when
   * `work` throws or returns a refusal (`{ ok: false }`): a refusal changes nothing.
   */
  transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T>
  /** Runs `work` on one consistent snapshot (repeatable read, read only). */
  snapshot<T>(work: (tx: Tx) => Promise<T>): Promise<T>
  /** For single statements outside of a transaction. */
  // oxlint-disable-next-line typescript/no-empty-object-type -- as above
  readonly db: Kysely<{}>
  /** The connection string, for `LISTEN` and for tools. */
  readonly url: string
  close(): Promise<void>
}

/** One forward-only step of a room's schema: `name` is `<room>-<NNNN>`, unique in the product. */
export interface Migration {
  readonly name: string
  readonly up: string
}
