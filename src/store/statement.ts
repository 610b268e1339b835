/**
 * Statements that travel together: sent at once, run in order, answered at once, one round trip.
 *
 * Call `send` for statements whose answers the next step needs, `sendWithCommit` for the last ones of a
 * transaction. The database stops at the first that fails and skips the others (one Sync ends them all:
 * PostgreSQL, "Frontend/Backend Protocol", Pipelining): nothing behind a failure is run, a commit least
 * of all.
 */

import type { Kysely } from 'kysely'
import { DatabaseError } from 'pg'
import { PooledConnection } from './pooled-connection.ts'

/** A statement for the hot path: kysely's own are compiled at each use and never prepared. */
export interface Statement {
  /** The database keeps it parsed and planned under this name: one name for one text. */
  readonly name?: string
  readonly text: string
  /** What `$1`, `$2`, … stand for. A `Buffer` travels as it is, within a list as hexadecimal text. */
  readonly values?: readonly unknown[]
}

/** What a statement yielded. */
export interface Answer {
  readonly command: string
  /** Rows that it yielded or changed. */
  readonly rowCount: number
  readonly rows: readonly Readonly<Record<string, unknown>>[]
}

/** A transaction, or the database for statements outside of one. */
// oxlint-disable-next-line typescript/no-empty-object-type -- kysely spells "no tables yet" so
type Db = Kysely<{}>

/** Sends `statements` now; the answers come in their order. */
export async function send(db: Db, statements: readonly Statement[]): Promise<readonly Answer[]> {
  return await db
    .getExecutor()
    .provideConnection(async (connection) => await pooled(connection).send(statements))
}

/**
 * Sends `statements` together with the commit, once the work of this transaction is done. Resolves when
 * they are committed, so the work itself must not wait for it; rejects if they never will be.
 */
export async function sendWithCommit(
  tx: Db,
  statements: readonly Statement[],
): Promise<readonly Answer[]> {
  const { promise, resolve, reject } = Promise.withResolvers<readonly Answer[]>()
  // Whoever runs the transaction learns of its failure by itself.
  promise.catch(() => undefined)
  await tx.getExecutor().provideConnection(async (connection) => {
    pooled(connection).defer({ statements, resolve, reject })
  })
  return await promise
}

/** Division by zero (PostgreSQL, "Error Codes"). */
const UNMET = '22012'

/**
 * An expression that fails unless `condition` holds, so that nothing behind its statement is run. Whoever sends
 * it asks `isUnmet` of the fault.
 */
export function orFail(condition: string): string {
  return `1 / coalesce((${condition})::integer, 0) as met`
}

/** Whether a fault is that of an unmet condition. */
export function isUnmet(fault: unknown): boolean {
  return fault instanceof DatabaseError && fault.code === UNMET
}

function pooled(connection: unknown): PooledConnection {
  if (connection instanceof PooledConnection) return connection
  throw new TypeError('expected a connection of `openStore`')
}

/** Byte strings as one parameter: a list of them would travel as hexadecimal text, twice as long. */
export interface Joined {
  readonly bytes: Buffer
  /** Where each begins, counted from 1 as `substr` does, and how long it is. */
  readonly starts: readonly number[]
  readonly lengths: readonly number[]
}

/** Joins byte strings; the statement takes them apart by `substr`. */
export function joined(parts: readonly Uint8Array[]): Joined {
  const lengths = parts.map((part) => part.length)
  let start = 1
  const starts = lengths.map((length) => (start += length) - length)
  return { bytes: Buffer.concat(parts), starts, lengths }
}
