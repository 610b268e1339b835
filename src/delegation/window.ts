/**
 * The windows of a connected client: each is an agent of its own, a child of the client's, with all that
 * the client was delegated and for no longer. Call `openWindow`, and `closeWindow` when its process went.
 */

import { append, lockHead } from '../audit/append.ts'
import type { Actor } from '../audit/entry.ts'
import { resolve } from '../accountability/resolve.ts'
import { ok, refuse, type Result } from '../base/result.ts'
import { type Agent, type AgentId, archetypeSubject } from '../identity/agent.ts'
import { endAgent } from '../identity/agent-state.ts'
import { findAgent, listAgents } from '../identity/agent-store.ts'
import { createAgent } from '../identity/create-agent.ts'
import type { Store } from '../store/store.ts'
import type { Connection, ConnectionEnv } from './connection.ts'
import type { Delegation } from './delegation.ts'
import { databaseMilliseconds, heldBy, setState } from './delegation-store.ts'
import { loadTree, standing } from './standing.ts'
import { subDelegate } from './sub-delegate.ts'

/** A window that may work. */
export interface Window {
  readonly agent: Agent
  readonly delegation: Delegation
}

/** Opens a window for a process that was attested by the selectors of the client. */
export async function openWindow(
  connection: Connection,
  env: ConnectionEnv,
): Promise<Result<Window>> {
  const stands = await connectionStands(connection, env)
  if (!stands.ok) return stands
  const { client, delegation } = stands.value
  const answerable = await env.store.snapshot((tx) =>
    resolve(tx, archetypeSubject(client.archetype), env.clock.nowMilliseconds()),
  )
  if (!answerable.ok) return answerable
  const { archetype, selectors } = client
  const agent = await createAgent(
    { archetype, parent: client.id, selectors },
    actorOf(connection),
    answerable.value.accountable,
    env,
  )
  if (!agent.ok) return agent
  const handed = await subDelegate(
    {
      purpose: delegation.purpose,
      delegate: { archetype, agent: agent.value.id },
      details: delegation.details,
    },
    { agent: client.id, delegation: delegation.id },
    env,
  )
  if (handed.ok) return ok({ agent: agent.value, delegation: handed.value })
  const reason = 'its delegation was refused'
  await endAgent({ agent: agent.value.id, reason }, actorOf(connection), env)
  return handed
}

/** The window of that agent, if it may go on. */
export async function findWindow(
  connection: Connection,
  agentId: AgentId,
  env: ConnectionEnv,
): Promise<Result<Agent>> {
  const agent = await findAgent(env.store.db, agentId)
  if (agent === undefined || agent.parent !== connection.agent) {
    return refuse({ reason: 'unknown_window' })
  }
  if (agent.state === 'ended') return refuse({ reason: 'window_ended' })
  const stands = await connectionStands(connection, env)
  return stands.ok ? ok(agent) : stands
}

/** Ends a window: what it was handed is given back, and its agent ends. Ending it again changes nothing. */
export async function closeWindow(
  connection: Connection,
  { agent, reason }: { readonly agent: AgentId; readonly reason: string },
  env: ConnectionEnv,
): Promise<void> {
  const by = actorOf(connection)
  // First, so that a crash in between leaves an agent that is found and ended later.
  await env.store.transaction(async (tx) => {
    await lockHead(tx)
    const held = await heldBy(tx, agent)
    if (held.length === 0) return
    for (const id of held) await setState(tx, id, { state: 'completed' })
    const time = env.clock.nowMilliseconds()
    await append(
      tx,
      held.map((id) => ({
        v: 1,
        kind: 'delegation_completed',
        time,
        by,
        touches: [id],
        delegation: id,
      })),
    )
  })
  await endAgent({ agent, reason }, by, env)
}

const PAGE = 500

/** The agents of a client's windows that were not ended. */
export async function windowsOf(
  connection: Connection,
  env: { readonly store: Store },
): Promise<Agent[]> {
  return await env.store.snapshot(async (tx) => {
    const windows: Agent[] = []
    for (const state of ['active', 'suspended'] as const) {
      let page: Agent[]
      let after: AgentId | undefined
      do {
        const more = after === undefined ? {} : { after }
        page = await listAgents(tx, { state, parent: connection.agent, limit: PAGE, ...more })
        windows.push(...page)
        after = page.at(-1)?.id
      } while (page.length === PAGE)
    }
    return windows
  })
}

/** The client and what it was delegated, while windows may work under it. */
async function connectionStands(
  connection: Connection,
  env: ConnectionEnv,
): Promise<Result<{ client: Agent; delegation: Delegation }>> {
  if (connection.endedAt !== undefined) return refuse({ reason: 'connection_ended' })
  return await env.store.snapshot(async (tx) => {
    const client = await findAgent(tx, connection.agent)
    const tree = await loadTree(tx, connection.delegation)
    if (client === undefined || tree === undefined) {
      throw new Error(`expected client and delegation of \`${connection.id}\``)
    }
    const stands = standing(tree, Math.floor((await databaseMilliseconds(tx)) / 1_000))
    return stands.ok ? ok({ client, delegation: tree.delegation }) : stands
  })
}

/** The client opens and closes its windows, by the authority that the person gave it. */
function actorOf({ agent, delegation, person }: Connection): Actor {
  return { type: 'agent', agent, delegation, person }
}
