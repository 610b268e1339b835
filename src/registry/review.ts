/**
 * A review: a person accepts what a server offers, to the byte, and says what its tools do. Lead file.
 *
 * Call `reviewServer` with the digests of what the reviewer saw. It pins all of it, declares classes and
 * sinks for the tools that are to be offered, and refuses what could not be enforced later: a schema
 * with a keyword that `conforms` does not know, a sink at a place that the schema does not have.
 */

import * as z from 'zod'
import { append } from '../audit/append.ts'
import { MAX_ENTRY_BYTES } from '../audit/entry.ts'
import type { Vault } from '../audit/vault.ts'
import { canonicalJson, type Json } from '../base/canonical-json.ts'
import { type Clock, nowSeconds } from '../base/clock.ts'
import { ok, refuse, type Result } from '../base/result.ts'
import type { Keyring } from '../keys/keyring.ts'
import { isObject } from '../mcp/message.ts'
import { compileSchema } from '../mcp/schema.ts'
import { isTemplate } from '../mcp/uri-template.ts'
import { personActor, type Session } from '../people/session.ts'
import type { Store } from '../store/store.ts'
import { insertReview, loadServer, lockServer, observedDefinitions } from './server-store.ts'
import {
  definitionKey,
  reviewedResourcesSchema,
  reviewedToolSchema,
  type Definition,
  type ReviewedResources,
  type ReviewedTool,
  type Server,
} from './server.ts'
import { inferSinks, isVerbatim, offeredTool } from './propose-review.ts'
import { signReview, termsOf, type ReviewClaims } from './signed-review.ts'
import { hasPlace } from './place.ts'

/**
 * A tool as a reviewer declares it. What is left out is inferred from its definition, to the careful side:
 * the sinks that its schema names, and whether its results are what others wrote. `[]` and `false` say no.
 */
export type DeclaredTool = Omit<ReviewedTool, 'sinks'> & { readonly sinks?: ReviewedTool['sinks'] }

/** What a reviewer accepts. */
export interface ReviewRequest {
  /** Name or identifier. */
  readonly server: string
  /** The tools to offer; others that were observed are pinned and not offered. */
  readonly tools: readonly DeclaredTool[]
  /** What reading resources is. Default: of class `read`, not consequential. */
  readonly resources?: ReviewedResources
  /** By `definitionKey`: the digest of every definition that the reviewer saw. */
  readonly digests: Readonly<Record<string, string>>
}

/** Why a review was refused; `message` names the definition and the place in it. */
export interface ReviewRefusal {
  readonly reason:
    | 'bad_review'
    | 'unknown_server'
    | 'withdrawn'
    | 'not_observed'
    | 'observation_changed'
    | 'unknown_tool'
    | 'schema_unsupported'
    | 'template_unsupported'
    | 'unknown_sink'
    | 'too_many_definitions'
  readonly message: string
}

interface Env {
  readonly store: Store
  readonly clock: Clock
  readonly keyring: Keyring
  readonly vault: Vault
}

/** Accepts what a server was last seen to offer. */
export async function reviewServer(
  request: ReviewRequest,
  session: Session,
  env: Env,
): Promise<Result<Server, ReviewRefusal>> {
  const declared = parseDeclared(request)
  if (!declared.ok) return declared
  return await env.store.transaction(async (tx) => {
    const server = await lockServer(tx, request.server)
    if (server === undefined) return no('unknown_server', 'expected a registered server')
    if (server.state === 'withdrawn') return no('withdrawn', 'expected a server in use')
    const observed = await observedDefinitions(tx, server.id)
    if (observed === undefined)
      return no('not_observed', 'expected the server to be observed first')
    const pinned = digestsOf(observed)
    // What was seen is accepted, not what happens to stand there now.
    if (canonicalJson(pinned) !== canonicalJson(request.digests)) {
      return no('observation_changed', 'expected the digests of what was observed last')
    }
    const tools = declared.value.tools.map((tool) => completed(tool, observed))
    const overfull = tools.find(({ sinks }) => sinks.length > MOST_SINKS)
    if (overfull !== undefined)
      return no('bad_review', `tool \`${overfull.name}\`: expected its sinks to be said`)
    const enforceable = checkEnforceable(tools, observed)
    if (!enforceable.ok) return enforceable

    const revision = server.revision + 1
    const claims: ReviewClaims = {
      ...termsOf({ ...server, revision }),
      iat: nowSeconds(env.clock),
      reviewer: session.person,
      definitions: pinned,
      ...declared.value,
      tools,
    }
    await insertReview(
      tx,
      { server: server.id, revision, signed: signReview(claims, env) },
      observed,
    )
    const reviewed = await loadServer(tx, server.id, env)
    if (reviewed === undefined) throw new Error(`expected server \`${server.id}\` after its review`)
    const review = await env.vault.seal(tx, claims, { subject: server.id })
    await append(tx, [
      {
        v: 1,
        kind: 'server_reviewed',
        time: env.clock.nowMilliseconds(),
        by: personActor(session),
        touches: [server.id],
        server: server.id,
        revision,
        definitions: pinned,
        review,
      },
    ])
    return ok(reviewed)
  })
}

function digestsOf(definitions: readonly Definition[]): Record<string, string> {
  return Object.fromEntries(
    definitions.map(({ kind, name, digest }) => [definitionKey(kind, name), digest]),
  )
}

const declaration = z.strictObject({
  tools: z
    .array(reviewedToolSchema.extend({ sinks: reviewedToolSchema.shape.sinks.exactOptional() }))
    .max(1_000),
  resources: reviewedResourcesSchema.default({ class: 'read', consequential: false }),
})

function parseDeclared(request: ReviewRequest): Result<z.infer<typeof declaration>, ReviewRefusal> {
  const parsed = declaration.safeParse({ tools: request.tools, resources: request.resources })
  if (!parsed.success) return no('bad_review', z.prettifyError(parsed.error).slice(0, 500))
  const names = new Set(parsed.data.tools.map(({ name }) => name))
  if (names.size !== parsed.data.tools.length) return no('bad_review', 'expected each tool once')
  return ok(parsed.data)
}

/** As many as a review may declare (`reviewedToolSchema`). */
const MOST_SINKS = 50

/** The tool with what its reviewer left out. */
function completed(
  tool: z.infer<typeof declaration>['tools'][number],
  observed: readonly Definition[],
): ReviewClaims['tools'][number] {
  const offered = offeredTool(observed, tool.name)
  if (offered === undefined) return { ...tool, sinks: tool.sinks ?? [] }
  // Who declares system fields knows the answers: they are not somebody's text as it stands.
  const isRaw =
    tool.verbatim === undefined && tool.systemFields === undefined && isVerbatim(offered)
  return {
    ...tool,
    sinks: tool.sinks ?? inferSinks(offered, tool.class),
    ...(isRaw && { verbatim: true }),
  }
}

/** Whether everything that would be offered can be held to what it says. */
function checkEnforceable(
  tools: readonly ReviewedTool[],
  observed: readonly Definition[],
): Result<undefined, ReviewRefusal> {
  // The entry lists every digest, and an entry is bounded.
  if (canonicalJson(digestsOf(observed)).length > MAX_ENTRY_BYTES - 4_096) {
    return no('too_many_definitions', 'expected fewer definitions, or shorter names')
  }
  for (const { kind, name } of observed) {
    if (kind === 'resource_template' && !isTemplate(name)) {
      return no(
        'template_unsupported',
        `expected \`${name}\` to use \`{x}\`, \`{+x}\`, \`{/x}\` only`,
      )
    }
  }
  for (const tool of tools) {
    const definition = observed.find(({ kind, name }) => kind === 'tool' && name === tool.name)
    if (definition === undefined)
      return no('unknown_tool', `expected tool \`${tool.name}\` to be offered`)
    const fault = checkTool(tool, definition.value['inputSchema'])
    if (!fault.ok) return fault
  }
  return ok()
}

function checkTool(tool: ReviewedTool, schema: Json | undefined): Result<undefined, ReviewRefusal> {
  const where = `tool \`${tool.name}\``
  // MCP Tools, "Tool": the input schema MUST be a schema of an object.
  if (!isObject(schema) || schema['type'] !== 'object') {
    return no('schema_unsupported', `${where}: expected an input schema of type \`object\``)
  }
  const compiled = compileSchema(schema)
  if (!compiled.ok) {
    const { at, message } = compiled.error
    return no('schema_unsupported', `${where}, \`${at}\`: ${message}`)
  }
  for (const { path } of tool.sinks) {
    if (!hasPlace(schema, path)) return no('unknown_sink', `${where}: expected a place \`${path}\``)
  }
  return ok()
}

function no(reason: ReviewRefusal['reason'], message: string): Result<never, ReviewRefusal> {
  return refuse({ reason, message })
}
