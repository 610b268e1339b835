/**
 * How archetypes and agents come to be: `createArchetype` once per kind, then `createAgent` for each
 * context window. The caller says who answers for the agent; the entry freezes it.
 */

import { append } from '../audit/append.ts'
import type { Accountable, Actor } from '../audit/entry.ts'
import type { Clock } from '../base/clock.ts'
import { type Random, uuidV4 } from '../base/random.ts'
import { ok, refuse, type Result } from '../base/result.ts'
import type { Store, Tx } from '../store/store.ts'
import {
  type Agent,
  type AgentId,
  agentSpiffeId,
  type Archetype,
  archetypeSubject,
  isArchetypeName,
} from './agent.ts'
import { findAgentSteady, findArchetype, insertAgent, insertArchetype } from './agent-store.ts'
import { parseSelectors, type SelectorRefusal } from './selector.ts'
import type { TrustDomain } from './spiffe-id.ts'

/** What an agent is to be. */
export interface AgentRequest {
  readonly archetype: string
  /** The agent that starts it; it must be active. */
  readonly parent?: AgentId
  /** @see Agent.selectors */
  readonly selectors: readonly string[]
}

const MAX_DESCRIPTION = 2_000

/** Names a kind of agent. Names are never reused, as policy attaches to them. */
export async function createArchetype(
  { name, description }: Archetype,
  by: Actor,
  env: { readonly store: Store; readonly clock: Clock },
): Promise<
  Result<Archetype, { reason: 'bad_name' | 'description_too_long' | 'archetype_exists' }>
> {
  if (!isArchetypeName(name)) return refuse({ reason: 'bad_name' })
  if (description.length > MAX_DESCRIPTION) return refuse({ reason: 'description_too_long' })
  return await env.store.transaction(async (tx) => {
    const time = env.clock.nowMilliseconds()
    const added = await insertArchetype(tx, { name, description }, time)
    if (!added) return refuse({ reason: 'archetype_exists' })
    const archetype = archetypeSubject(name)
    await append(tx, [
      { v: 1, kind: 'archetype_created', time, by, touches: [archetype], archetype, description },
    ])
    return ok({ name, description })
  })
}

/** Gives a new agent its identity. `accountable` is who answers for it now. */
export async function createAgent(
  request: AgentRequest,
  by: Actor,
  accountable: Accountable,
  env: {
    readonly store: Store
    readonly clock: Clock
    readonly random: Random
    readonly trustDomain: TrustDomain
  },
): Promise<
  Result<
    Agent,
    SelectorRefusal | { reason: 'unknown_archetype' | 'unknown_parent' | 'parent_not_active' }
  >
> {
  const selectors = parseSelectors(request.selectors)
  if (!selectors.ok) return selectors
  const id: AgentId = `agt_${uuidV4(env.random)}`
  const time = env.clock.nowMilliseconds()
  const agent: Agent = {
    id,
    spiffeId: agentSpiffeId(id, request.archetype, env.trustDomain),
    archetype: request.archetype,
    state: 'active',
    ...(request.parent === undefined ? {} : { parent: request.parent }),
    selectors: request.selectors,
    createdAt: time,
  }
  return await env.store.transaction(async (tx) => {
    const archetype = await findArchetype(tx, agent.archetype)
    if (archetype === undefined) return refuse({ reason: 'unknown_archetype' })
    const parent = await mayBeParent(tx, agent.parent)
    if (!parent.ok) return parent

    await insertAgent(tx, agent)
    await append(tx, [
      {
        v: 1,
        kind: 'agent_created',
        time,
        by,
        touches: [id],
        agent: id,
        spiffeId: agent.spiffeId,
        archetype: archetypeSubject(agent.archetype),
        ...(agent.parent === undefined ? {} : { parent: agent.parent }),
        selectors: [...agent.selectors],
        accountable,
      },
    ])
    return ok(agent)
  })
}

/** Holds the parent's state until the agent is recorded, so no suspended agent starts another. */
async function mayBeParent(
  tx: Tx,
  parent: AgentId | undefined,
): Promise<Result<undefined, { reason: 'unknown_parent' | 'parent_not_active' }>> {
  if (parent === undefined) return ok()
  const found = await findAgentSteady(tx, parent)
  if (found === undefined) return refuse({ reason: 'unknown_parent' })
  return found.state === 'active' ? ok() : refuse({ reason: 'parent_not_active' })
}
