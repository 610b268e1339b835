/**
 * Sinks that a server fills by itself: what a call reaches must be said by the call.
 *
 * A sink that is absent reaches nothing, so an intent need not speak of it. Where the schema has a
 * `default` for it, the server takes that instead, and the call reaches what nobody decided about: such
 * a sink has to be spelled out.
 */

import type { Json, JsonObject } from '../base/canonical-json.ts'
import { ok, refuse, type Result } from '../base/result.ts'
import type { Sink } from './canonical.ts'
import { isObject } from './message.ts'

/** A sink that the server would fill. `at` is its path. */
export interface Unsaid {
  readonly reason: 'argument_unsaid'
  readonly at: string
  readonly message: string
}

/** Refuses arguments that leave out a sink for which `schema` has a default. */
export function checkDefaults(
  args: JsonObject,
  sinks: readonly Pick<Sink, 'path'>[],
  schema: JsonObject,
): Result<undefined, Unsaid> {
  for (const { path } of sinks) {
    const steps = path
      .replace(/\{\}$/, '')
      .split('.')
      .flatMap((step) => step.split(/(?=\[\])/))
    const search: Search = { root: schema, left: MOST_SCHEMAS, known: new Map() }
    if (!isFilled(args, steps, [schema], search)) continue
    const message = 'expected what the server would fill in to be said'
    return refuse({ reason: 'argument_unsaid', at: path, message })
  }
  return ok()
}

/** The document that references are within, and how many more schemas may be looked at. */
interface Search {
  readonly root: JsonObject
  left: number
  /** Those that were looked at, each with what speaks of the same place: many items have one schema. */
  readonly known: Map<JsonObject, readonly JsonObject[]>
}

const MOST_SCHEMAS = 2_000

/** Whether something along `steps` is absent from `value` and has a default in one of `schemas`. */
function isFilled(
  value: Json | undefined,
  steps: readonly string[],
  schemas: readonly Json[],
  search: Search,
): boolean {
  const all = alternatives(schemas, search)
  // A default above may hold the sink, or be completed by the defaults within. Where there was too much to
  // look at, there may be one.
  const mayFill = search.left < 0 || all.some((schema) => isSaid(schema['default']))
  if (value === undefined && mayFill) return true
  const [step, ...rest] = steps
  if (step === undefined) return false
  if (step === '[]') {
    const items = all.flatMap((schema) => [schema['items'] ?? [], schema['prefixItems'] ?? []])
    return Array.isArray(value)
      ? value.some((item: Json) => isFilled(item, rest, items.flat(), search))
      : false
  }
  const below = all.flatMap(({ properties }) =>
    isObject(properties) && Object.hasOwn(properties, step) ? (properties[step] ?? []) : [],
  )
  // What is absent is looked for all the same: its schema may fill it, and so what is within.
  const member = isObject(value) && Object.hasOwn(value, step) ? value[step] : undefined
  return isFilled(member, rest, below.flat(), search)
}

function isSaid(value: Json | undefined): boolean {
  return value !== undefined && value !== null
}

/** Every schema that may speak of the same place: references and alternatives, whichever would hold. */
function alternatives(schemas: readonly Json[], search: Search): readonly JsonObject[] {
  return [...new Set(schemas.filter(isObject).flatMap((one) => alternativesTo(one, search)))]
}

function alternativesTo(one: JsonObject, search: Search): readonly JsonObject[] {
  const known = search.known.get(one)
  if (known !== undefined) return known
  const found: JsonObject[] = []
  const open: Json[] = [one]
  for (let schema = open.pop(); schema !== undefined; schema = open.pop()) {
    if (!isObject(schema) || found.includes(schema) || search.left-- <= 0) continue
    found.push(schema)
    for (const keyword of ['allOf', 'anyOf', 'oneOf'] as const) {
      const listed = schema[keyword]
      if (Array.isArray(listed)) open.push(...(listed as readonly Json[]))
    }
    for (const keyword of ['then', 'else'] as const) open.push(schema[keyword] ?? true)
    const { $ref: reference } = schema
    if (typeof reference === 'string') open.push(resolved(reference, search.root) ?? true)
  }
  search.known.set(one, found)
  return found
}

/** RFC 6901 within the document; the schema compiler refused what leads elsewhere. */
function resolved(reference: string, root: JsonObject): Json | undefined {
  let at: Json | undefined = root
  for (const token of reference.split('/').slice(1)) {
    const name = token.replaceAll('~1', '/').replaceAll('~0', '~')
    at = isObject(at) && Object.hasOwn(at, name) ? at[name] : undefined
  }
  return at
}
