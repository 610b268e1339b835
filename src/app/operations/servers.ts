/** MCP servers: the operations of `api/servers.ts`. */

import type { Input, Output } from '../../api/operations.ts'
import { ok, refuse } from '../../base/result.ts'
import { setCredential } from '../../registry/credential.ts'
import { observeListing } from '../../registry/observe.ts'
import { changeServer, registerServer, withdrawServer } from '../../registry/register.ts'
import { reviewServer } from '../../registry/review.ts'
import { listServers, loadServer } from '../../registry/server-store.ts'
import type { Registration, Server } from '../../registry/server.ts'
import type { Handlers } from '../api-endpoint.ts'
import { done } from './shared.ts'

/** Handlers by operation. */
export const serverHandlers: Pick<
  Handlers,
  | 'registerServer'
  | 'changeServer'
  | 'listServers'
  | 'observeServer'
  | 'reviewServer'
  | 'withdrawServer'
  | 'setCredential'
> = {
  registerServer: {
    run: async (input, session, env) => {
      const { timeoutMilliseconds, outputLimitBytes, ...rest } = input
      const registered = await registerServer(
        { ...rest, ...given({ timeoutMilliseconds, outputLimitBytes }) },
        session,
        env,
      )
      return registered.ok ? ok(described(registered.value)) : registered
    },
  },
  changeServer: {
    run: async ({ id, transport, ...bounds }, session, env) => {
      const changed = await changeServer({ server: id, transport, ...given(bounds) }, session, env)
      if (!changed.ok) return changed
      await env.upstreams.drop(changed.value.id)
      return ok(described(changed.value))
    },
  },
  listServers: {
    run: async (_input, _session, env) =>
      await env.store.snapshot(async (tx) => {
        const servers: Output<'listServers'>['servers'] = []
        for (const { id } of await listServers(tx)) {
          const server = await loadServer(tx, id, env)
          if (server !== undefined) servers.push(described(server))
        }
        return ok({ servers })
      }),
  },
  observeServer: {
    run: async ({ id }, _session, env) => {
      const server = await env.store.snapshot((tx) => loadServer(tx, id, env))
      if (server === undefined) return refuse({ reason: 'unknown_server' })
      const listing = await env.upstreams.observe(server)
      if (!listing.ok) return listing
      const observed = await observeListing(server.id, listing.value, env)
      if (!observed.ok) return observed
      const definitions = observed.value.definitions.map(({ kind, name, digest, value }) => ({
        kind,
        name,
        digest,
        value,
      }))
      return ok({
        server: described(observed.value.server),
        definitions: definitions as Output<'observeServer'>['definitions'],
      })
    },
  },
  reviewServer: {
    run: async ({ id, tools, digests }, session, env) => {
      const declared = tools.map(({ systemFields, warnings, independent, ...tool }) => ({
        ...tool,
        ...(systemFields !== undefined && { systemFields }),
        ...(warnings !== undefined && { warnings }),
        ...(independent !== undefined && { independent }),
      }))
      const reviewed = await reviewServer({ server: id, tools: declared, digests }, session, env)
      return reviewed.ok ? ok(described(reviewed.value)) : reviewed
    },
  },
  withdrawServer: {
    run: async ({ id }, session, env) => {
      const withdrawn = await withdrawServer(id, session, env)
      if (withdrawn.ok) await env.upstreams.drop(withdrawn.value.id)
      return done(withdrawn)
    },
  },
  setCredential: {
    run: async ({ id, name, value }, session, env) => {
      const kept = await setCredential({ server: id, name, value }, session, env)
      const server = await env.store.snapshot((tx) => loadServer(tx, id, env))
      if (server !== undefined) await env.upstreams.drop(server.id)
      return done(kept)
    },
  },
}

/** The bounds that were named. */
function given({
  timeoutMilliseconds,
  outputLimitBytes,
}: Pick<Input<'changeServer'>, 'timeoutMilliseconds' | 'outputLimitBytes'>): {
  timeoutMilliseconds?: number
  outputLimitBytes?: number
} {
  return {
    ...(timeoutMilliseconds !== undefined && { timeoutMilliseconds }),
    ...(outputLimitBytes !== undefined && { outputLimitBytes }),
  }
}

function described(
  server: Registration & Partial<Pick<Server, 'tools'>>,
): Output<'registerServer'> {
  const { id, name, title, state, revision, personRights, reason } = server
  const tools = [...(server.tools?.values() ?? [])]
  return {
    id,
    name,
    title,
    state,
    revision,
    personRights,
    tools: tools.map((tool) => ({
      name: tool.name,
      class: tool.class,
      consequential: tool.consequential,
    })),
    ...(reason !== undefined && { reason }),
  }
}
