/** Tables `archetype` and `agent`. */

import type { SelectQueryBuilder } from 'kysely'
import type { Store, Tx } from '../store/store.ts'
import type { Agent, AgentId, AgentState, Archetype } from './agent.ts'
import type { SpiffeId } from './spiffe-id.ts'

type IdentityTables = {
  archetype: { name: string; description: string; created_at: number }
  agent: {
    id: AgentId
    spiffe_id: SpiffeId
    archetype: string
    parent: AgentId | null
    selectors: string[]
    state: AgentState
    suspended_for: string | null
    created_at: number
  }
}

type Row = IdentityTables['agent']

const COLUMNS = [
  'id',
  'spiffe_id',
  'archetype',
  'parent',
  'selectors',
  'state',
  'suspended_for',
  'created_at',
] as const

/** Adds an archetype; `false` if its name is taken. */
export async function insertArchetype(
  tx: Tx,
  archetype: Archetype,
  createdAt: number,
): Promise<boolean> {
  const added = await tx
    .withTables<IdentityTables>()
    .insertInto('archetype')
    .values({ ...archetype, created_at: createdAt })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst()
  return added.numInsertedOrUpdatedRows === 1n
}

/** The archetype of that name. */
export async function findArchetype(tx: Tx, name: string): Promise<Archetype | undefined> {
  return await tx
    .withTables<IdentityTables>()
    .selectFrom('archetype')
    .select(['name', 'description'])
    .where('name', '=', name)
    .executeTakeFirst()
}

/** Every archetype, by name. */
export async function listArchetypes(tx: Tx): Promise<Archetype[]> {
  return await tx
    .withTables<IdentityTables>()
    .selectFrom('archetype')
    .select(['name', 'description'])
    .orderBy('name')
    .execute()
}

/** Adds an agent. */
export async function insertAgent(tx: Tx, agent: Agent): Promise<void> {
  await tx
    .withTables<IdentityTables>()
    .insertInto('agent')
    .values({
      id: agent.id,
      spiffe_id: agent.spiffeId,
      archetype: agent.archetype,
      parent: agent.parent ?? null,
      selectors: [...agent.selectors],
      state: agent.state,
      suspended_for: agent.suspendedFor ?? null,
      created_at: agent.createdAt,
    })
    .execute()
}

/** The agent by its identifier or SPIFFE ID; one statement, so no transaction is needed. */
export async function findAgent(
  tx: Tx | Store['db'],
  idOrSpiffeId: AgentId | SpiffeId,
): Promise<Agent | undefined> {
  return await one(selectAgent(tx, idOrSpiffeId))
}

/** The agent, whose state nobody can change until the transaction ends. */
export async function findAgentSteady(
  tx: Tx,
  idOrSpiffeId: AgentId | SpiffeId,
): Promise<Agent | undefined> {
  return await one(selectAgent(tx, idOrSpiffeId).forShare())
}

/** The agent, which this transaction is about to change. */
export async function lockAgent(tx: Tx, id: AgentId): Promise<Agent | undefined> {
  return await one(selectAgent(tx, id).forUpdate())
}

/** Sets an agent's state; `suspendedFor` exactly when it is `suspended`. */
export async function updateAgentState(
  tx: Tx,
  id: AgentId,
  { state, suspendedFor }: Pick<Agent, 'state' | 'suspendedFor'>,
): Promise<void> {
  await tx
    .withTables<IdentityTables>()
    .updateTable('agent')
    .set({ state, suspended_for: suspendedFor ?? null })
    .where('id', '=', id)
    .execute()
}

/** Which agents to list, in the order of their identifiers. */
export interface AgentPage {
  readonly state?: AgentState
  readonly archetype?: string
  readonly parent?: AgentId
  /** The last agent of the page before. */
  readonly after?: AgentId
  readonly limit: number
}

/** A page of agents. */
export async function listAgents(tx: Tx, page: AgentPage): Promise<Agent[]> {
  const { state, archetype, parent, after } = page
  const rows = await tx
    .withTables<IdentityTables>()
    .selectFrom('agent')
    .select(COLUMNS)
    .$if(state !== undefined, (query) => query.where('state', '=', state as AgentState))
    .$if(archetype !== undefined, (query) => query.where('archetype', '=', archetype as string))
    .$if(parent !== undefined, (query) => query.where('parent', '=', parent as AgentId))
    .$if(after !== undefined, (query) => query.where('id', '>', after as AgentId))
    .orderBy('id')
    .limit(page.limit)
    .execute()
  return rows.map(agentFrom)
}

function selectAgent(
  tx: Tx | Store['db'],
  idOrSpiffeId: AgentId | SpiffeId,
): SelectQueryBuilder<IdentityTables, 'agent', Row> {
  const column = idOrSpiffeId.startsWith('spiffe:') ? 'spiffe_id' : 'id'
  return tx
    .withTables<IdentityTables>()
    .selectFrom('agent')
    .select(COLUMNS)
    .where(column, '=', idOrSpiffeId as AgentId & SpiffeId)
}

async function one(
  query: SelectQueryBuilder<IdentityTables, 'agent', Row>,
): Promise<Agent | undefined> {
  const row = await query.executeTakeFirst()
  return row === undefined ? undefined : agentFrom(row)
}

function agentFrom(row: Row): Agent {
  return {
    id: row.id,
    spiffeId: row.spiffe_id,
    archetype: row.archetype,
    state: row.state,
    ...(row.suspended_for === null ? {} : { suspendedFor: row.suspended_for }),
    ...(row.parent === null ? {} : { parent: row.parent }),
    selectors: row.selectors,
    createdAt: row.created_at,
  }
}
