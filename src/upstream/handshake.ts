/**
 * Finds out which era a server speaks, and opens the conversation in it.
 *
 * A pinned era is used as it is. Otherwise the stateless one is asked for first: a server of the session era
 * refuses `server/discover` before it was initialized, and loses nothing by it.
 */

import type { JsonObject } from '../base/canonical-json.ts'
import type { Clock } from '../base/clock.ts'
import { ok, refuse, type Result } from '../base/result.ts'
import { LEGACY, LEGACY_VERSIONS, META, MODERN, type Era } from '../mcp/era.ts'
import { isObject } from '../mcp/message.ts'
import type { Answer, ClientInfo, Wire } from './wire.ts'

/** What a server said of itself. */
export interface Hello {
  readonly era: Era
  readonly version: string
  readonly capabilities: JsonObject
  readonly instructions?: string
  readonly serverInfo?: JsonObject
}

/** The server said nothing that could be agreed on. */
export interface HandshakeRefusal {
  readonly reason: 'handshake_failed'
  readonly message: string
}

// The first revision differs from the next by batches, which we never send.
const SPOKEN = new Set([...LEGACY_VERSIONS, '2024-11-05'])
/** A server that says nothing to a method it does not know; starting a program takes part of it. */
const PROBE_MILLISECONDS = 8_000

/** Opens the conversation; after it the wire speaks what was agreed. */
export async function shakeHands(
  wire: Wire,
  options: { readonly era?: Era; readonly client: ClientInfo; readonly signal: AbortSignal },
  env: { readonly clock: Clock },
): Promise<Result<Hello, HandshakeRefusal>> {
  const { era, client, signal } = options
  if (era === MODERN) return await discover(wire, signal)
  if (era === undefined) {
    const enough = new AbortController()
    const done = new AbortController()
    void env.clock.sleep(PROBE_MILLISECONDS, done.signal).then(() => enough.abort())
    const found = await discover(wire, AbortSignal.any([signal, enough.signal]))
    done.abort()
    if (found.ok || signal.aborted || wire.ended.aborted) return found
  }
  return await initialize(wire, client, signal)
}

async function discover(wire: Wire, signal: AbortSignal): Promise<Result<Hello, HandshakeRefusal>> {
  wire.speak(MODERN)
  const answer = await wire.request('server/discover', {}, { signal })
  if (answer.kind !== 'answered') return failed(answer)
  const { supportedVersions, capabilities, instructions, _meta } = answer.result
  if (!Array.isArray(supportedVersions) || !supportedVersions.includes(MODERN)) {
    return disagreed('expected a revision that we speak')
  }
  const serverInfo = isObject(_meta) ? _meta[META.serverInfo] : undefined
  return ok(hello(MODERN, MODERN, { capabilities, instructions, serverInfo }))
}

/** MCP 2025-11-25 Lifecycle: initialize, its result, initialized. */
async function initialize(
  wire: Wire,
  client: ClientInfo,
  signal: AbortSignal,
): Promise<Result<Hello, HandshakeRefusal>> {
  wire.speak(undefined)
  const asked = {
    protocolVersion: LEGACY,
    // None: sampling, elicitation and roots are not offered, so a server must not ask for them.
    capabilities: {},
    clientInfo: { name: client.name, version: client.version },
  }
  const answer = await wire.request('initialize', asked, { signal })
  if (answer.kind !== 'answered') return failed(answer)
  const { protocolVersion, capabilities, instructions, serverInfo } = answer.result
  if (typeof protocolVersion !== 'string' || !SPOKEN.has(protocolVersion)) {
    return disagreed('expected a revision that we speak')
  }
  wire.speak(protocolVersion)
  await wire.notify('notifications/initialized', {})
  return ok(hello(LEGACY, protocolVersion, { capabilities, instructions, serverInfo }))
}

function hello(
  era: Era,
  version: string,
  said: Pick<JsonObject, 'capabilities' | 'instructions' | 'serverInfo'>,
): Hello {
  const { capabilities, instructions, serverInfo } = said
  return {
    era,
    version,
    capabilities: isObject(capabilities) ? capabilities : {},
    ...(typeof instructions === 'string' ? { instructions } : {}),
    ...(isObject(serverInfo) ? { serverInfo } : {}),
  }
}

function failed(answer: Exclude<Answer, { kind: 'answered' }>): Result<never, HandshakeRefusal> {
  // The server's own words stay out: they may hold anything, and this goes into operators' logs.
  return disagreed(
    answer.kind === 'failed' ? `it answered with error ${answer.error.code}` : answer.why,
  )
}

function disagreed(message: string): Result<never, HandshakeRefusal> {
  return refuse({ reason: 'handshake_failed', message })
}
