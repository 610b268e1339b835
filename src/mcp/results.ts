/**
 * The results that we answer ourselves, and a server's results as the caller's era wants them.
 *
 * `initializeResult` and `discoverResult` open a conversation in either era, `listResult` serves pinned
 * definitions, `adaptResult` carries an upstream's result over.
 */

import type { JsonObject } from '../base/canonical-json.ts'
import { LEGACY, LEGACY_VERSIONS, META, MODERN, type Era } from './era.ts'
import { isObject } from './message.ts'

/** How this endpoint presents itself. */
export interface ServerInfo {
  readonly name: string
  readonly title?: string
  readonly version: string
  readonly instructions?: string
}

/** The lists that are served from pinned definitions. */
export type ListMethod = keyof typeof LISTS

const LISTS = {
  'tools/list': 'tools',
  'prompts/list': 'prompts',
  'resources/list': 'resources',
  'resources/templates/list': 'resourceTemplates',
} as const

/** Results that carry `ttlMs` and `cacheScope` in 2026-07-28 (`CacheableResult`). */
const CACHEABLE: ReadonlySet<string> = new Set([
  ...Object.keys(LISTS),
  'resources/read',
  'server/discover',
])

/** Nothing that changes by itself is offered: no `listChanged`, no subscriptions, no logging, no tasks. */
const CAPABILITIES = { tools: {}, prompts: {}, resources: {}, completions: {} } satisfies JsonObject

/** The answer to `initialize`: the version asked for when we speak it, else our newest (2025-11-25 Lifecycle). */
export function initializeResult(requestedVersion: unknown, info: ServerInfo): JsonObject {
  const spoken = LEGACY_VERSIONS.find((version) => version === requestedVersion)
  return {
    protocolVersion: spoken ?? LEGACY,
    capabilities: CAPABILITIES,
    serverInfo: identity(info),
    instructions: info.instructions,
  }
}

/** The answer to `server/discover`, which names stateless revisions only. */
export function discoverResult(info: ServerInfo): JsonObject {
  const told: JsonObject = {
    supportedVersions: [MODERN],
    capabilities: CAPABILITIES,
    instructions: info.instructions,
  }
  return adaptResult('server/discover', told, MODERN, info)
}

/**
 * A list of definitions, whole and in the order given (which must not depend on the connection).
 * Filtered by caller, so that no shared cache may keep it.
 */
export function listResult(
  method: ListMethod,
  items: readonly JsonObject[],
  era: Era,
  info: ServerInfo,
): JsonObject {
  const offered = method === 'tools/list' ? items.map((tool) => adaptTool(tool, era)) : items
  return adaptResult(method, { [LISTS[method]]: offered }, era, info)
}

/** Whether a method is one of the lists. */
export function isListMethod(method: string): method is ListMethod {
  return Object.hasOwn(LISTS, method)
}

/** A complete result of `method` with the members that `era` demands and without those it does not know. */
export function adaptResult(
  method: string,
  result: JsonObject,
  era: Era,
  info: ServerInfo,
): JsonObject {
  const { resultType: _type, ttlMs: _ttl, cacheScope: _scope, _meta: given, ...rest } = result
  const { [META.serverInfo]: _server, ...meta } = isObject(given) ? given : {}
  if (era === LEGACY) return Object.keys(meta).length === 0 ? rest : { ...rest, _meta: meta }
  return {
    ...rest,
    resultType: 'complete',
    // Who may see what can change at any instant: nothing is fresh for longer than the answer.
    ...(CACHEABLE.has(method) ? { ttlMs: 0, cacheScope: 'private' } : {}),
    _meta: { ...meta, [META.serverInfo]: identity(info) },
  }
}

/** A tool's definition without what `era` has no word for. */
function adaptTool(tool: JsonObject, era: Era): JsonObject {
  const { execution: _execution, outputSchema, ...rest } = tool
  // 2025-11-25 demands an object at the root of an output schema.
  const told = era === MODERN || (isObject(outputSchema) && outputSchema['type'] === 'object')
  return told && outputSchema !== undefined ? { ...rest, outputSchema } : rest
}

function identity(info: ServerInfo): JsonObject {
  return { name: info.name, title: info.title, version: info.version }
}
