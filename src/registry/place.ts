/** Places in a schema: whether arguments could have something where a sink says. */

import type { Json, JsonObject } from '../base/canonical-json.ts'
import { isObject } from '../mcp/message.ts'

const MAX_DEPTH = 40

/** Whether `schema` speaks of the place `path` (`edits[].path`): a misspelt sink would check nothing. */
export function hasPlace(schema: JsonObject, path: string): boolean {
  return speaksOf(schema, path.split(/\.|(?=\[\]|\{\})/), { root: schema, depth: 0 })
}

interface Around {
  readonly root: JsonObject
  readonly depth: number
}

function speaksOf(schema: Json | undefined, steps: readonly string[], around: Around): boolean {
  const [step, ...rest] = steps
  if (step === undefined) return schema !== undefined && schema !== false
  if (!isObject(schema) || around.depth > MAX_DEPTH) return false
  const deeper = { ...around, depth: around.depth + 1 }
  const below =
    step === '[]' ? itemsOf(schema) : step === '{}' ? namesOf(schema) : membersOf(schema, step)
  return (
    below.some((each) => speaksOf(each, rest, deeper)) ||
    sameValue(schema, around.root).some((each) => speaksOf(each, steps, deeper))
  )
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
