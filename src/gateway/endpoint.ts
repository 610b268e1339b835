/**
 * `/mcp` and `/mcp/{server}`: from the bytes of a request to the bytes of its answer.
 *
 * Call `answerMcp`. The order is: who asks (token), what was said (strict JSON, message, era), then
 * one row of `actions.ts` says who answers. Both eras are served without sessions: what a request may
 * do follows from its token alone, never from the connection.
 */

import type { JsonObject } from '../base/canonical-json.ts'
import { type Action, actionOf, classify } from '../mcp/actions.ts'
import { type Era, LEGACY, MODERN, readEra } from '../mcp/era.ts'
import {
  errorText,
  type Message,
  parseMessage,
  type RequestId,
  resultText,
} from '../mcp/message.ts'
import { parameterMismatch } from '../mcp/parameter-headers.ts'
import { errorFor } from '../mcp/refusals.ts'
import {
  adaptResult,
  discoverResult,
  initializeResult,
  isListMethod,
  type ServerInfo,
} from '../mcp/results.ts'
import { parseStrictJson } from '../mcp/strict-json.ts'
import { definitionKey, OWN_NAME, SEPARATOR } from '../registry/server.ts'
import {
  authenticateToken,
  type AuthenticateEnv,
  type Caller,
  challengeHeaders,
} from '../token/authenticate-token.ts'
import { gatewayResource, serverResource } from '../token/resource.ts'
import type { CallAnswer } from './call.ts'
import { type CallEnv, handleCall } from './handle-call.ts'
import { serveList } from './offer.ts'
import { refusalResult, withoutDecision } from './refusal-result.ts'
import type { KnownServer } from './servers-cache.ts'
import { callTurnTool, isTurnTool, type TurnToolsEnv } from './turn-tools.ts'

/** A request to an MCP endpoint. */
export interface McpRequest {
  readonly method: string
  /** The server's name; absent for the endpoint of all servers. */
  readonly server?: string
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  /** How often a header was sent. */
  readonly times: (header: string) => number
  readonly body: Uint8Array
  readonly signal: AbortSignal
}

/** Its answer. */
export interface McpAnswer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string | readonly string[]>>
  readonly body?: string
}

/** What the endpoint needs. */
export interface EndpointEnv extends CallEnv, AuthenticateEnv, TurnToolsEnv {
  readonly info: ServerInfo
  /** A new call id. */
  readonly nextCall: () => string
}

/** Answers one HTTP request to an MCP endpoint. */
export async function answerMcp(request: McpRequest, env: EndpointEnv): Promise<McpAnswer> {
  const resource =
    request.server === undefined
      ? gatewayResource(env.issuer)
      : serverResource(env.issuer, request.server)
  const authenticated = await authenticateToken(
    {
      authorization: single(request, 'authorization'),
      dpop: single(request, 'dpop'),
      method: request.method,
      url: resource,
      audience: resource,
    },
    env,
  )
  if (!authenticated.ok) {
    return { status: authenticated.error.status, headers: challengeHeaders(authenticated.error) }
  }
  // Streamable HTTP: an endpoint without a server-to-client stream answers GET with 405.
  if (request.method !== 'POST') return transportError('method_not_allowed', { allow: 'POST' })
  if (!/^application\/json\s*(?:;|$)/i.test(text(request, 'content-type'))) {
    return transportError('unsupported_media_type')
  }
  const json = parseStrictJson(request.body)
  if (!json.ok) return transportError(json.error.reason)
  const message = parseMessage(json.value)
  if (!message.ok) return refusedBeforeEra(message.error.reason, message.error.id ?? null)
  const era = readEra(message.value, request.headers)
  if (!era.ok) {
    return refusedBeforeEra(era.error.reason, idOf(message.value), era.error.data)
  }
  return await answerMessage(
    request,
    { message: message.value, era: era.value.era, caller: authenticated.value },
    env,
  )
}

interface Spoken {
  readonly message: Message
  readonly era: Era
  readonly caller: Caller
}

async function answerMessage(
  request: McpRequest,
  spoken: Spoken,
  env: EndpointEnv,
): Promise<McpAnswer> {
  const { message, era } = spoken
  // We ask clients nothing, so that no response of theirs is awaited.
  if (message.type === 'response') return transportError('message_response')
  if (message.type === 'notification') return { status: 202 }
  const facts = classify(message.method, era)
  const { id, method, params } = message
  switch (facts?.handling) {
    case 'answered':
      return answer(id, answered(method, params, env))
    case 'listed':
      return await list(request, { ...spoken, message }, env)
    case 'upstream':
      return await call(request, { ...spoken, message }, env)
    case 'accepted':
    case 'refused':
    case undefined:
    default:
      return refuse(id, 'method_not_found', era)
  }
}

function answered(method: string, params: JsonObject, env: EndpointEnv): JsonObject {
  if (method === 'initialize') return initializeResult(params['protocolVersion'], env.info)
  if (method === 'server/discover') return discoverResult(env.info)
  return {}
}

interface SpokenRequest extends Spoken {
  readonly message: Extract<Message, { type: 'request' }>
}

async function list(
  request: McpRequest,
  spoken: SpokenRequest,
  env: EndpointEnv,
): Promise<McpAnswer> {
  const { message, era, caller } = spoken
  if (!isListMethod(message.method)) return refuse(message.id, 'method_not_found', era)
  // Lists are served whole: there is no cursor that could be continued.
  if (message.params['cursor'] !== undefined) return refuse(message.id, 'cursor_invalid', era)
  const servers = await env.servers.all()
  const chosen =
    request.server === undefined
      ? servers.filter(({ server }) => server.name !== OWN_NAME)
      : servers.filter(({ server }) => server.name === request.server)
  if (request.server !== undefined && chosen.length === 0) return transportError('unknown_server')
  const served = await serveList(
    message.method,
    { caller, servers: chosen, prefixed: request.server === undefined, era },
    env,
  )
  return served.ok ? answer(message.id, served.value) : refuse(message.id, served.error.reason, era)
}

async function call(
  request: McpRequest,
  spoken: SpokenRequest,
  env: EndpointEnv,
): Promise<McpAnswer> {
  const { message, era, caller } = spoken
  const action = actionOf(message.method, message.params)
  if (!action.ok) return refuse(message.id, action.error.reason, era)
  const { target: named, arguments: args } = action.value
  if (request.server === undefined && named.kind === 'tool' && isTurnTool(named.name)) {
    return callAnswer(
      message,
      await callTurnTool({ name: named.name, args }, caller, env),
      era,
      env,
    )
  }
  const routed = await route(request, action.value, env)
  if (routed === undefined) {
    return request.server === undefined
      ? refuse(message.id, unknownReason(action.value), era)
      : transportError('unknown_server')
  }
  const { target } = routed.action
  const definition = routed.server.server.definitions.get(definitionKey('tool', target.name))
  // SEP-2243: what routed the request on its way here read these headers instead of the body.
  if (era === MODERN && target.kind === 'tool') {
    const inputSchema = definition?.value['inputSchema']
    const disagreeing = parameterMismatch(inputSchema, routed.action.arguments, request.headers)
    if (disagreeing !== undefined) return refuse(message.id, 'header_mismatch', era)
  }
  const outcome = await handleCall(
    {
      id: env.nextCall(),
      caller,
      server: routed.server.server,
      serverReadAt: routed.server.readAt,
      action: routed.action,
      signal: request.signal,
    },
    env,
  )
  return callAnswer(message, outcome, era, env)
}

function callAnswer(
  message: SpokenRequest['message'],
  outcome: CallAnswer,
  era: Era,
  env: EndpointEnv,
): McpAnswer {
  if (outcome.type === 'result') {
    const result = withoutDecision(outcome.result)
    return answer(message.id, adaptResult(message.method, result, era, env.info))
  }
  const { reason, told } = outcome
  if (told === undefined) return refuse(message.id, reason, era)
  if (message.method !== 'tools/call') return refuse(message.id, reason, era, { ...told })
  return answer(message.id, adaptResult(message.method, refusalResult(told), era, env.info))
}

/** The server that an action is for, and the action by the server's own names. */
async function route(
  request: McpRequest,
  action: Action,
  env: EndpointEnv,
): Promise<{ server: KnownServer; action: Action } | undefined> {
  if (request.server !== undefined) {
    const server = await env.servers.named(request.server)
    return server && { server, action }
  }
  const { name, kind } = action.target
  if (kind === 'resource') {
    const offering = await env.servers.offering(name)
    return offering && { server: offering, action }
  }
  const at = name.indexOf(SEPARATOR)
  // A server that had our name before it was ours is served at its own endpoint alone.
  const server =
    at > 0 && name.slice(0, at) !== OWN_NAME
      ? await env.servers.named(name.slice(0, at))
      : undefined
  if (server === undefined) return undefined
  const unprefixed = actionOf(action.method, {
    ...action.params,
    name: name.slice(at + SEPARATOR.length),
  })
  return unprefixed.ok ? { server, action: unprefixed.value } : undefined
}

function unknownReason(action: Action): string {
  return `unknown_${action.target.kind}`
}

function idOf(message: Message): RequestId | null {
  return message.type === 'request' ? message.id : null
}

const JSON_HEADERS = { 'content-type': 'application/json' }

function answer(id: RequestId, result: JsonObject): McpAnswer {
  return { status: 200, headers: JSON_HEADERS, body: resultText(id, result) }
}

function refuse(id: RequestId | null, reason: string, era: Era, data?: JsonObject): McpAnswer {
  const { status, error } = errorFor(reason, era, data)
  const retry = status === 503 || status === 429 ? { 'retry-after': '1' } : {}
  return { status, headers: { ...JSON_HEADERS, ...retry }, body: errorText(id, error) }
}

/** Until the era is known, the older one's form is what every client reads. */
function refusedBeforeEra(reason: string, id: RequestId | null, data?: JsonObject): McpAnswer {
  return refuse(id, reason, LEGACY, data)
}

function transportError(reason: string, headers: Readonly<Record<string, string>> = {}): McpAnswer {
  const refusal = refuse(null, reason, LEGACY)
  return { ...refusal, headers: { ...refusal.headers, ...headers } }
}

/** A header that was sent once; a repeated credential is none. */
function single(request: McpRequest, name: string): string | undefined {
  return request.times(name) === 1 ? text(request, name) : undefined
}

function text(request: McpRequest, name: string): string {
  const value = request.headers[name]
  return typeof value === 'string' ? value : (value?.join(', ') ?? '')
}
