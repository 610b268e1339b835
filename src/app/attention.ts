/**
 * What needs a person: suspended agents, told to those whom it concerns. Approvals are `pendingFor`.
 *
 * Call `suspendedFor`. An agent concerns whoever answers for it at this instant, and whoever it works for;
 * one for which nobody answers concerns those who may say who does. What it was refused is shown to the
 * first, and to the person under whose delegation it was.
 */

import { ownersOf } from '../accountability/accountability-store.ts'
import { resolve, type Resolved } from '../accountability/resolve.ts'
import type { Output } from '../api/operations.ts'
import type { EntryOf } from '../audit/entry.ts'
import { entryAt, lastRefusals, type PlacedEntry } from '../audit/queries.ts'
import type { Clock } from '../base/clock.ts'
import { heldFor } from '../delegation/delegation-store.ts'
import type { Delegation } from '../delegation/delegation.ts'
import { type Agent, type AgentId, archetypeSubject } from '../identity/agent.ts'
import { listAgents } from '../identity/agent-store.ts'
import type { PersonId } from '../people/person.ts'
import { lastChanges } from '../store/changes.ts'
import type { Tx } from '../store/store.ts'

type Told = Output<'listAttention'>['agents'][number]

/** Who asks. */
export interface Concerned {
  readonly person: PersonId
  /** May say who answers for what nobody answers for. */
  readonly appoints: boolean
}

const PAGE = 500
/** Suspended agents that are looked at. */
const MOST_LOOKED = 5_000
/** Agents that are told of. */
const MOST_TOLD = 100
/** Refusals that are told of one agent. */
const MOST_REFUSALS = 10

/** The suspended agents that concern somebody, and whether there are more than were looked at. */
export async function suspendedFor(
  tx: Tx,
  concerned: Concerned,
  { clock }: { readonly clock: Clock },
): Promise<{ readonly agents: Told[]; readonly more: boolean }> {
  const known = new Answering(tx, clock.nowMilliseconds())
  const agents: Told[] = []
  let after: AgentId | undefined
  for (let looked = 0; looked < MOST_LOOKED; looked += PAGE) {
    const page = await listAgents(tx, {
      state: 'suspended',
      limit: PAGE,
      ...(after !== undefined && { after }),
    })
    for (const one of await concerning(tx, page, concerned, known)) {
      if (agents.length === MOST_TOLD) return { agents, more: true }
      agents.push(await toldOf(tx, one))
    }
    if (page.length < PAGE) return { agents, more: false }
    after = page.at(-1)?.id
  }
  return { agents, more: true }
}

/** An agent, and what somebody has to do with it. */
interface Concern {
  readonly agent: Agent
  readonly as: Told['as']
  readonly accountable: Resolved['accountable'] | undefined
  readonly delegations: readonly Delegation[]
  /** The entry that changed it last. */
  readonly changed: number | undefined
}

async function concerning(
  tx: Tx,
  page: readonly Agent[],
  { person, appoints }: Concerned,
  answering: Answering,
): Promise<Concern[]> {
  const ids = page.map(({ id }) => id)
  const [held, changes, owners] = [
    Map.groupBy(await heldFor(tx, person, ids), ({ delegate }) => delegate.agent),
    await lastChanges(tx, ids),
    await ownersOf(tx, ids),
  ]
  const found: Concern[] = []
  for (const agent of page) {
    const delegations = held.get(agent.id) ?? []
    const accountable = await answering.for(
      owners.has(agent.id) ? agent.id : archetypeSubject(agent.archetype),
    )
    const as: Told['as'] = [
      ...(accountable?.person === person ? (['answers'] as const) : []),
      ...(delegations.length > 0 ? (['delegated'] as const) : []),
      ...(accountable === undefined && appoints ? (['appoints'] as const) : []),
    ]
    const changed = changes.get(agent.id)
    if (as.length > 0) found.push({ agent, as, accountable, delegations, changed })
  }
  return found
}

/** Who answers for what, looked up once: agents without an owner of their own share their archetype's. */
class Answering {
  readonly #tx: Tx
  readonly #at: number
  readonly #known = new Map<string, Resolved['accountable'] | undefined>()

  constructor(tx: Tx, at: number) {
    this.#tx = tx
    this.#at = at
  }

  async for(owned: Parameters<typeof resolve>[1]): Promise<Resolved['accountable'] | undefined> {
    if (!this.#known.has(owned)) {
      const answers = await resolve(this.#tx, owned, this.#at)
      this.#known.set(owned, answers.ok ? answers.value.accountable : undefined)
    }
    return this.#known.get(owned)
  }
}

async function toldOf(tx: Tx, concern: Concern): Promise<Told> {
  const { agent, as, accountable, delegations, changed } = concern
  const entry = changed === undefined ? undefined : await entryAt(tx, changed)
  // Its owner may have changed since; then only the log knows when.
  const suspension = entry?.kind === 'agent_suspended' ? entry : undefined
  const { delegation } = suspension ?? {}
  const isShown = as.includes('answers') || delegations.some(({ id }) => id === delegation)
  const refusals =
    delegation === undefined || changed === undefined || !isShown
      ? []
      : await lastRefusals(tx, delegation, { before: changed, limit: MOST_REFUSALS })
  return {
    id: agent.id,
    archetype: agent.archetype,
    suspendedFor: agent.suspendedFor ?? '',
    as,
    delegations: delegations.map(({ id, purpose }) => ({ id, purpose })),
    refusals: refusals.map(refusalOf),
    ...(accountable !== undefined && {
      accountable: { person: accountable.person, name: accountable.name },
    }),
    ...(suspension !== undefined && { since: suspension.time }),
    ...(suspension !== undefined && changed !== undefined && { entry: changed }),
  }
}

function refusalOf({
  index,
  entry,
}: PlacedEntry<EntryOf<'call_refused'> | EntryOf<'operation_refused'>>): Told['refusals'][number] {
  const told = { entry: index, time: entry.time }
  if (entry.kind === 'operation_refused')
    return { ...told, what: entry.operation, why: entry.reason }
  const { serverName = 'a server', action, constraint, reason } = entry
  return { ...told, what: `${serverName} ${action}`, why: `${constraint}: ${reason}` }
}
