/**
 * Kysely's way to Postgres: a driver over the pool of `pg` that saves round trips.
 *
 * A transaction's `begin` travels with its first statement, and statements that were deferred
 * (`statement.ts`) with its commit. What broke, or is in an unknown state, never goes back to the pool.
 */

import type { CompiledQuery, DatabaseConnection, Driver, TransactionSettings } from 'kysely'
import { type Connection, DatabaseError, type Pool, type PoolClient, Query } from 'pg'
import { parameterOf } from './parameter.ts'
import type { Answer, Statement } from './statement.ts'

/** Statements that wait for the commit, and who waits for them. */
export interface Deferred {
  readonly statements: readonly Statement[]
  readonly resolve: (answers: readonly Answer[]) => void
  readonly reject: (fault: unknown) => void
}

/** The driver. One per pool. */
export class PooledDriver implements Driver {
  readonly #pool: Pool
  readonly #names = new RecurringNames()
  /** The names that each connection has prepared. */
  readonly #prepared = new WeakMap<PoolClient, Set<string>>()

  constructor(pool: Pool) {
    this.#pool = pool
  }

  async init(): Promise<void> {}

  async acquireConnection(): Promise<PooledConnection> {
    const client = await this.#pool.connect()
    const prepared = this.#prepared.get(client) ?? new Set()
    this.#prepared.set(client, prepared)
    return new PooledConnection(client, { names: this.#names, prepared })
  }

  async beginTransaction(
    connection: PooledConnection,
    { isolationLevel, accessMode }: TransactionSettings,
  ): Promise<void> {
    const level = isolationLevel === undefined ? '' : ` isolation level ${isolationLevel}`
    connection.begin(`start transaction${level} ${accessMode ?? ''}`.trim())
  }

  async commitTransaction(connection: PooledConnection): Promise<void> {
    await connection.commit()
  }

  async rollbackTransaction(connection: PooledConnection): Promise<void> {
    await connection.rollback()
  }

  async releaseConnection(connection: PooledConnection): Promise<void> {
    connection.release()
  }

  async destroy(): Promise<void> {
    await this.#pool.end()
  }
}

/** One connection while somebody uses it. */
export class PooledConnection implements DatabaseConnection {
  readonly #client: PoolClient
  readonly #names: RecurringNames
  readonly #prepared: Set<string>
  /** The `begin` that goes out with the next statement. */
  #begin: string | undefined
  #deferred: Deferred[] = []
  #broken = false

  constructor(
    client: PoolClient,
    { names, prepared }: { readonly names: RecurringNames; readonly prepared: Set<string> },
  ) {
    this.#client = client
    this.#names = names
    this.#prepared = prepared
  }

  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- kysely's signature
  async executeQuery<R>(
    query: CompiledQuery,
  ): Promise<{ readonly numAffectedRows?: bigint; readonly rows: R[] }> {
    const { sql: text, parameters: values } = query
    const name = this.#names.of(text)
    const [answer] = await this.send([{ ...(name !== undefined && { name }), text, values }])
    const { command = '', rowCount = 0, rows = [] } = answer ?? {}
    const changes = /^(?:INSERT|UPDATE|DELETE|MERGE)$/.test(command)
    return { rows: rows as R[], ...(changes && { numAffectedRows: BigInt(rowCount) }) }
  }

  // oxlint-disable-next-line require-yield -- kysely asks for it; nobody here streams
  async *streamQuery(): AsyncGenerator<never> {
    throw new TypeError('expected a statement, got a cursor')
  }

  /** Opens a transaction with the next statement; one that never asks anything is never opened. */
  begin(text: string): void {
    this.#begin = text
  }

  /** Keeps statements for the commit. */
  defer(deferred: Deferred): void {
    this.#deferred.push(deferred)
  }

  /** Sends statements and resolves with all their answers; rejects if one failed. */
  async send(statements: readonly Statement[]): Promise<readonly Answer[]> {
    const begin = this.#begin
    if (begin === undefined) return await this.#fly(statements)
    this.#begin = undefined
    return (await this.#fly([{ text: begin }, ...statements])).slice(1)
  }

  async commit(): Promise<void> {
    const deferred = this.#deferred.splice(0)
    if (this.#begin !== undefined && deferred.length === 0) {
      this.#begin = undefined
      return
    }
    try {
      const statements = deferred.flatMap((each) => each.statements)
      const answers = await this.send([...statements, { text: 'commit' }])
      // Postgres answers the commit of a failed transaction with `ROLLBACK` and no error.
      if (answers.at(-1)?.command !== 'COMMIT') {
        throw new Error('expected a commit, got a rollback: a statement before it failed')
      }
      let from = 0
      for (const { statements: own, resolve } of deferred) {
        resolve(answers.slice(from, (from += own.length)))
      }
    } catch (fault) {
      for (const { reject } of deferred) reject(fault)
      throw fault
    }
  }

  async rollback(): Promise<void> {
    const begun = this.#begin === undefined
    this.#begin = undefined
    for (const { reject } of this.#deferred.splice(0)) reject(new Error('rolled back'))
    if (begun) await this.send([{ text: 'rollback' }])
  }

  release(): void {
    this.#client.release(this.#broken)
  }

  async #fly(statements: readonly Statement[]): Promise<readonly Answer[]> {
    const { promise, resolve, reject } = Promise.withResolvers<readonly Answer[]>()
    const flight = new Flight(statements, this.#prepared, (fault, answers) =>
      fault === null || fault === undefined ? resolve([answers].flat()) : reject(fault),
    )
    this.#client.query(flight)
    try {
      const answers = await promise
      for (const { name } of statements) if (name !== undefined) this.#prepared.add(name)
      return answers
    } catch (error) {
      const isUnsure = statements.some(
        ({ name }) => name !== undefined && !this.#prepared.has(name),
      )
      // An answer of the database leaves the connection usable; anything else leaves it unknown.
      if (!(error instanceof DatabaseError) || isUnsure) this.#broken = true
      if (error instanceof Error) Error.captureStackTrace(error)
      throw error
    }
  }
}

const MOST_NAMES = 200
const MOST_TEXTS = 2_000
const RECURS = 3

/**
 * Names for statements that kysely makes again and again, so that connections keep them prepared too. Texts
 * that depend on how long a list is are many: what came first has the names.
 */
class RecurringNames {
  readonly #names = new Map<string, string>()
  readonly #seen = new Map<string, number>()

  /** The name of a statement that was seen before often enough. */
  of(text: string): string | undefined {
    const known = this.#names.get(text)
    if (known !== undefined || this.#names.size >= MOST_NAMES) return known
    const times = (this.#seen.get(text) ?? 0) + 1
    if (times < RECURS) {
      if (this.#seen.size >= MOST_TEXTS) this.#seen.clear()
      this.#seen.set(text, times)
      return undefined
    }
    this.#seen.delete(text)
    const name = `recurring_${this.#names.size}`
    this.#names.set(text, name)
    return name
  }
}

type Landed = (fault: Error | null | undefined, answers: Answer | readonly Answer[]) => void

/** Several statements as one query of `pg`, which collects one result per statement. */
class Flight extends Query {
  readonly #messages: readonly {
    readonly name: string
    /** Absent when the connection has it prepared. */
    readonly text: string | undefined
    readonly values: (string | Buffer | null)[]
  }[]

  constructor(statements: readonly Statement[], prepared: ReadonlySet<string>, landed: Landed) {
    super({ text: '' }, landed as never)
    const known = new Set(prepared)
    this.#messages = statements.map(({ name = '', text, values = [] }) => {
      const message = {
        name,
        text: known.has(name) ? undefined : text,
        values: values.map(parameterOf),
      }
      if (name !== '') known.add(name)
      return message
    })
  }

  override readonly submit = (connection: Connection): void => {
    const { stream } = connection
    stream.cork()
    for (const { name, text, values } of this.#messages) {
      if (text !== undefined) connection.parse({ name, text, types: [] }, true)
      connection.bind({ statement: name, values }, true)
      connection.describe({ type: 'P', name: '' }, true)
      connection.execute(null, true)
    }
    connection.sync()
    stream.uncork()
  }
}
