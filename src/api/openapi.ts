/** The administration API as an OpenAPI 3.1 document, derived from the table of operations. */

import * as z from 'zod'
import type { Json, JsonObject } from '../base/canonical-json.ts'
import { type Operation, PROBLEM_TYPE, problemSchema } from './operation.ts'
import { OPERATIONS } from './operations.ts'

/** The document that `/api/openapi.json` serves; `issuer` is the public origin. */
export function openApiDocument(issuer: string, version: string): JsonObject {
  const paths: Record<string, Record<string, Json>> = {}
  for (const row of Object.values(OPERATIONS) as readonly Operation[]) {
    const path = (paths[row.path] ??= {})
    path[row.method.toLowerCase()] = describe(row)
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Behalf administration API',
      version,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: `${issuer}/api/v1` }],
    paths,
    components: {
      schemas: { Problem: schemaOf(problemSchema, 'output') },
      securitySchemes: {
        session: { type: 'http', scheme: 'bearer', description: 'the token of a signed-in person' },
        agent: {
          type: 'http',
          scheme: 'dpop',
          description: 'an access token whose audience is this API',
        },
      },
    },
  }
}

function describe(row: Operation): JsonObject {
  const input = schemaOf(row.input, 'input')
  const properties = (input['properties'] ?? {}) as Record<string, Json>
  const required = (input['required'] ?? []) as readonly string[]
  const inPath = [...row.path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name)
  const rest = Object.keys(properties).filter((name) => !inPath.includes(name))
  const parameter = (name: string, where: string): JsonObject => ({
    name,
    in: where,
    required: where === 'path' || required.includes(name),
    schema: properties[name] ?? {},
  })
  const inQuery = row.method === 'GET' ? rest : []
  const inBody = row.method === 'GET' ? [] : rest
  return {
    operationId: row.id,
    summary: row.summary,
    security:
      row.asker === 'anyone' ? [] : [{ [row.asker === 'person' ? 'session' : 'agent']: [] }],
    parameters: [
      ...inPath.map((name) => parameter(name, 'path')),
      ...inQuery.map((name) => parameter(name, 'query')),
    ],
    ...(inBody.length > 0 && {
      requestBody: {
        required: true,
        content: { 'application/json': { schema: bodyOf(inBody, properties, required) } },
      },
    }),
    responses: {
      200: {
        description: 'done',
        content: { 'application/json': { schema: schemaOf(row.output, 'output') } },
      },
      default: {
        description: 'refused',
        content: { [PROBLEM_TYPE]: { schema: { $ref: '#/components/schemas/Problem' } } },
      },
    },
  }
}

function bodyOf(
  names: readonly string[],
  properties: Readonly<Record<string, Json>>,
  required: readonly string[],
): JsonObject {
  return {
    type: 'object',
    properties: Object.fromEntries(names.map((name) => [name, properties[name] ?? {}])),
    required: names.filter((name) => required.includes(name)),
    additionalProperties: false,
  }
}

function schemaOf(schema: z.ZodType, io: 'input' | 'output'): JsonObject {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' })
  return rest as JsonObject
}
