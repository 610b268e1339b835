/** The log, and the keys that sign. Rows of the table in `operations.ts`. */

import * as z from 'zod'
import { id, jsonObject, nothing, operation, reference } from './operation.ts'

const logEntry = z.object({ index: z.int(), entry: jsonObject })

export const logStory = operation({
  id: 'log.story',
  asker: 'person',
  method: 'GET',
  path: '/log/story/{id}',
  summary: 'The story of a delegation, from the log.',
  input: id,
  output: z.object({ lines: z.array(jsonObject), text: z.string() }),
})

export const logEntries = operation({
  id: 'log.entries',
  asker: 'person',
  method: 'GET',
  path: '/log/entries',
  summary: 'Entries of the log from an index on, at most 500.',
  input: z.strictObject({
    from: z.coerce.number().int().nonnegative().default(0),
    limit: z.coerce.number().int().min(1).max(500).default(100),
    delegation: reference.optional(),
  }),
  output: z.object({ entries: z.array(logEntry), next: z.int().nullable() }),
})

export const logReceipt = operation({
  id: 'log.receipt',
  asker: 'person',
  method: 'GET',
  path: '/log/receipts/{index}',
  summary: 'An offline proof that an entry is in the log.',
  input: z.strictObject({ index: z.coerce.number().int().nonnegative() }),
  output: z.object({ receipt: z.string() }),
})

export const logKey = operation({
  id: 'log.key',
  asker: 'anyone',
  method: 'GET',
  path: '/log/key',
  summary: 'The key that verifies the log.',
  input: nothing,
  output: z.object({ origin: z.string(), vkey: z.string() }),
})

export const rotateKey = operation({
  id: 'key.rotate',
  asker: 'person',
  method: 'POST',
  path: '/keys/{purpose}/rotate',
  summary: 'Rotate a signing key; what it signed stays valid until it expires.',
  input: z.strictObject({ purpose: z.enum(['issuer', 'svid_ca', 'svid_jwt']) }),
  output: z.object({ kid: z.string() }),
})

export const logCosign = operation({
  id: 'log.cosign',
  asker: 'person',
  method: 'POST',
  path: '/log/cosignatures',
  summary: 'Hand back a checkpoint with the cosignature of a witness that the installation knows.',
  input: z.strictObject({ checkpoint: z.string().max(131_072) }),
  output: z.object({ size: z.int() }),
})
