/**
 * Lists: what a caller is offered, from the pinned definitions, filtered by what it may use now.
 *
 * Capability follows authority: a tool appears in the stage that grants it and disappears after it.
 * What was offered is recorded. The order is the registry's, the same for everybody.
 */

import type { JsonObject } from '../base/canonical-json.ts'
import { nowSeconds } from '../base/clock.ts'
import { ok, refuse, type Result } from '../base/result.ts'
import { mayOffer } from '../decision/decide.ts'
import type { ResourceFacts } from '../decision/facts.ts'
import { covers } from '../delegation/covers.ts'
import { standing } from '../delegation/standing.ts'
import type { Era } from '../mcp/era.ts'
import { type ListMethod, listResult } from '../mcp/results.ts'
import {
  type Definition,
  type DefinitionKind,
  definitionKey,
  resourceDefinition,
  SEPARATOR,
  type ServerTier,
} from '../registry/server.ts'
import { serverResource } from '../token/resource.ts'
import type { Caller } from '../token/authenticate-token.ts'
import type { EndpointEnv } from './endpoint.ts'
import type { KnownFacts } from './facts-cache.ts'
import type { KnownServer } from './servers-cache.ts'
import { offeredTurnTools } from './turn-tools.ts'
import { promptFacts, resourceFacts, toolFacts } from '../decision/resource-facts.ts'

/** A list as it was asked for. */
export interface ListRequest {
  readonly caller: Caller
  readonly servers: readonly KnownServer[]
  /** Whether names carry their server's, as at the endpoint of all servers. */
  readonly prefixed: boolean
  readonly era: Era
}

const KINDS: Readonly<
  Record<ListMethod, { readonly kind: DefinitionKind; readonly method: string }>
> = {
  'tools/list': { kind: 'tool', method: 'tools/call' },
  'prompts/list': { kind: 'prompt', method: 'prompts/get' },
  'resources/list': { kind: 'resource', method: 'resources/read' },
  'resources/templates/list': { kind: 'resource_template', method: 'resources/read' },
}

/** The result of a list method. */
export async function serveList(
  method: ListMethod,
  request: ListRequest,
  env: EndpointEnv,
): Promise<Result<JsonObject>> {
  const known = await env.facts.fresh(request.caller)
  const stands = standing(known.tree, nowSeconds(env.clock))
  if (!stands.ok) return refuse({ reason: 'delegation_not_standing' })
  const { kind } = KINDS[method]
  const tiers = new Map<string, ServerTier>()
  for (const { server } of request.servers) {
    tiers.set(server.id, await env.upstreams.tierOf(server))
  }
  const offered = request.servers.flatMap(({ server }) =>
    [...server.definitions.values()]
      .filter((definition) => definition.kind === kind)
      .filter((definition) => !request.prefixed || isAlone(definition, request.servers))
      .filter((definition) =>
        isOffered(
          definition,
          { method, known, server, tier: tiers.get(server.id) ?? 'none' },
          request,
          env,
        ),
      )
      .map((definition) => ({ server, definition })),
  )
  const own = request.prefixed && method === 'tools/list' ? await offeredTurnTools(known, env) : []
  const { caller } = request
  const [agent] = caller.agents
  const recorded = await env.admissions.recordIdle(agent as string, {
    sealings: [],
    entry: () => ({
      v: 1,
      kind: 'list_served',
      time: env.clock.nowMilliseconds(),
      by: {
        type: 'agent',
        agent: agent as string,
        delegation: caller.delegation,
        person: caller.person,
      },
      delegation: caller.delegation,
      agent: agent as string,
      method,
      names: [...own.map(({ name }) => name), ...namesOf(offered)],
    }),
  })
  if (!recorded) return refuse({ reason: 'too_many_idle' })
  const items = offered.map(({ server, definition }) =>
    request.prefixed && (kind === 'tool' || kind === 'prompt')
      ? { ...definition.value, name: `${server.name}${SEPARATOR}${definition.name}` }
      : definition.value,
  )
  return ok(listResult(method, [...own, ...items], request.era, env.info))
}

/** Whether a URI leads to one server: where all are served it has no prefix, and two of a kind are refused. */
function isAlone({ kind, name }: Definition, servers: readonly KnownServer[]): boolean {
  if (kind !== 'resource' && kind !== 'resource_template') return true
  const offering = servers.filter(({ server }) =>
    kind === 'resource'
      ? resourceDefinition(server, name) !== undefined
      : server.definitions.has(definitionKey(kind, name)),
  )
  return offering.length === 1
}

/** As many names as an entry holds beside all else (`MAX_ENTRY_BYTES`), and our own. */
const MOST_NAMES = 490
const MOST_NAME_BYTES = 48_000

/** What was offered, for the record: the first that fit. */
function namesOf(
  offered: readonly { readonly server: KnownServer['server']; readonly definition: Definition }[],
): string[] {
  const names: string[] = []
  let bytes = 0
  for (const { server, definition } of offered.slice(0, MOST_NAMES)) {
    const name = `${server.name}${SEPARATOR}${definition.name}`.slice(0, 300).toWellFormed()
    // As the canonical text has it: quotes, a comma, and what is escaped.
    bytes += Buffer.byteLength(JSON.stringify(name)) + 1
    if (bytes > MOST_NAME_BYTES) break
    names.push(name)
  }
  return names
}

interface Offering {
  readonly method: ListMethod
  readonly known: KnownFacts
  readonly server: KnownServer['server']
  readonly tier: ServerTier
}

function isOffered(
  definition: Definition,
  { method, known, server, tier }: Offering,
  { caller }: ListRequest,
  env: EndpointEnv,
): boolean {
  const resource = factsOf(definition, server, tier)
  if (resource === undefined) return false
  const called = KINDS[method].method
  const action = called === 'resources/read' ? called : `${called}:${definition.name}`
  const time = nowSeconds(env.clock)
  return mayOffer(
    {
      agents: known.facts.agents,
      people: known.facts.people,
      delegation: known.facts.delegation,
      action: called,
      resource,
      context: {
        stage: known.facts.stage,
        acr: caller.acr,
        boundBy: caller.boundBy,
        time,
        arguments: {},
        provenance: [],
        intent: covers(caller.details, {
          location: serverResource(env.issuer, server.name),
          action,
          arguments: {},
          stage: known.facts.stage,
          sinks: [],
          at: time,
        }),
      },
    },
    known.policies,
  )
}

function factsOf(
  definition: Definition,
  server: KnownServer['server'],
  tier: ServerTier,
): ResourceFacts | undefined {
  switch (definition.kind) {
    case 'tool':
      return toolFacts(server, definition.name, tier)
    case 'prompt':
      return promptFacts(server, definition.name, tier)
    case 'resource':
    case 'resource_template':
      return resourceFacts(server, definition.name, tier)
    case 'instructions':
      return undefined
    default:
      return definition.kind satisfies never
  }
}
