/**
 * A connection: a person's MCP client (a coding agent, an editor) and the standing delegation under
 * which its windows work. Call `connectClient`, and `endConnection` to take it all back.
 *
 * The client gets an agent identity that no process ever holds: it only stands between the person and
 * the windows (`window.ts`), so that each chain of actors says whose client it was. Its selectors say
 * which processes may open a window.
 */

import { append } from '../audit/append.ts'
import { resolve } from '../accountability/resolve.ts'
import { type Id, newId } from '../base/id.ts'
import { ok, refuse, type Result } from '../base/result.ts'
import type { Json } from '../base/canonical-json.ts'
import { type AgentId, archetypeSubject } from '../identity/agent.ts'
import { endAgent } from '../identity/agent-state.ts'
import { createAgent } from '../identity/create-agent.ts'
import type { TrustDomain } from '../identity/spiffe-id.ts'
import { personActor, type Session } from '../people/session.ts'
import { findConnection, insertConnection, setEnded } from './connection-store.ts'
import { delegate } from './delegate.ts'
import type { DelegationId } from './delegation.ts'
import { revoke } from './end.ts'
import type { IssueEnv } from './issue.ts'
import { closeWindow, windowsOf } from './window.ts'

/** The identifier of a connection. No secret: it opens nothing without the right process. */
export type ConnectionId = Id<'con'>

/** One connected client. */
export interface Connection {
  readonly id: ConnectionId
  readonly person: Id<'per'>
  /** Which client: `claude`, `codex`, … */
  readonly client: string
  /** The client as an agent: the parent of every window. */
  readonly agent: AgentId
  /** What the person handed it; windows get all of it, and nothing that outlives it. */
  readonly delegation: DelegationId
  /** Milliseconds since the Unix epoch. */
  readonly createdAt: number
  /** Milliseconds since the Unix epoch; absent while it is not ended. */
  readonly endedAt?: number
}

/** What a person asks for. */
export interface ConnectRequest {
  readonly client: string
  readonly purpose: string
  readonly archetype: string
  /** What a process must be to open a window: `unix:uid:1000`, … */
  readonly selectors: readonly string[]
  /** `authorization_details` (RFC 9396 §2). */
  readonly details: Json
  /** From now, at most a year. */
  readonly lifetimeSeconds: number
}

/** What connecting needs. */
export interface ConnectionEnv extends IssueEnv {
  readonly trustDomain: TrustDomain
}

/** Connects a client of the session's person. */
export async function connectClient(
  request: ConnectRequest,
  session: Session,
  env: ConnectionEnv,
): Promise<Result<Connection>> {
  const { client, archetype, selectors, ...terms } = request
  // One without selectors is attested by nobody: windows could never open.
  if (selectors.length === 0) {
    return refuse({ reason: 'bad_selector', message: 'expected at least one selector, got none' })
  }
  const by = personActor(session)
  const answerable = await env.store.snapshot((tx) =>
    resolve(tx, archetypeSubject(archetype), env.clock.nowMilliseconds()),
  )
  if (!answerable.ok) return answerable
  const { accountable } = answerable.value
  const agent = await createAgent({ archetype, selectors }, by, accountable, env)
  if (!agent.ok) return agent
  const delegation = await delegate(
    { ...terms, delegate: { archetype, agent: agent.value.id } },
    session,
    env,
  )
  if (!delegation.ok) {
    await endAgent({ agent: agent.value.id, reason: 'its delegation was refused' }, by, env)
    return delegation
  }

  const made: Connection = {
    id: newId('con', env),
    person: session.person,
    client,
    agent: agent.value.id,
    delegation: delegation.value.id,
    createdAt: env.clock.nowMilliseconds(),
  }
  return await env.store.transaction(async (tx) => {
    await insertConnection(tx, made)
    await append(tx, [
      {
        v: 1,
        kind: 'connection_created',
        time: made.createdAt,
        by,
        touches: [made.id],
        connection: made.id,
        client,
        agent: made.agent,
        delegation: made.delegation,
      },
    ])
    return ok(made)
  })
}

/**
 * Ends a connection: its delegation is revoked, and so nothing below it stands; then its windows and
 * the client itself are ended. Who may revoke the delegation may end it; what a crash interrupted is
 * finished by asking again.
 */
export async function endConnection(
  { id, reason }: { readonly id: ConnectionId; readonly reason?: string },
  session: Session,
  env: ConnectionEnv,
): Promise<Result<Connection>> {
  const found = await env.store.snapshot((tx) => findConnection(tx, id))
  if (found === undefined) return refuse({ reason: 'unknown_connection' })
  if (found.endedAt !== undefined) return refuse({ reason: 'connection_ended' })
  const revoked: Result<unknown> = await revoke(
    { delegation: found.delegation, ...(reason !== undefined && { reason }) },
    session,
    env,
  )
  if (!revoked.ok && revoked.error.reason !== 'wrong_state') return revoked
  const by = personActor(session)
  const why = 'its connection was ended'
  for (const window of await windowsOf(found, env)) {
    await closeWindow(found, { agent: window.id, reason: why }, env)
  }
  await endAgent({ agent: found.agent, reason: why }, by, env)
  return await env.store.transaction(async (tx) => {
    const endedAt = env.clock.nowMilliseconds()
    if (!(await setEnded(tx, id, endedAt))) return refuse({ reason: 'connection_ended' })
    await append(tx, [
      {
        v: 1,
        kind: 'connection_ended',
        time: endedAt,
        by,
        touches: [id],
        connection: id,
        delegation: found.delegation,
      },
    ])
    return ok({ ...found, endedAt })
  })
}
