/**
 * The refusal budget: how often agents of a kind may reach for what they were not given before they stop.
 *
 * A refusal that counts is written with its entry (`refusalBeside`); after it, `suspendIfOverspent` counts
 * what lies within the window and suspends an agent that is beyond its budget, until a person resumes it.
 * Rows and time are the database's, so every replica counts the same. Whoever answers for the archetype
 * sets its budget (`setRefusalBudget`), and nobody else.
 *
 * What counts is for the door to say that refuses, and must be the agent's own doing: who could make
 * another's refusals count could stop it.
 */

import { sql } from 'kysely'
import { resolve } from '../accountability/resolve.ts'
import { append, lockHead } from '../audit/append.ts'
import type { Actor } from '../audit/entry.ts'
import type { Positioned, RowBeside } from '../audit/log-writer.ts'
import type { Clock } from '../base/clock.ts'
import type { Diagnostics } from '../base/diagnostics.ts'
import { ok, refuse, type Result } from '../base/result.ts'
import { type Agent, type AgentId, archetypeSubject } from '../identity/agent.ts'
import { suspendAgentIn } from '../identity/agent-state.ts'
import { findAgent, lockAgent } from '../identity/agent-store.ts'
import { personActor, type Session } from '../people/session.ts'
import type { Statement } from '../store/statement.ts'
import type { Store, Tx } from '../store/store.ts'
import { answersFor } from './agency.ts'
import type { DelegationId } from './delegation.ts'

/** So many refusals within so long; the next one suspends. */
export interface RefusalBudget {
  readonly refusals: number
  readonly withinSeconds: number
}

/** What an archetype has that nobody set one for, unless the installation says otherwise. */
export const DEFAULT_BUDGET: RefusalBudget = { refusals: 100, withinSeconds: 3_600 }
/** The widest budget: there is always one. */
export const WIDEST_BUDGET: RefusalBudget = { refusals: 10_000, withinSeconds: 604_800 }

type BudgetTables = {
  refusal_budget: { archetype: string; refusals: number; within_seconds: number }
}

const BY: Actor = { type: 'system', part: 'gateway' }

/** Sets the budget of an archetype. */
export async function setRefusalBudget(
  request: RefusalBudget & { readonly archetype: string },
  session: Session,
  env: { readonly store: Store; readonly clock: Clock },
): Promise<Result<RefusalBudget>> {
  const { archetype, refusals, withinSeconds } = request
  if (!isBudget(request)) {
    const { refusals: most, withinSeconds: longest } = WIDEST_BUDGET
    const message = `expected 1 to ${most} refusals within 1 to ${longest} seconds`
    return refuse({ reason: 'bad_budget', message })
  }
  const subject = archetypeSubject(archetype)
  return await env.store.transaction(async (tx) => {
    const time = env.clock.nowMilliseconds()
    const entitled = await answersFor(tx, archetype, session, time)
    if (!entitled.ok) return entitled
    const row = { refusals, within_seconds: withinSeconds }
    await tx
      .withTables<BudgetTables>()
      .insertInto('refusal_budget')
      .values({ archetype, ...row })
      .onConflict((on) => on.column('archetype').doUpdateSet(row))
      .execute()
    const by = personActor(session)
    const set = { archetype: subject, refusals, withinSeconds }
    await append(tx, [{ v: 1, kind: 'refusal_budget_set', time, by, touches: [subject], ...set }])
    return ok({ refusals, withinSeconds })
  })
}

function isBudget({ refusals, withinSeconds }: RefusalBudget): boolean {
  return (
    isWithin(refusals, WIDEST_BUDGET.refusals) &&
    isWithin(withinSeconds, WIDEST_BUDGET.withinSeconds)
  )
}

function isWithin(value: number, most: number): boolean {
  return Number.isInteger(value) && value >= 1 && value <= most
}

/** The budget of an archetype. */
export async function refusalBudgetOf(
  tx: Tx,
  archetype: string,
  otherwise: RefusalBudget,
): Promise<RefusalBudget> {
  const row = await tx
    .withTables<BudgetTables>()
    .selectFrom('refusal_budget')
    .select(['refusals', 'within_seconds'])
    .where('archetype', '=', archetype)
    .executeTakeFirst()
  if (row === undefined) return otherwise
  return { refusals: row.refusals, withinSeconds: row.within_seconds }
}

/** A refusal that counts against an agent, to be written beside the entry that records it. */
export function refusalBeside(agent: AgentId): RowBeside {
  return { kind: insertRefusals, row: agent }
}

function insertRefusals(beside: readonly Positioned[]): Statement {
  return {
    name: 'insert_refusals',
    text: INSERT_REFUSALS,
    values: [beside.map(({ row }) => row as AgentId), WIDEST_BUDGET.withinSeconds * 1_000],
  }
}

// What no window reaches back to is forgotten. All of it happens under the log's head.
const INSERT_REFUSALS = `
  with now as (select (extract(epoch from clock_timestamp()) * 1000)::bigint as at),
  old as (delete from agent_refusal r using now where r.at < now.at - $2::bigint)
  insert into agent_refusal (agent, at) select a.agent, now.at
  from now, unnest($1::text[]) as a (agent)`

interface Env {
  readonly store: Store
  readonly clock: Clock
  readonly diagnostics: Diagnostics
  /** What archetypes have that nobody set one for. */
  readonly refusalBudget: RefusalBudget
}

/**
 * Suspends an active agent that is beyond its budget: true if it did. The entry names the cause and whoever
 * answers for the agent; what was refused before does not count again once it is resumed.
 */
export async function suspendIfOverspent(
  { agent: id, delegation }: { readonly agent: AgentId; readonly delegation: DelegationId },
  env: Env,
): Promise<boolean> {
  const overspent = await env.store.snapshot(async (tx) => {
    const agent = await findAgent(tx, id)
    return agent !== undefined && (await spending(tx, agent, env)).isOver
  })
  if (!overspent) return false
  const suspended = await env.store.transaction(async (tx) => {
    // The agent first, then the head: as whoever else changes its state.
    const agent = await lockAgent(tx, id)
    await lockHead(tx)
    if (agent === undefined) return refuse({ reason: 'unknown_agent' })
    const { count, budget, isOver } = await spending(tx, agent, env)
    if (!isOver) return refuse({ reason: 'within_budget' })
    await sql`delete from agent_refusal where agent = ${id}`.execute(tx)
    const answers = await resolve(tx, id, env.clock.nowMilliseconds())
    const told = {
      delegation,
      ...(answers.ok && { accountable: answers.value.accountable }),
      refusals: { count, budget: budget.refusals, withinSeconds: budget.withinSeconds },
    }
    const reason = `it was refused ${count} times within ${budget.withinSeconds} seconds`
    const changed = await suspendAgentIn(tx, { agent: id, reason, told }, BY, env)
    return changed.ok ? ok({ reason, accountable: told.accountable?.person ?? 'nobody' }) : changed
  })
  if (suspended.ok) env.diagnostics.warn('agent.suspended', { agent: id, ...suspended.value })
  return suspended.ok
}

interface Spending {
  readonly count: number
  readonly budget: RefusalBudget
  readonly isOver: boolean
}

/** What an agent was refused within the window of its budget, by the database's clock. */
async function spending(tx: Tx, agent: Agent, env: Env): Promise<Spending> {
  const budget = await refusalBudgetOf(tx, agent.archetype, env.refusalBudget)
  const { rows } = await sql<{ count: number }>`
    select count(*) as count from agent_refusal
    where agent = ${agent.id}
      and at > (extract(epoch from clock_timestamp()) * 1000)::bigint
        - ${budget.withinSeconds * 1_000}::bigint`.execute(tx)
  const count = rows[0]?.count ?? 0
  return { count, budget, isOver: count > budget.refusals }
}
