/**
 * Reads everything that a server offers: what a reviewer looks at, and what drift is measured against.
 *
 * All pages, bounded in number, items and bytes. A list that cannot be read whole is refused whole: what a
 * reviewer did not see must not be taken for what the server does not have.
 */

import type { JsonObject } from '../base/canonical-json.ts'
import type { Clock } from '../base/clock.ts'
import { ok, refuse, type Result } from '../base/result.ts'
import type { Era } from '../mcp/era.ts'
import { isObject } from '../mcp/message.ts'
import type { Connection, Connections } from './connections.ts'
import { echoes } from './echo.ts'
import type { ConnectRefusal } from './open-wire.ts'
import type { UpstreamServer } from './server.ts'

/** What a server offers, in its own order. */
export interface Listing {
  readonly era: Era
  readonly serverInfo?: JsonObject
  readonly instructions?: string
  readonly tools: readonly JsonObject[]
  readonly prompts: readonly JsonObject[]
  readonly resources: readonly JsonObject[]
  readonly resourceTemplates: readonly JsonObject[]
}

/** Why there is no listing. */
export type ObserveRefusal =
  | ConnectRefusal
  | { readonly reason: 'listing_refused'; readonly message: string }

const LISTS = [
  { method: 'tools/list', member: 'tools', capability: 'tools' },
  { method: 'prompts/list', member: 'prompts', capability: 'prompts' },
  { method: 'resources/list', member: 'resources', capability: 'resources' },
  { method: 'resources/templates/list', member: 'resourceTemplates', capability: 'resources' },
] as const
const MAX_PAGES = 100
const MAX_ITEMS = 5_000
const OBSERVE_MILLISECONDS = 60_000
const METHOD_NOT_FOUND = -32_601

/** The whole listing of `server`, of whatever state: review begins with it. */
export async function observe(
  server: UpstreamServer,
  env: { readonly connections: Connections; readonly clock: Clock },
): Promise<Result<Listing, ObserveRefusal>> {
  const done = new AbortController()
  const late = new AbortController()
  void env.clock.sleep(OBSERVE_MILLISECONDS, done.signal).then(() => late.abort())
  try {
    const connected = await env.connections.connect(server, late.signal)
    if (!connected.ok) return connected
    return await read(connected.value, late.signal)
  } finally {
    done.abort()
    // Nobody calls what is not reviewed: its program need not stay.
    if (server.state !== 'reviewed') await env.connections.drop(server.id)
  }
}

async function read(
  connection: Connection,
  signal: AbortSignal,
): Promise<Result<Listing, ObserveRefusal>> {
  const { era, capabilities, instructions, serverInfo } = connection.hello
  const lists: Record<(typeof LISTS)[number]['member'], readonly JsonObject[]> = {
    tools: [],
    prompts: [],
    resources: [],
    resourceTemplates: [],
  }
  for (const { method, member, capability } of LISTS) {
    if (!isObject(capabilities[capability])) continue
    const pages = await readPages(connection, { method, member }, signal)
    if (!pages.ok) return pages
    lists[member] = pages.value
  }
  const listing: Listing = {
    era,
    ...lists,
    ...(instructions === undefined ? {} : { instructions }),
    ...(serverInfo === undefined ? {} : { serverInfo }),
  }
  if (echoes(listing as unknown as JsonObject, connection.needles)) {
    return refused('the listing holds the credential')
  }
  return ok(listing)
}

async function readPages(
  { wire }: Connection,
  { method, member }: { readonly method: string; readonly member: string },
  signal: AbortSignal,
): Promise<Result<readonly JsonObject[], ObserveRefusal>> {
  const items: JsonObject[] = []
  const seen = new Set<string>()
  let cursor: string | undefined
  for (let page = 0; page < MAX_PAGES; page++) {
    const answer = await wire.request(method, cursor === undefined ? {} : { cursor }, { signal })
    if (answer.kind === 'failed' && answer.error.code === METHOD_NOT_FOUND && page === 0) {
      return ok([])
    }
    if (answer.kind !== 'answered') {
      const why = answer.kind === 'failed' ? `error ${answer.error.code}` : answer.why
      return refused(`\`${method}\`: ${why}`)
    }
    const { [member]: listed, nextCursor } = answer.result
    if (!Array.isArray(listed) || !listed.every(isObject)) {
      return refused(`\`${method}\`: expected a list of objects`)
    }
    items.push(...listed)
    if (items.length > MAX_ITEMS)
      return refused(`\`${method}\`: expected at most ${MAX_ITEMS} items`)
    if (nextCursor === undefined || nextCursor === null) return ok(items)
    // A cursor that comes back leads in a circle.
    if (typeof nextCursor !== 'string' || nextCursor.length > 4_096 || seen.has(nextCursor)) {
      return refused(`\`${method}\`: expected a new cursor`)
    }
    seen.add(nextCursor)
    cursor = nextCursor
  }
  return refused(`\`${method}\`: expected at most ${MAX_PAGES} pages`)
}

function refused(message: string): Result<never, ObserveRefusal> {
  return refuse({ reason: 'listing_refused', message })
}
