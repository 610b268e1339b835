/** Table `connection`. */

import type { Id } from '../base/id.ts'
import type { Tx } from '../store/store.ts'
import type { Connection, ConnectionId } from './connection.ts'
import type { DelegationId } from './delegation.ts'
import type { ConnectionTable } from './migrations.ts'

type Tables = { connection: ConnectionTable }

const COLUMNS = ['id', 'person', 'client', 'agent', 'delegation', 'created_at', 'ended_at'] as const

/** Adds a connection. */
export async function insertConnection(tx: Tx, made: Connection): Promise<void> {
  const { id, person, client, agent, delegation, createdAt } = made
  await tx
    .withTables<Tables>()
    .insertInto('connection')
    .values({ id, person, client, agent, delegation, created_at: createdAt, ended_at: null })
    .execute()
}

/** The connection of that identifier. */
export async function findConnection(tx: Tx, id: ConnectionId): Promise<Connection | undefined> {
  const row = await select(tx).where('id', '=', id).executeTakeFirst()
  return row && connectionFrom(row)
}

/** A person's connections, newest first, at most 500. */
export async function connectionsOf(tx: Tx, person: Id<'per'>): Promise<Connection[]> {
  const rows = await select(tx)
    .where('person', '=', person)
    .orderBy('id', 'desc')
    .limit(500)
    .execute()
  return rows.map(connectionFrom)
}

/** Whether a delegation is a connected client's, whose windows have theirs below it. */
export async function isConnected(tx: Tx, delegation: DelegationId): Promise<boolean> {
  return (await select(tx).where('delegation', '=', delegation).executeTakeFirst()) !== undefined
}

/** Every connection that was not ended. */
export async function openConnections(tx: Tx): Promise<Connection[]> {
  const rows = await select(tx).where('ended_at', 'is', null).orderBy('id').execute()
  return rows.map(connectionFrom)
}

/** Marks a connection as ended; false if it was before. */
export async function setEnded(tx: Tx, id: ConnectionId, at: number): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .withTables<Tables>()
    .updateTable('connection')
    .set({ ended_at: at })
    .where('id', '=', id)
    .where('ended_at', 'is', null)
    .executeTakeFirst()
  return numUpdatedRows === 1n
}

// oxlint-disable-next-line typescript/explicit-module-boundary-types -- kysely's own type of this query
function select(tx: Tx) {
  return tx.withTables<Tables>().selectFrom('connection').select(COLUMNS)
}

function connectionFrom(row: ConnectionTable): Connection {
  return {
    id: row.id,
    person: row.person,
    client: row.client,
    agent: row.agent,
    delegation: row.delegation,
    createdAt: row.created_at,
    ...(row.ended_at === null ? {} : { endedAt: row.ended_at }),
  }
}
