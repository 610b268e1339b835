/** Scopes and the agency dial. Rows of the table in `operations.ts`. */

import * as z from 'zod'
import { jsonObject, operation, reference, slug } from './operation.ts'

const agency = z.enum(['always', 'strict', 'doubt', 'never'])
const toolClass = z.enum(['read', 'write', 'egress', 'destructive', 'money'])
const dial = z.object({ dial: z.partialRecord(toolClass, agency) })

export const proposeScope = operation({
  id: 'scope.propose',
  asker: 'person',
  method: 'POST',
  path: '/scopes',
  summary: 'Propose a scope for a request, from its words and the reviewed tools alone.',
  input: z.strictObject({
    words: z.string().min(1).max(4_000),
    servers: z.array(reference).min(1).max(16),
    approver: reference.optional(),
  }),
  output: z.object({
    details: z.array(jsonObject),
    sentences: z.array(z.string()),
    digest: z.string(),
  }),
})

export const setAgency = operation({
  id: 'agency.set',
  asker: 'person',
  method: 'POST',
  path: '/archetypes/{archetype}/agency',
  summary: 'Set how much a kind of agent decides without asking, for one class of tools.',
  input: z.strictObject({ archetype: slug, toolClass, agency }),
  output: dial,
})

export const showAgency = operation({
  id: 'agency.show',
  asker: 'person',
  method: 'GET',
  path: '/archetypes/{archetype}/agency',
  summary: 'How much a kind of agent decides without asking.',
  input: z.strictObject({ archetype: slug }),
  output: dial,
})
