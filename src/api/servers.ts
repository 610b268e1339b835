/** MCP servers under review. Rows of the table in `operations.ts`. */

import * as z from 'zod'
import { done, id, jsonObject, nothing, operation, slug } from './operation.ts'

const sink = z.strictObject({
  path: z.string().max(200),
  kind: z.enum(['path', 'email', 'url', 'account', 'amount', 'id', 'name']),
})

const toolClass = z.enum(['read', 'write', 'egress', 'destructive', 'money'])

const reviewedTool = z.strictObject({
  name: z.string().min(1).max(200),
  class: toolClass,
  consequential: z.boolean(),
  /** Left out, they are inferred from the definition; `[]` says that there are none. */
  sinks: z.array(sink).max(50).optional(),
  /** Results are what others wrote, as it stands: no field in them is the system's. Inferred if left out. */
  verbatim: z.boolean().optional(),
  /** Results are not for everybody's eyes: what carries them out asks a person. */
  confidential: z.boolean().optional(),
  systemFields: z.array(z.string().max(200)).max(50).optional(),
  warnings: z.string().max(200).optional(),
  independent: z.boolean().optional(),
})

const definition = z.object({
  kind: z.string(),
  name: z.string(),
  digest: z.string(),
  value: jsonObject,
})

const server = z.object({
  id: z.string(),
  name: z.string(),
  title: z.string(),
  state: z.string(),
  revision: z.int(),
  personRights: z.string(),
  tools: z.array(
    z.object({
      name: z.string(),
      class: z.string(),
      consequential: z.boolean(),
      sinks: z.array(z.object({ path: z.string(), kind: z.string() })),
      verbatim: z.boolean(),
      confidential: z.boolean(),
    }),
  ),
  /** What the review declared of reading resources. */
  resources: z
    .object({ class: z.string(), consequential: z.boolean(), confidential: z.boolean() })
    .optional(),
  reason: z.string().optional(),
})

const bounds = {
  timeoutMilliseconds: z.int().positive().max(600_000).optional(),
  outputLimitBytes: z
    .int()
    .positive()
    .max(64 * 1024 * 1024)
    .optional(),
}

export const registerServer = operation({
  id: 'server.register',
  asker: 'person',
  method: 'POST',
  path: '/servers',
  summary: 'Register an MCP server; nothing of it is offered before a review.',
  input: z.strictObject({
    name: slug,
    title: z.string().min(1).max(200),
    transport: jsonObject,
    personRights: z.enum(['upstream', 'mirrored']).default('mirrored'),
    ...bounds,
  }),
  output: server,
})

export const changeServer = operation({
  id: 'server.change',
  asker: 'person',
  method: 'POST',
  path: '/servers/{id}/change',
  summary:
    'Change how a server is reached and confined; nothing of it is offered before another review.',
  input: id.extend({ transport: jsonObject, ...bounds }),
  output: server,
})

export const listServers = operation({
  id: 'server.list',
  asker: 'person',
  method: 'GET',
  path: '/servers',
  summary: 'List registered servers.',
  input: nothing,
  output: z.object({ servers: z.array(server) }),
})

export const observeServer = operation({
  id: 'server.observe',
  asker: 'person',
  method: 'POST',
  path: '/servers/{id}/observe',
  summary: 'Connect to a server and keep what it offers, for review; drift quarantines.',
  input: id,
  output: z.object({
    server,
    definitions: z.array(definition),
    /** What each tool looks like by name and schema: a draft for the reviewer, who decides. */
    drafts: z.array(
      z.object({
        name: z.string(),
        looksLike: z.string(),
        sinks: z.array(sink),
        verbatim: z.boolean(),
      }),
    ),
  }),
})

export const reviewServer = operation({
  id: 'server.review',
  asker: 'person',
  method: 'POST',
  path: '/servers/{id}/review',
  summary:
    'Accept what was observed: pins every definition by digest and declares classes and sinks.',
  input: id.extend({
    tools: z.array(reviewedTool).max(1_000),
    resources: z
      .strictObject({
        class: toolClass,
        consequential: z.boolean(),
        /** What is read is not for everybody's eyes: what carries it out asks a person. */
        confidential: z.boolean().optional(),
      })
      .optional(),
    digests: z.record(z.string(), z.string()),
  }),
  output: server,
})

export const withdrawServer = operation({
  id: 'server.withdraw',
  asker: 'person',
  method: 'POST',
  path: '/servers/{id}/withdraw',
  summary: 'Withdraw a server for good.',
  input: id,
  output: done,
})

export const setCredential = operation({
  id: 'server.credential',
  asker: 'person',
  method: 'POST',
  path: '/servers/{id}/credential',
  summary: 'Keep a sealed upstream credential that agents never see.',
  input: id.extend({ name: slug, value: z.string().min(1).max(16_384) }),
  output: done,
})
