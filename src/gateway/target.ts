/**
 * What a call acts on: the pinned definition, and what its review declared. Arguments must conform to
 * the pinned schema before anything is decided about them.
 *
 * INVARIANT (pinned definitions): what has no accepted definition is not there. A resource that no
 * definition names is decided about first and told `unknown` only to whom reading it was permitted.
 */

import type { Digest } from '../base/bytes.ts'
import type { JsonObject } from '../base/canonical-json.ts'
import { ok, refuse, type Result } from '../base/result.ts'
import type { ResourceFacts } from '../decision/facts.ts'
import { promptFacts, resourceFacts, toolFacts } from '../decision/resource-facts.ts'
import { checkSinks } from '../mcp/canonical.ts'
import { isObject } from '../mcp/message.ts'
import { conformsToPrompt } from '../mcp/prompt.ts'
import { conforms } from '../mcp/schema.ts'
import { checkDefaults } from '../mcp/sink-default.ts'
import {
  type Definition,
  definitionKey,
  resourceDefinition,
  type Server,
  type ServerTier,
} from '../registry/server.ts'
import { offeredTools, writableFields } from '../registry/propose-review.ts'
import type { Call } from './call.ts'

/** The object of a call. */
export interface Target {
  readonly resource: ResourceFacts
  /** The definition that the call uses; absent for a resource that none names. */
  readonly definition?: Definition
  readonly digest?: Digest
  /** Paths in the result that the system fills. */
  readonly systemFields: readonly string[]
  /** The result is what others wrote, as it stands. */
  readonly verbatim?: boolean
  /** The result is not for everybody's eyes. */
  readonly confidential?: boolean
  /** Fields of the result that callers of the server can write. */
  readonly writable?: readonly string[]
  /** The path in the result where unresolved warnings stand. */
  readonly warnings?: string
  /** Review declared it independent of other calls on its server. */
  readonly independent: boolean
}

/** The target of a call, or why there is none: `unknown_tool`, `arguments_invalid`, … */
export function findTarget(
  { server, action }: Pick<Call, 'server' | 'action'>,
  tier: ServerTier,
): Result<Target> {
  const { kind, name } = action.target
  if (server.state === 'quarantined') return refuse({ reason: 'server_quarantined' })
  if (server.state !== 'reviewed') return refuse({ reason: `unknown_${kind}` })
  if (kind === 'resource') return ok(resourceTarget(server, name, tier))
  const definition = server.definitions.get(definitionKey(kind, name))
  if (definition === undefined) return refuse({ reason: `unknown_${kind}` })
  if (kind === 'prompt') return promptTarget(server, definition, { args: action.arguments, tier })
  return toolTarget(server, definition, { args: action.arguments, tier })
}

function resourceTarget(server: Server, uri: string, tier: ServerTier): Target {
  // A completion names the template itself, where a read names a resource of it.
  const definition =
    resourceDefinition(server, uri) ??
    server.definitions.get(definitionKey('resource_template', uri))
  return {
    resource: resourceFacts(server, uri, tier),
    systemFields: [],
    independent: false,
    // As the whole of a server's resources were reviewed: what completes a template's URI names them.
    ...(server.resources.confidential === true && { confidential: true }),
    ...(definition !== undefined && { definition, digest: definition.digest }),
  }
}

/** What is asked with, and where of. */
interface Asked {
  readonly args: JsonObject
  readonly tier: ServerTier
}

function promptTarget(
  server: Server,
  definition: Definition,
  { args, tier }: Asked,
): Result<Target> {
  const conforming = conformsToPrompt(args, definition.value)
  if (!conforming.ok)
    return refuse({ reason: 'arguments_invalid', message: conforming.error.message })
  const { name, digest } = definition
  return ok({
    resource: promptFacts(server, name, tier),
    definition,
    digest,
    systemFields: [],
    independent: false,
  })
}

function toolTarget(server: Server, definition: Definition, { args, tier }: Asked): Result<Target> {
  const { name, value, digest } = definition
  const tool = server.tools.get(name)
  const resource = toolFacts(server, name, tier)
  if (tool === undefined || resource === undefined) return refuse({ reason: 'unknown_tool' })
  const { inputSchema } = value
  const conforming = conforms(args, isObject(inputSchema) ? inputSchema : { type: 'object' })
  if (!conforming.ok)
    return refuse({ reason: 'arguments_invalid', message: conforming.error.message })
  // What a sink reaches must have one reading, or the decision is about another thing than the server does.
  const canonical = checkSinks(args, tool.sinks)
  if (!canonical.ok) return canonical
  const spelledOut = checkDefaults(args, tool.sinks, isObject(inputSchema) ? inputSchema : {})
  if (!spelledOut.ok) return spelledOut
  return ok({
    resource,
    definition,
    digest,
    systemFields: tool.systemFields ?? [],
    writable: writableOf(server, name),
    ...(tool.verbatim !== undefined && { verbatim: tool.verbatim }),
    ...(tool.confidential !== undefined && { confidential: tool.confidential }),
    independent: tool.independent === true,
    ...(tool.warnings !== undefined && { warnings: tool.warnings }),
  })
}

/** By the version of a server, then by tool. */
const WRITABLE = new WeakMap<Server, Map<string, readonly string[]>>()

function writableOf(server: Server, name: string): readonly string[] {
  const known = WRITABLE.get(server) ?? new Map<string, readonly string[]>()
  WRITABLE.set(server, known)
  const found = known.get(name)
  if (found !== undefined) return found
  const all = offeredTools(server)
  const tool = all.find((one) => one.name === name)
  const fields = tool === undefined ? [] : writableFields(tool, all)
  known.set(name, fields)
  return fields
}
