/** A prompt's arguments as a schema, so that they are held to its definition as a tool's are. */

import type { Json, JsonObject } from '../base/canonical-json.ts'
import type { Result } from '../base/result.ts'
import { isObject } from './message.ts'
import { conforms, type NonConformance, type UnsupportedSchema } from './schema.ts'

const made = new WeakMap<JsonObject, JsonObject>()

/** Whether `args` are what the prompt `definition` declares: its names, texts, all that are required. */
export function conformsToPrompt(
  args: JsonObject,
  definition: JsonObject,
): Result<undefined, NonConformance | UnsupportedSchema> {
  let schema = made.get(definition)
  if (schema === undefined) made.set(definition, (schema = schemaOf(definition)))
  return conforms(args, schema)
}

function schemaOf(definition: JsonObject): JsonObject {
  const declared: readonly Json[] = Array.isArray(definition['arguments'])
    ? definition['arguments']
    : []
  const named = declared.filter(isObject).map(({ name, required }) => ({
    name: typeof name === 'string' ? name : '',
    required: required === true,
  }))
  return {
    type: 'object',
    properties: Object.fromEntries(named.map(({ name }) => [name, { type: 'string' }])),
    required: named.filter((each) => each.required).map(({ name }) => name),
  }
}
