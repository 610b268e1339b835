/**
 * Delegations as rows. Stages are the root's in a whole tree, so every read joins the root's row.
 *
 * Rows change under the lock of the log's head only (`lockHead`), which every writer takes first: the
 * changes of one delegation come one after the other, and nobody who holds a row waits for the head.
 */

import { type RawBuilder, sql } from 'kysely'
import type { Id } from '../base/id.ts'
import type { Store, Tx } from '../store/store.ts'
import type { AgentId } from '../identity/agent.ts'
import type { Delegation, DelegationId, DelegationState } from './delegation.ts'
import { detailsSchema } from './intent.ts'
import type { DelegationTable } from './migrations.ts'

/** A transaction, or the database for a single statement. */
export type Db = Tx | Store['db']

/** The database's clock in milliseconds: the only one that ends a delegation. */
export async function databaseMilliseconds(db: Db): Promise<number> {
  const { rows } = await sql<{ now: number }>`select ${DATABASE_NOW} as now`.execute(db)
  if (rows[0] === undefined) throw new Error('expected the time from the database, got nothing')
  return rows[0].now
}

/** The delegation with its ancestors, root first and itself last; empty if there is none. */
export function readBranch(db: Db, id: DelegationId): Promise<Delegation[]> {
  return read(
    db,
    sql`where d.id in (select unnest(b.ancestors || b.id) from delegation b where b.id = ${id})
        order by cardinality(d.ancestors)`,
  )
}

/** One delegation. Its `state` is its own, not what stands above it. */
export async function findDelegation(db: Db, id: DelegationId): Promise<Delegation | undefined> {
  return (await read(db, sql`where d.id = ${id}`))[0]
}

/** A person's delegations, newest first; `before` continues a list. */
export function delegationsOf(
  db: Db,
  person: Id<'per'>,
  page: { readonly limit: number; readonly before?: DelegationId },
): Promise<Delegation[]> {
  const before = page.before ?? null
  return read(
    db,
    sql`where d.person = ${person} and (${before}::text is null or d.id < ${before})
        order by d.id desc limit ${page.limit}`,
  )
}

/** A person's delegations that any of these agents hold and that were not ended, newest first. */
export function heldFor(
  db: Db,
  person: Id<'per'>,
  agents: readonly AgentId[],
): Promise<Delegation[]> {
  return read(
    db,
    sql`where d.agent = any(${agents}::text[]) and d.person = ${person}
          and d.state in ('active', 'suspended')
        order by d.id desc limit 500`,
  )
}

/** Every delegation, for the invariant checker. */
export function allDelegations(db: Db): Promise<Delegation[]> {
  return read(db, sql`order by cardinality(d.ancestors), d.id`)
}

/** How many delegations directly below one were not ended. */
export async function countBelow(db: Db, id: DelegationId): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(*) as count from delegation
    where parent = ${id} and state in ('active', 'suspended')`.execute(db)
  return rows[0]?.count ?? 0
}

/** The delegations that an agent holds and that were not ended. */
export async function heldBy(tx: Tx, agent: AgentId): Promise<DelegationId[]> {
  const { rows } = await sql<{ id: DelegationId }>`
    select id from delegation where agent = ${agent} and state in ('active', 'suspended')
    order by id`.execute(tx)
  return rows.map(({ id }) => id)
}

/** Writes a new delegation. Only a root has stages of its own. */
export async function insertDelegation(tx: Tx, made: Delegation): Promise<void> {
  const root = made.parent === undefined
  await tx
    .withTables<{ delegation: DelegationTable }>()
    .insertInto('delegation')
    .values({
      id: made.id,
      person: made.person,
      archetype: made.delegate.archetype,
      agent: made.delegate.agent ?? null,
      parent: made.parent ?? null,
      ancestors: [...made.ancestors],
      purpose: made.purpose,
      details: sql`${JSON.stringify(made.details)}::jsonb`,
      stages: root ? [...made.stages] : [],
      stage: root ? made.stage : null,
      stage_movers: root ? [...made.stageMovers] : [],
      stages_reversible: root && made.stagesReversible,
      created_at: made.createdAt,
      expires_at: made.expiresAt,
      state: 'active',
      suspended_by: null,
      signed: made.signed,
    })
    .execute()
}

/** Binds an unclaimed delegation to an agent; false if another was first. */
export async function bindAgent(tx: Tx, id: DelegationId, agent: AgentId): Promise<boolean> {
  const { numAffectedRows } = await sql`
    update delegation set agent = ${agent} where id = ${id} and agent is null`.execute(tx)
  return numAffectedRows === 1n
}

/** Sets the stage of a root. */
export async function setStage(tx: Tx, root: DelegationId, stage: string): Promise<void> {
  await sql`update delegation set stage = ${stage} where id = ${root}`.execute(tx)
}

/** Sets the state that is recorded, and who suspended it. */
export async function setState(
  tx: Tx,
  id: DelegationId,
  change: { readonly state: DelegationTable['state']; readonly suspendedBy?: Id<'per'> },
): Promise<void> {
  await sql`
    update delegation set state = ${change.state}, suspended_by = ${change.suspendedBy ?? null}
    where id = ${id}`.execute(tx)
}

/** Who suspended a delegation; undefined if it is not suspended. */
export async function suspendedBy(db: Db, id: DelegationId): Promise<Id<'per'> | undefined> {
  const { rows } = await sql<{ by: Id<'per'> | null }>`
    select suspended_by as by from delegation where id = ${id}`.execute(db)
  return rows[0]?.by ?? undefined
}

const DATABASE_NOW = sql`(extract(epoch from clock_timestamp()) * 1000)::bigint`

type Row = Omit<DelegationTable, 'suspended_by' | 'details'> & { details: unknown; now: number }

async function read(db: Db, which: RawBuilder<unknown>): Promise<Delegation[]> {
  const { rows } = await sql<Row>`
    select d.id, d.person, d.archetype, d.agent, d.parent, d.ancestors, d.purpose, d.details,
      r.stages, r.stage, r.stage_movers, r.stages_reversible,
      d.created_at, d.expires_at, d.state, d.signed, ${DATABASE_NOW} as now
    from delegation d join delegation r on r.id = coalesce(d.ancestors[1], d.id)
    ${which}`.execute(db)
  return rows.map(delegationFrom)
}

function delegationFrom(row: Row): Delegation {
  return {
    id: row.id,
    person: row.person,
    delegate: { archetype: row.archetype, ...(row.agent === null ? {} : { agent: row.agent }) },
    ...(row.parent === null ? {} : { parent: row.parent }),
    ancestors: row.ancestors,
    purpose: row.purpose,
    details: detailsSchema.parse(row.details),
    stages: row.stages,
    stage: row.stage,
    stageMovers: row.stage_movers,
    stagesReversible: row.stages_reversible,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    state: stateOf(row),
    signed: row.signed,
  }
}

function stateOf(row: Row): DelegationState {
  const ended = row.state === 'completed' || row.state === 'revoked'
  return !ended && row.expires_at * 1_000 <= row.now ? 'expired' : row.state
}
