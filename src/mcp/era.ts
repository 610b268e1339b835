/**
 * Which era of MCP a message speaks, and whether its headers say what its body says.
 *
 * Call `readEra`. The body decides (SDKs 2.x do the same): a request whose `_meta` names a protocol
 * version speaks 2026-07-28, `initialize` and whatever names none speaks 2025-11-25. Headers never
 * move a message to another era; where they disagree with the body it is refused, because what
 * routed or filtered the request on the way here read the headers.
 *
 * @see MCP 2026-07-28, Transports, "Standard request headers" (SEP-2243)
 */

import type { Json, JsonObject } from '../base/canonical-json.ts'
import { ok, refuse, type Result } from '../base/result.ts'
import { isObject, type Message } from './message.ts'

/** The two families of revisions that differ on the wire. */
export type Era = '2026-07-28' | '2025-11-25'

/** The newest revision of the stateless era, the only one there is. */
export const MODERN: Era = '2026-07-28'
/** The newest revision of the era with sessions. */
export const LEGACY: Era = '2025-11-25'
/** Revisions of the session era that we answer `initialize` with; older ones lack this transport. */
export const LEGACY_VERSIONS: readonly string[] = ['2025-11-25', '2025-06-18', '2025-03-26']

/** Reserved `_meta` keys of 2026-07-28. */
export const META = {
  protocolVersion: 'io.modelcontextprotocol/protocolVersion',
  clientInfo: 'io.modelcontextprotocol/clientInfo',
  clientCapabilities: 'io.modelcontextprotocol/clientCapabilities',
  logLevel: 'io.modelcontextprotocol/logLevel',
  serverInfo: 'io.modelcontextprotocol/serverInfo',
} as const

/** HTTP headers by lower-case name, as `node:http` gives them: repeated ones are joined or a list. */
export type Headers = Readonly<Record<string, string | readonly string[] | undefined>>

/** What is known once the era is: for a modern request also what the client says of itself. */
export interface Spoken {
  readonly era: Era
  /** The revision named, or undefined when a legacy message named none. */
  readonly version?: string
  readonly clientCapabilities?: JsonObject
  readonly clientInfo?: JsonObject
}

/** Why the era could not be settled; `data` is what the protocol wants to be told. */
export interface EraRefusal {
  readonly reason: 'envelope_invalid' | 'header_mismatch' | 'version_unsupported'
  readonly message: string
  readonly data?: JsonObject
}

/** The member of `params` that the `Mcp-Name` header repeats. */
const NAMED_BY: ReadonlyMap<string, string> = new Map([
  ['tools/call', 'name'],
  ['prompts/get', 'name'],
  ['resources/read', 'uri'],
  ['tasks/get', 'taskId'],
  ['tasks/update', 'taskId'],
  ['tasks/cancel', 'taskId'],
])

/** The era of a message that came with `headers`. */
export function readEra(message: Message, headers: Headers): Result<Spoken, EraRefusal> {
  const version = header(headers, 'mcp-protocol-version')
  if (message.type === 'response') return legacy(version)
  const meta = message.params['_meta']
  const claimed = isObject(meta) ? meta[META.protocolVersion] : undefined
  const disagreement = disagrees(message, headers)
  if (disagreement !== undefined) return mismatch(disagreement)
  if (claimed === undefined) return unclaimed(message, version)
  return modern(message, meta as JsonObject, headers)
}

/** What a message that names no version in its body speaks. */
function unclaimed(message: Message, version: string | undefined): Result<Spoken, EraRefusal> {
  if (version !== MODERN) return legacy(version, message)
  // Notifications carry no envelope: the header alone says which era they belong to.
  if (message.type === 'notification') return ok({ era: MODERN, version })
  if (message.type === 'request' && message.method === 'initialize') {
    return mismatch('`initialize` is of the session era, the version header is not')
  }
  return envelope(`expected \`_meta\` with \`${META.protocolVersion}\``, [META.protocolVersion])
}

function legacy(version: string | undefined, message?: Message): Result<Spoken, EraRefusal> {
  if (version === undefined) return ok({ era: LEGACY })
  // An `initialize` negotiates in its body; its header, which no client should send, says nothing.
  const negotiates = message?.type === 'request' && message.method === 'initialize'
  // MCP 2025-11-25 Transports, "Protocol Version Header": an unsupported version MUST get 400.
  if (!LEGACY_VERSIONS.includes(version) && !negotiates) return unsupported(version)
  return ok({ era: LEGACY, version })
}

function modern(
  message: Exclude<Message, { type: 'response' }>,
  meta: JsonObject,
  headers: Headers,
): Result<Spoken, EraRefusal> {
  const version = meta[META.protocolVersion]
  if (typeof version !== 'string') {
    return envelope(`expected \`${META.protocolVersion}\` to be a string`, [META.protocolVersion])
  }
  const told = header(headers, 'mcp-protocol-version')
  if (told !== undefined && told !== version)
    return mismatch('the version header names another one')
  if (version !== MODERN) return unsupported(version)
  if (message.type === 'notification') return ok({ era: MODERN, version })
  const clientCapabilities = meta[META.clientCapabilities]
  if (!isObject(clientCapabilities)) {
    return envelope(`expected \`${META.clientCapabilities}\``, [META.clientCapabilities])
  }
  const clientInfo = meta[META.clientInfo]
  if (clientInfo !== undefined && !isImplementation(clientInfo)) {
    return envelope(`expected \`${META.clientInfo}\` with name and version`, [META.clientInfo])
  }
  // SEP-2243: both headers are required of every request, `Mcp-Name` where the body has a name.
  if (told === undefined) return mismatch('expected an MCP-Protocol-Version header')
  if (header(headers, 'mcp-method') === undefined) return mismatch('expected an Mcp-Method header')
  const named = NAMED_BY.get(message.method)
  if (
    named !== undefined &&
    typeof message.params[named] === 'string' &&
    header(headers, 'mcp-name') === undefined
  ) {
    return mismatch('expected an Mcp-Name header')
  }
  return ok({
    era: MODERN,
    version,
    clientCapabilities,
    ...(clientInfo === undefined ? {} : { clientInfo }),
  })
}

/** How `Mcp-Method` and `Mcp-Name`, where present, contradict the body. Of either era. */
function disagrees(
  message: Exclude<Message, { type: 'response' }>,
  headers: Headers,
): string | undefined {
  const method = header(headers, 'mcp-method')
  if (method !== undefined && method !== message.method) return 'Mcp-Method names another method'
  const name = header(headers, 'mcp-name')
  const named = NAMED_BY.get(message.method)
  if (name === undefined || named === undefined) return undefined
  const decoded = decodeHeaderValue(name)
  if (decoded === undefined) return 'expected canonical base64 in Mcp-Name'
  return decoded === message.params[named] ? undefined : 'Mcp-Name names something else'
}

/** A header's value without the white space around it (RFC 9110 §5.5). */
function header(headers: Headers, name: string): string | undefined {
  const value = headers[name]
  if (value === undefined) return undefined
  // A repeated header equals nothing in a body.
  return typeof value === 'string' ? value.replace(/^[ \t]+|[ \t]+$/g, '') : value.join(', ')
}

const SENTINEL = /^=\?base64\?((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?)\?=$/
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The text that a header value stands for (SEP-2243 "Value encoding"); undefined if it stands for none. */
export function decodeHeaderValue(value: string): string | undefined {
  if (!value.startsWith('=?base64?') || !value.endsWith('?=')) return value
  const [, encoded] = SENTINEL.exec(value) ?? []
  if (encoded === undefined) return undefined
  try {
    return UTF8.decode(Uint8Array.fromBase64(encoded, { lastChunkHandling: 'strict' }))
  } catch {
    return undefined
  }
}

/** `text` as a header value: itself when it is plain, else in the base64 form. */
export function encodeHeaderValue(text: string): string {
  const plain = /^[!-~](?:[ -~]*[!-~])?$/.test(text) && !text.startsWith('=?base64?')
  return plain ? text : `=?base64?${new TextEncoder().encode(text).toBase64()}?=`
}

/** The headers that a modern request to a server carries besides its body. */
export function modernHeaders(method: string, params: JsonObject): Record<string, string> {
  const name = params[NAMED_BY.get(method) ?? '']
  return {
    'mcp-protocol-version': MODERN,
    'mcp-method': method,
    ...(typeof name === 'string' ? { 'mcp-name': encodeHeaderValue(name) } : {}),
  }
}

function isImplementation(value: Json | undefined): value is JsonObject {
  return (
    isObject(value) && typeof value['name'] === 'string' && typeof value['version'] === 'string'
  )
}

function mismatch(message: string): Result<never, EraRefusal> {
  return refuse({ reason: 'header_mismatch', message })
}

function envelope(message: string, missing: readonly string[]): Result<never, EraRefusal> {
  return refuse({ reason: 'envelope_invalid', message, data: { envelope: { keys: missing } } })
}

function unsupported(requested: string): Result<never, EraRefusal> {
  return refuse({
    reason: 'version_unsupported',
    message: 'expected a revision that we speak',
    data: { supported: [MODERN, ...LEGACY_VERSIONS], requested: requested.slice(0, 64) },
  })
}
