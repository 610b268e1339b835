/**
 * An agent's states: `suspendAgent`, `resumeAgent`, `endAgent`. What an agent started keeps its own
 * state: whether it may act is for the delegation above it to say.
 */

import { append } from '../audit/append.ts'
import type { Actor, Entry, EntryOf } from '../audit/entry.ts'
import type { Clock } from '../base/clock.ts'
import { ok, refuse, type Result } from '../base/result.ts'
import type { Store, Tx } from '../store/store.ts'
import type { Agent, AgentId, AgentState } from './agent.ts'
import { lockAgent, updateAgentState } from './agent-store.ts'

/** Why an agent's state did not change. */
export type StateRefusal =
  | { readonly reason: 'unknown_agent' }
  | { readonly reason: 'wrong_state'; readonly state: AgentState }

interface Env {
  readonly store: Store
  readonly clock: Clock
}

/** Stops an active agent until it is resumed: its streams end and it gets no SVID. */
export async function suspendAgent(
  { agent, reason }: { readonly agent: AgentId; readonly reason: string },
  by: Actor,
  env: Env,
): Promise<Result<Agent, StateRefusal>> {
  return await env.store.transaction((tx) => suspendAgentIn(tx, { agent, reason }, by, env))
}

/** What the entry of a suspension says beside its reason: who is to be told, and what it was for. */
export type SuspensionTold = Pick<
  EntryOf<'agent_suspended'>,
  'accountable' | 'delegation' | 'refusals'
>

/** `suspendAgent` in the caller's transaction, as its last statement: it appends. */
export async function suspendAgentIn(
  tx: Tx,
  request: { readonly agent: AgentId; readonly reason: string; readonly told?: SuspensionTold },
  by: Actor,
  env: { readonly clock: Clock },
): Promise<Result<Agent, StateRefusal>> {
  const { agent, reason, told } = request
  const wanted: Change = { agent, from: ['active'], to: 'suspended', suspendedFor: reason }
  return await changeIn(tx, wanted, env, { kind: 'agent_suspended', by, reason, ...told })
}

/** Lets a suspended agent act again. */
export async function resumeAgent(
  { agent }: { readonly agent: AgentId },
  by: Actor,
  env: Env,
): Promise<Result<Agent, StateRefusal>> {
  return await change({ agent, from: ['suspended'], to: 'active' }, env, {
    kind: 'agent_resumed',
    by,
  })
}

/** Ends an agent for good. */
export async function endAgent(
  { agent, reason }: { readonly agent: AgentId; readonly reason?: string },
  by: Actor,
  env: Env,
): Promise<Result<Agent, StateRefusal>> {
  return await change({ agent, from: ['active', 'suspended'], to: 'ended' }, env, {
    kind: 'agent_ended',
    by,
    ...(reason === undefined ? {} : { reason }),
  })
}

interface Change {
  readonly agent: AgentId
  readonly from: readonly AgentState[]
  readonly to: AgentState
  readonly suspendedFor?: string
}

type StateEntry = Extract<Entry, { kind: 'agent_suspended' | 'agent_resumed' | 'agent_ended' }>
type WhatHappened = StateEntry extends infer E
  ? E extends StateEntry
    ? Omit<E, 'v' | 'time' | 'touches' | 'agent'>
    : never
  : never

async function change(
  request: Change,
  env: Env,
  happened: WhatHappened,
): Promise<Result<Agent, StateRefusal>> {
  return await env.store.transaction((tx) => changeIn(tx, request, env, happened))
}

async function changeIn(
  tx: Tx,
  { agent: id, from, to, suspendedFor }: Change,
  env: { readonly clock: Clock },
  happened: WhatHappened,
): Promise<Result<Agent, StateRefusal>> {
  const agent = await lockAgent(tx, id)
  if (agent === undefined) return refuse({ reason: 'unknown_agent' })
  if (!from.includes(agent.state)) return refuse({ reason: 'wrong_state', state: agent.state })

  const { suspendedFor: _, ...rest } = agent
  const changed: Agent = {
    ...rest,
    state: to,
    ...(suspendedFor === undefined ? {} : { suspendedFor }),
  }
  await updateAgentState(tx, id, changed)
  // INVARIANT (revocation): the row's lock is held until this entry commits, so an SVID is recorded
  // before the suspension or never.
  const time = env.clock.nowMilliseconds()
  await append(tx, [{ ...happened, v: 1, time, touches: [id], agent: id }])
  return ok(changed)
}
