/** MCP servers: the operations of `api/servers.ts`. */

import type { Input, Output, Parsed } from '../../api/operations.ts'
import { ok, refuse } from '../../base/result.ts'
import { setCredential } from '../../registry/credential.ts'
import { observeListing } from '../../registry/observe.ts'
import { changeServer, registerServer, withdrawServer } from '../../registry/register.ts'
import { classOf, inferSinks, isVerbatim, offeredTools } from '../../registry/propose-review.ts'
import { type DeclaredTool, reviewServer } from '../../registry/review.ts'
import { listServers, loadServer } from '../../registry/server-store.ts'
import {
  definitionKey,
  type Registration,
  type ReviewedResources,
  type Server,
} from '../../registry/server.ts'
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
      const seen = new Map(
        observed.value.definitions.map((one) => [definitionKey(one.kind, one.name), one]),
      )
      return ok({
        server: described(observed.value.server),
        definitions: definitions as Output<'observeServer'>['definitions'],
        drafts: offeredTools({ definitions: seen }).map((tool) => ({
          name: tool.name,
          looksLike: classOf(tool),
          // As of a tool that does the worst: what is declared too much, the reviewer takes away.
          sinks: inferSinks(tool, 'destructive'),
          verbatim: isVerbatim(tool),
        })),
      })
    },
  },
  reviewServer: {
    run: async ({ id, tools, resources, digests }, session, env) => {
      const request = {
        server: id,
        tools: tools.map(declared),
        digests,
        ...(resources !== undefined && { resources: declaredResources(resources) }),
      }
      const reviewed = await reviewServer(request, session, env)
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

/** The tool without the members that are undefined. */
function declared(tool: Parsed<'reviewServer'>['tools'][number]): DeclaredTool {
  const { name, class: toolClass, consequential, ...said } = tool
  const { sinks, systemFields, verbatim, confidential, warnings, independent } = said
  return {
    name,
    class: toolClass,
    consequential,
    ...(sinks !== undefined && { sinks }),
    ...(systemFields !== undefined && { systemFields }),
    ...(verbatim !== undefined && { verbatim }),
    ...(confidential !== undefined && { confidential }),
    ...(warnings !== undefined && { warnings }),
    ...(independent !== undefined && { independent }),
  }
}

/** What reading resources is, without a member that is undefined. */
function declaredResources({
  confidential,
  ...said
}: NonNullable<Parsed<'reviewServer'>['resources']>): ReviewedResources {
  return { ...said, ...(confidential !== undefined && { confidential }) }
}

function described(
  server: Registration & Partial<Pick<Server, 'tools' | 'resources'>>,
): Output<'registerServer'> {
  const { id, name, title, state, revision, personRights, resources, reason } = server
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
      sinks: tool.sinks.map(({ path, kind }) => ({ path, kind })),
      verbatim: tool.verbatim === true,
      confidential: tool.confidential === true,
    })),
    ...(resources !== undefined &&
      revision > 0 && {
        resources: {
          class: resources.class,
          consequential: resources.consequential,
          confidential: resources.confidential === true,
        },
      }),
    ...(reason !== undefined && { reason }),
  }
}
