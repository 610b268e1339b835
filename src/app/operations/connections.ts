/** Connected MCP clients: the operations of `api/connections.ts`. */

import type { Output } from '../../api/operations.ts'
import { idSchema } from '../../base/id.ts'
import { ok, refuse, type Result } from '../../base/result.ts'
import type { OperationTarget } from '../../decision/decide-operation.ts'
import { type Connection, connectClient, endConnection } from '../../delegation/connection.ts'
import { connectionsOf, findConnection } from '../../delegation/connection-store.ts'
import { findDelegation } from '../../delegation/delegation-store.ts'
import { findAgent } from '../../identity/agent-store.ts'
import type { Session } from '../../people/session.ts'
import type { Tx } from '../../store/store.ts'
import type { Handlers } from '../api-endpoint.ts'
import type { Installation } from '../installation.ts'
import { delegationTarget } from './delegations.ts'
import { withIdentifiers } from './shared.ts'

/** Handlers by operation. */
export const connectionHandlers: Pick<
  Handlers,
  'createConnection' | 'listConnections' | 'endConnection'
> = {
  createConnection: {
    run: async ({ uid, details, expiresIn, ...terms }, session, env) => {
      const named = await withIdentifiers(details, env)
      if (!named.ok) return named
      const selectors = [`unix:uid:${uid}`]
      const made = await connectClient(
        { ...terms, selectors, details: named.value, lifetimeSeconds: expiresIn },
        session,
        env,
      )
      if (!made.ok) return made
      const shown = await env.store.snapshot((tx) => described(tx, made.value))
      return ok({ ...shown, door: env.door.path })
    },
  },
  listConnections: {
    run: async (_input, session, env) =>
      await env.store.snapshot(async (tx) => {
        const connections: Output<'listConnections'>['connections'] = []
        for (const each of await connectionsOf(tx, session.person)) {
          connections.push(await described(tx, each))
        }
        return ok({ connections })
      }),
  },
  endConnection: {
    target: targetOf,
    run: async ({ id, reason }, session, env) => {
      const found = await find(id, env)
      if (!found.ok) return found
      const ended = await endConnection(
        { id: found.value.id, ...(reason !== undefined && { reason }) },
        session,
        env,
      )
      return ended.ok ? ok(await env.store.snapshot((tx) => described(tx, ended.value))) : ended
    },
  },
}

const connectionId = idSchema('con')

async function find(id: string, env: Installation): Promise<Result<Connection>> {
  const parsed = connectionId.safeParse(id)
  const found = parsed.success
    ? await env.store.snapshot((tx) => findConnection(tx, parsed.data))
    : undefined
  return found === undefined ? refuse({ reason: 'unknown_connection' }) : ok(found)
}

/** Ending a connection is holding its delegation. */
async function targetOf(
  { id }: { readonly id: string },
  session: Session,
  env: Installation,
): Promise<Result<OperationTarget>> {
  const found = await find(id, env)
  return found.ok ? await delegationTarget({ id: found.value.delegation }, session, env) : found
}

async function described(
  tx: Tx,
  connection: Connection,
): Promise<Output<'listConnections'>['connections'][number]> {
  const { id, client, createdAt, endedAt } = connection
  const agent = await findAgent(tx, connection.agent)
  const delegation = await findDelegation(tx, connection.delegation)
  if (agent === undefined || delegation === undefined) {
    throw new Error(`expected agent and delegation of \`${id}\``)
  }
  return {
    id,
    client,
    state: endedAt === undefined ? delegation.state : 'ended',
    delegation: delegation.id,
    agent: agent.id,
    selectors: [...agent.selectors],
    createdAt,
    expiresAt: delegation.expiresAt,
  }
}
