/**
 * The parameters of a tool, and every value in them, read from its input schema: `parametersOf`, `placesOf`.
 *
 * A schema is read generously, since whatever a caller may write is of interest: each alternative counts,
 * and what a reference names.
 */

import type { Json, JsonObject } from '../base/canonical-json.ts'
import { isObject } from '../mcp/message.ts'

/** A parameter of a tool. */
export interface Parameter {
  readonly name: string
  readonly description: string
  readonly types: readonly string[]
  readonly isList: boolean
  readonly isChoice: boolean
}

/** Whatever has an input schema. */
interface Taking {
  readonly inputSchema?: JsonObject
}

/** The parameters of a tool, from its input schema. */
export function parametersOf({ inputSchema }: Taking): readonly Parameter[] {
  const properties = memberOf(inputSchema, 'properties')
  if (properties === undefined) return []
  return Object.entries(properties).flatMap(([name, schema]) =>
    isObject(schema) ? [parameter(name, schema, inputSchema ?? {})] : [],
  )
}

/** A value in a tool's arguments. */
export interface Place {
  /** As a sink's path has it. */
  readonly path: string
  readonly parameter: Parameter
  /** The member that it stands in. */
  readonly within?: string
}

const MOST_DEPTH = 6
const MOST_PLACES = 500
/** Alternatives and members looked at: of a type that holds itself in many members there would be no end. */
const MOST_STEPS = 5_000

/**
 * Every scalar that a tool takes, in lists, in objects, in the names of members that callers choose: as deep
 * as so many steps reach, so that nothing deep hides what stands above it.
 */
export function placesOf({ inputSchema = {} }: Taking): readonly Place[] {
  let places: readonly Place[] = []
  for (let deepest = 0; deepest <= MOST_DEPTH; deepest++) {
    const walk: Walk = { root: inputSchema, deepest, found: [], steps: 0 }
    visit(inputSchema, { path: '', depth: 0 }, walk)
    if (deepest > 0 && isOver(walk)) break
    places = walk.found
  }
  return places
}

interface Walk {
  readonly root: JsonObject
  readonly deepest: number
  readonly found: Place[]
  steps: number
}

function isOver({ found, steps }: Walk): boolean {
  return found.length >= MOST_PLACES || steps >= MOST_STEPS
}

interface Above {
  readonly path: string
  readonly name?: string
  readonly depth: number
}

function visit(schema: JsonObject, above: Above, walk: Walk): void {
  const { root, found } = walk
  if (above.depth > walk.deepest) return
  for (const one of alternativesOf(schema, root)) {
    if (isOver(walk)) return
    walk.steps++
    const { properties, additionalProperties: others, propertyNames: names } = one
    const within = above.name === undefined ? {} : { within: above.name }
    // A map: its names are values, and reach what the map is named for.
    if (above.name !== undefined && (isObject(others) || isObject(names))) {
      const key = { ...(isObject(names) ? names : {}), type: 'string' }
      push(found, {
        path: `${above.path}{}`,
        parameter: parameter(above.name, key, root),
        ...within,
      })
    }
    if (!isObject(properties)) continue
    for (const [name, member] of Object.entries(properties)) {
      if (isOver(walk)) return
      walk.steps++
      if (!isObject(member)) continue
      const path = above.path === '' ? name : `${above.path}.${name}`
      const whole = parameter(name, member, root)
      const isScalar = whole.types.some((type) => type !== 'array' && type !== 'object')
      if (isScalar)
        push(found, { path: whole.isList ? `${path}[]` : path, parameter: whole, ...within })
      const below = { name, depth: above.depth + 1 }
      for (const each of alternativesOf(member, root)) {
        if (isObject(each['items'])) visit(each['items'], { ...below, path: `${path}[]` }, walk)
        visit(each, { ...below, path }, walk)
      }
    }
  }
}

/** Once each, whichever alternative of a schema it stands in. */
function push(found: Place[], place: Place): void {
  if (!found.some(({ path }) => path === place.path)) found.push(place)
}

function parameter(name: string, schema: JsonObject, root: JsonObject): Parameter {
  const alternatives = alternativesOf(schema, root)
  const items = alternatives.flatMap((one) => (isObject(one['items']) ? [one['items']] : []))
  const scalars = [...alternatives, ...items.flatMap((one) => alternativesOf(one, root))]
  const { description } = schema
  return {
    name,
    description: typeof description === 'string' ? description : '',
    types: scalars.flatMap(({ type, format }) =>
      [type, format].filter((one) => typeof one === 'string'),
    ),
    isList: alternatives.some(({ type }) => type === 'array'),
    isChoice: scalars.some((one) => Array.isArray(one['enum']) || 'const' in one),
  }
}

function alternativesOf(schema: JsonObject, root: JsonObject): JsonObject[] {
  const { anyOf, oneOf, $ref } = schema
  if (typeof $ref === 'string') {
    const defs = memberOf(root, '$defs') ?? memberOf(root, 'definitions') ?? {}
    const found = defs[$ref.split('/').at(-1) ?? '']
    // What refers to another reference is looked up where it is visited.
    return isObject(found) ? [found] : [schema]
  }
  const several = Array.isArray(anyOf) ? anyOf : Array.isArray(oneOf) ? oneOf : undefined
  if (several === undefined) return [schema]
  return (several as readonly Json[]).filter(isObject).flatMap((one) => alternativesOf(one, root))
}

function memberOf(value: JsonObject | undefined, name: string): JsonObject | undefined {
  const member = value?.[name]
  return isObject(member) ? member : undefined
}
