/**
 * Arguments that a tool's schema wants repeated in `Mcp-Param-*` headers, for whoever routes the request.
 *
 * Call `parameterMismatch` on a request of 2026-07-28 once its tool is known: a header that says
 * something else than the body is refused like the other standard headers.
 *
 * @see MCP 2026-07-28, Transports, "Custom headers from tool parameters" (SEP-2243)
 */

import type { Json, JsonObject } from '../base/canonical-json.ts'
import { decodeHeaderValue, type Headers } from './era.ts'
import { isObject } from './message.ts'

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/
const MAX_DEPTH = 8

/** The first header that is missing or disagrees with `args`; undefined when all of them agree. */
export function parameterMismatch(
  inputSchema: Json | undefined,
  args: JsonObject,
  headers: Headers,
): string | undefined {
  for (const { header, value } of declared(inputSchema, args, 0)) {
    const sent = headers[header]
    const decoded = typeof sent === 'string' ? decodeHeaderValue(sent.trim()) : undefined
    // "Servers SHOULD compare numbers as numbers": `42.0` is 42.
    const agrees =
      typeof value === 'number' && /^-?\d+(?:\.\d+)?$/.test(decoded ?? '')
        ? Number(decoded) === value
        : decoded === String(value)
    if (!agrees) return header
  }
  return undefined
}

/** The declared headers, in lower case, for which `value` has something to say. */
function declared(
  schema: Json | undefined,
  value: Json | undefined,
  depth: number,
): { readonly header: string; readonly value: string | number | boolean }[] {
  if (!isObject(schema) || !isObject(value) || depth > MAX_DEPTH) return []
  const { properties } = schema
  if (!isObject(properties)) return []
  return Object.entries(properties).flatMap(([name, property]) => {
    const argument = Object.hasOwn(value, name) ? value[name] : undefined
    const header = isObject(property) ? property['x-mcp-header'] : undefined
    if (typeof header !== 'string' || !TOKEN.test(header) || !isScalar(argument)) {
      return declared(property, argument, depth + 1)
    }
    return [{ header: `mcp-param-${header.toLowerCase()}`, value: argument }]
  })
}

function isScalar(value: Json | undefined): value is string | number | boolean {
  return ['string', 'number', 'boolean'].includes(typeof value)
}
