/**
 * The `Mcp-Param-*` headers: arguments that a tool's pinned schema wants repeated for who routes the request.
 *
 * @see MCP 2026-07-28, Transports, "Custom headers from tool parameters" (SEP-2243)
 */

import type { Json, JsonObject } from '../base/canonical-json.ts'
import { encodeHeaderValue } from '../mcp/era.ts'
import { isObject } from '../mcp/message.ts'
import type { UpstreamServer } from './server.ts'

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/
const MAX_DEPTH = 8

/** The headers that go with `request`, from the reviewed definition of its tool. */
export function parameterHeaders(
  server: UpstreamServer,
  request: { readonly method: string; readonly params: JsonObject },
): Record<string, string> {
  if (request.method !== 'tools/call' || server.definitions === undefined) return {}
  for (const { kind, name, value } of server.definitions.values()) {
    if (kind === 'tool' && name === request.params['name']) {
      return Object.fromEntries(declared(value['inputSchema'], request.params['arguments'], 0))
    }
  }
  return {}
}

function declared(
  schema: Json | undefined,
  value: Json | undefined,
  depth: number,
): [string, string][] {
  if (!isObject(schema) || !isObject(value) || depth > MAX_DEPTH) return []
  const { properties } = schema
  if (!isObject(properties)) return []
  return Object.entries(properties).flatMap(([name, property]) => {
    const argument = Object.hasOwn(value, name) ? value[name] : undefined
    const header = isObject(property) ? property['x-mcp-header'] : undefined
    const text = plain(argument)
    return typeof header === 'string' && TOKEN.test(header) && text !== undefined
      ? [[`mcp-param-${header}`, encodeHeaderValue(text)] satisfies [string, string]]
      : declared(property, argument, depth + 1)
  })
}

function plain(value: Json | undefined): string | undefined {
  if (typeof value === 'string') return value
  if (typeof value === 'boolean') return String(value)
  return typeof value === 'number' && Number.isSafeInteger(value) ? String(value) : undefined
}
