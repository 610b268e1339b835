/** Places in a schema: whether arguments could have something where a sink says. */

import type { Json, JsonObject } from '../base/canonical-json.ts'
import { isObject } from '../mcp/message.ts'

/**
 * Whether `schema` speaks of the place `path` (`edits[].path`): a misspelt sink would check nothing. Each part
 * of the schema is looked at once for each step, however many references lead to it.
 */
export function hasPlace(schema: JsonObject, path: string): boolean {
  const steps = path.split(/\.|(?=\[\]|\{\})/)
  const seen = steps.map(() => new Set<JsonObject>())
  const open: { readonly part: Json | undefined; readonly taken: number }[] = []
  const look = (parts: readonly (Json | undefined)[], taken: number): void => {
    for (const part of parts) open.push({ part, taken })
  }
  look([schema], 0)
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { part, taken } = next
    const [step, before] = [steps[taken], seen[taken]]
    if (step === undefined || before === undefined) {
      if (part !== undefined && part !== false) return true
    } else if (isObject(part) && !before.has(part)) {
      before.add(part)
      look(sameValue(part, schema), taken)
      look(belowBy(step, part), taken + 1)
    }
  }
  return false
}

/** What speaks of the value that a step leads to. */
function belowBy(step: string, schema: JsonObject): (Json | undefined)[] {
  if (step === '[]') return itemsOf(schema)
  return step === '{}' ? namesOf(schema) : membersOf(schema, step)
}

function membersOf(schema: JsonObject, name: string): (Json | undefined)[] {
  const { properties, additionalProperties } = schema
  if (isObject(properties) && Object.hasOwn(properties, name)) return [properties[name]]
  return isObject(additionalProperties) ? [additionalProperties] : []
}

/** What speaks of members whose names callers choose. */
function namesOf({ additionalProperties, propertyNames }: JsonObject): (Json | undefined)[] {
  return additionalProperties === false ? [] : [additionalProperties, propertyNames]
}

function itemsOf(schema: JsonObject): (Json | undefined)[] {
  const { items, prefixItems } = schema
  return [items, prefixItems].flatMap((each) => (Array.isArray(each) ? (each as Json[]) : [each]))
}

/** The schemas that speak of the same value. */
function sameValue(schema: JsonObject, root: JsonObject): (Json | undefined)[] {
  const alternatives = ['allOf', 'anyOf', 'oneOf'].flatMap((keyword) => {
    const list = schema[keyword]
    return Array.isArray(list) ? (list as Json[]) : []
  })
  const reference = schema['$ref']
  const target = typeof reference === 'string' ? pointed(root, reference) : undefined
  return [...alternatives, schema['then'], schema['else'], target]
}

function pointed(root: JsonObject, reference: string): Json | undefined {
  let found: Json | undefined = root
  for (const token of reference.split('/').slice(1)) {
    const name = token.replaceAll('~1', '/').replaceAll('~0', '~')
    found = isObject(found) && Object.hasOwn(found, name) ? found[name] : undefined
  }
  return found
}
