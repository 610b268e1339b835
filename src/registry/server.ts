/**
 * MCP servers as this installation knows them: what was registered, and what a reviewer accepted.
 *
 * A `Registration` is what somebody entered. A `Server` is one whose review was verified: its
 * definitions are exactly what callers are shown, its tools what they may call.
 */

import * as z from 'zod'
import type { Digest } from '../base/bytes.ts'
import type { JsonObject } from '../base/canonical-json.ts'
import { idSchema, type Id } from '../base/id.ts'
import { isSinkPath, type Sink } from '../mcp/canonical.ts'
import { matchesTemplate } from '../mcp/uri-template.ts'
import { egressSchema, limitsSchema } from './confinement.ts'

/** A server in our records; authority names it by this, never by a name that could be given again. */
export type ServerId = Id<'srv'>

/** Accepts exactly the identifiers of servers. */
export const serverIdSchema: z.ZodType<ServerId> = idSchema('srv')

/** What may be served of it: nothing but of a `reviewed` server. `withdrawn` is for good. */
export type ServerState = 'registered' | 'reviewed' | 'quarantined' | 'withdrawn'

const line = z
  .string()
  .min(1)
  .max(4_096)
  .regex(/^[^\0\r\n]*$/)

/** Where a server's program runs: a tier of the sandbox; `remote` where we only reach it; `none` if it cannot run here. */
export type ServerTier = 'T0' | 'T1' | 'remote' | 'none'

/** How a server is reached. */
export const transportSchema = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('stdio'),
    command: line,
    args: z
      .array(
        z
          .string()
          .max(4_096)
          .regex(/^[^\0]*$/),
      )
      .max(100),
    env: z
      .record(
        z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/),
        z
          .string()
          .max(8_192)
          .regex(/^[^\0]*$/),
      )
      .exactOptional(),
    cwd: line.exactOptional(),
    /** Paths that the sandbox shows it. */
    readOnly: z.array(line).max(50).exactOptional(),
    readWrite: z.array(line).max(50).exactOptional(),
    /** Where it must run: elsewhere it is not started at all. Without a demand, the best that there is. */
    tier: z.enum(['T0', 'T1']).exactOptional(),
    /** What it may use, where that differs from the sandbox's defaults. */
    limits: limitsSchema.exactOptional(),
    /** Where it may connect to; nowhere without it. */
    egress: egressSchema.exactOptional(),
  }),
  z.strictObject({
    type: z.literal('http'),
    url: z.string().max(2_048),
    /** The name of a sealed upstream credential of this server. */
    credential: z
      .string()
      .regex(/^[a-z][a-z0-9-]{0,62}$/)
      .exactOptional(),
  }),
])

/** @see transportSchema */
export type Transport = z.infer<typeof transportSchema>

const toolClassSchema = z.enum(['read', 'write', 'egress', 'destructive', 'money'])
/** What a tool does to the world, as the reviewer judged it; the server's own hints are not believed. */
export type ToolClass = z.infer<typeof toolClassSchema>

const place = z.string().refine(isSinkPath, 'expected members joined by `.`, `[]` for items')

/** What the reviewer declared of one tool. */
export const reviewedToolSchema = z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9_./-]{1,128}$/),
  class: toolClassSchema,
  /** The places in the arguments that say what the call reaches. */
  sinks: z
    .array(
      z.strictObject({
        path: place,
        kind: z.enum(['path', 'email', 'url', 'account', 'amount', 'id', 'name']),
      }),
    )
    .max(50),
  /** Places in the result that the system fills and no author of content does. */
  systemFields: z.array(place).max(50).exactOptional(),
  /** Whether its results are what others wrote, as it stands, so that no field in them is the system's. */
  verbatim: z.boolean().exactOptional(),
  /** Whether its results are not for everybody's eyes. */
  confidential: z.boolean().exactOptional(),
  /** Whether a person should be able to stop it: its effect cannot be taken back. */
  consequential: z.boolean(),
  /** The place in the result where unresolved warnings stand. */
  warnings: place.exactOptional(),
  /** What an approver saw of other calls stays true when this one goes through: it voids no approval. */
  independent: z.boolean().exactOptional(),
})

/** @see reviewedToolSchema */
export interface ReviewedTool {
  readonly name: string
  readonly class: ToolClass
  readonly sinks: readonly Sink[]
  readonly systemFields?: readonly string[]
  readonly verbatim?: boolean
  readonly confidential?: boolean
  readonly consequential: boolean
  readonly warnings?: string
  readonly independent?: boolean
}

/** What the reviewer declared of reading resources. */
export const reviewedResourcesSchema = z.strictObject({
  class: toolClassSchema,
  consequential: z.boolean(),
  /** Whether what is read is not for everybody's eyes. */
  confidential: z.boolean().exactOptional(),
})

/** @see reviewedResourcesSchema */
export type ReviewedResources = z.infer<typeof reviewedResourcesSchema>

/** What a definition is of. */
export type DefinitionKind = 'tool' | 'prompt' | 'resource_template' | 'resource' | 'instructions'

/** All of one thing as the server offered it, and the digest of its canonical text. */
export interface Definition {
  readonly kind: DefinitionKind
  /** The tool's or prompt's name, the resource's URI, the URI template; empty for instructions. */
  readonly name: string
  readonly value: JsonObject
  readonly digest: Digest
}

/** Under which a definition stands in a server's definitions. */
export function definitionKey(kind: DefinitionKind, name: string): string {
  return `${kind}:${name}`
}

/** A server's name and a tool's are joined by this at the endpoint of all servers. */
export const SEPARATOR = '__'

/** No server's name: at the endpoint of all servers it stands before tools of our own. */
export const OWN_NAME = 'behalf'

/** A server as registered. */
export interface Registration {
  readonly id: ServerId
  /** A slug, and so without `__`. Never given to another server. */
  readonly name: string
  readonly title: string
  readonly state: ServerState
  /** Why it is in quarantine. */
  readonly reason?: string
  readonly transport: Transport
  /** How many reviews it has had; 0 before the first. */
  readonly revision: number
  /** Whether the server enforces the person's rights too, or only our mirror of them does. */
  readonly personRights: 'upstream' | 'mirrored'
  readonly timeoutMilliseconds: number
  readonly outputLimitBytes: number
}

/** A server with what its last review accepted: nothing where there is no review that holds. */
export interface Server extends Registration {
  /** By `definitionKey`: what callers may be shown. */
  readonly definitions: ReadonlyMap<string, Definition>
  /** By name: what they may call. */
  readonly tools: ReadonlyMap<string, ReviewedTool>
  readonly resources: ReviewedResources
}

/** The pinned definition under which `uri` may be read: a resource, or a template that it fills. */
export function resourceDefinition(
  server: Pick<Server, 'definitions'>,
  uri: string,
): Definition | undefined {
  const exact = server.definitions.get(definitionKey('resource', uri))
  if (exact !== undefined) return exact
  for (const definition of server.definitions.values()) {
    const { kind, name } = definition
    if (kind === 'resource_template' && matchesTemplate(name, uri)) return definition
  }
  return undefined
}
