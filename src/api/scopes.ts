/** Scopes and the agency dial. Rows of the table in `operations.ts`. */

import * as z from 'zod'
import { done, jsonObject, operation, reference, slug } from './operation.ts'

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
    /** Whose templates count. */
    archetype: slug.optional(),
    /** Asks no model, whatever the rules leave open. */
    rulesOnly: z.boolean().optional(),
    /** The person's own values for parameters of the template that a model chose. */
    values: z.record(z.string().max(40), z.string().max(200)).optional(),
  }),
  output: z.object({
    details: z.array(jsonObject),
    sentences: z.array(z.string()),
    digest: z.string(),
    /** By which way `details` came about. */
    by: z.enum(['words', 'template', 'model']),
    /** The template whose sentence the words are, or that a model chose. */
    template: z.string().optional(),
    /** The model that was asked, and why `details` are not by it. */
    model: z.object({ name: z.string(), why: z.string().optional() }).optional(),
    /** What a model suggests with values that the person did not write; nothing of it is in `details`. */
    suggested: z
      .object({
        template: z.string(),
        sentences: z.array(z.string()),
        values: z.array(z.object({ name: z.string(), value: z.string(), said: z.boolean() })),
      })
      .optional(),
    /** To be handed to `delegation.create` with `details` or less: the record says how they came about. */
    proposal: z.string().optional(),
  }),
})

export const keepTemplate = operation({
  id: 'template.keep',
  asker: 'person',
  method: 'POST',
  path: '/archetypes/{archetype}/templates',
  summary: 'Keep a request that recurs, with the scope that it needs.',
  input: z.strictObject({
    archetype: slug,
    name: slug,
    sentence: z.string().min(1).max(500),
    details: z.array(jsonObject).min(1).max(50),
    /** Of parameters by name: `type` (`text` or `number`), `within` (a condition on the value). */
    parameters: z.record(z.string().max(40), jsonObject).optional(),
  }),
  output: done,
})

export const removeTemplate = operation({
  id: 'template.remove',
  asker: 'person',
  method: 'DELETE',
  path: '/archetypes/{archetype}/templates/{name}',
  summary: 'Remove a request that recurs; what was delegated by it stays.',
  input: z.strictObject({ archetype: slug, name: slug }),
  output: done,
})

export const listTemplates = operation({
  id: 'template.list',
  asker: 'person',
  method: 'GET',
  path: '/archetypes/{archetype}/templates',
  summary: 'The requests that recur for a kind of agent.',
  input: z.strictObject({ archetype: slug }),
  output: z.object({
    templates: z.array(
      z.object({
        name: z.string(),
        sentence: z.string(),
        details: z.array(jsonObject),
        parameters: z.record(z.string(), jsonObject).optional(),
        /** One for each part of `details`, with `{parameters}` where values belong. */
        sentences: z.array(z.string()),
      }),
    ),
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

const budget = z.object({ refusals: z.int(), withinSeconds: z.int() })

export const setRefusalBudget = operation({
  id: 'budget.set',
  asker: 'person',
  method: 'POST',
  path: '/archetypes/{archetype}/refusal-budget',
  summary: 'Set after how many refusals, within how long, an agent of a kind is suspended.',
  input: z.strictObject({ archetype: slug, refusals: z.int(), withinSeconds: z.int() }),
  output: budget,
})

export const showRefusalBudget = operation({
  id: 'budget.show',
  asker: 'person',
  method: 'GET',
  path: '/archetypes/{archetype}/refusal-budget',
  summary: 'After how many refusals, within how long, an agent of a kind is suspended.',
  input: z.strictObject({ archetype: slug }),
  output: budget,
})
