/** Connected MCP clients. Rows of the table in `operations.ts`. */

import * as z from 'zod'
import {
  id,
  instant,
  jsonObject,
  nothing,
  operation,
  reasonText,
  seconds,
  slug,
} from './operation.ts'

const connection = z.object({
  id: z.string(),
  client: z.string(),
  /** That of its delegation; `ended` once the connection was ended. */
  state: z.string(),
  delegation: z.string(),
  agent: z.string(),
  selectors: z.array(z.string()),
  createdAt: instant,
  expiresAt: seconds,
})

export const createConnection = operation({
  id: 'connection.create',
  asker: 'person',
  method: 'POST',
  path: '/connections',
  summary: 'Connect an MCP client: each of its windows becomes an agent under one delegation.',
  input: z.strictObject({
    client: slug,
    purpose: z.string().min(1).max(2_000),
    archetype: slug,
    /** The user id of the processes that may open windows. */
    uid: z.int().nonnegative().max(4_294_967_294),
    details: z.array(jsonObject).min(1).max(50),
    expiresIn: seconds.min(1).max(31_536_000),
  }),
  output: connection.extend({
    /** The socket on which bridges ask for windows. */
    door: z.string(),
  }),
})

export const listConnections = operation({
  id: 'connection.list',
  asker: 'person',
  method: 'GET',
  path: '/connections',
  summary: 'List your connections, newest first.',
  input: nothing,
  output: z.object({ connections: z.array(connection) }),
})

export const endConnection = operation({
  id: 'connection.end',
  asker: 'person',
  method: 'POST',
  path: '/connections/{id}/end',
  summary: 'End a connection: its delegation is revoked, its windows end.',
  input: id.extend({ reason: reasonText.optional() }),
  output: connection,
})
