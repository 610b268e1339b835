/**
 * Does a value conform to a pinned JSON Schema, with nothing in it that the schema does not speak of?
 *
 * Call `conforms`. `compileSchema` says beforehand, at review, whether a schema can be enforced at all:
 * a keyword that is not enforced here makes the definition unreviewable, it never passes silently.
 *
 * The dialect is what JSON Schema 2020-12 and draft-07 share and MCP servers use. One rule is ours:
 * **a property or item that no schema speaks of is refused**, also where `additionalProperties` is
 * unset, because nobody reviewed it and servers differ in what they do with it. `additionalProperties:
 * true` or a schema there, and the schemas `true` and `{}`, say that anything is meant. So a value is
 * accepted only if the standard accepts it and every part of it was spoken of by some schema that
 * held (the set that 2020-12 §11 calls evaluated).
 *
 * Costs are bounded: patterns run in linear time (`pattern.ts`), and every check spends from a budget.
 */

import type { Json, JsonObject } from '../base/canonical-json.ts'
import { ok, refuse, type Result } from '../base/result.ts'
import { isObject } from './message.ts'
import { PatternCost } from './pattern.ts'
import { keywordChecks, SchemaFault, type Check, type Compile } from './schema-keywords.ts'
import { Evaluation } from './schema-evaluation.ts'

/** A value that does not conform: where (`edits[0].oldText`) and what was expected, never the value. */
export interface NonConformance {
  readonly reason: 'arguments_invalid'
  readonly at: string
  readonly message: string
}

/** A schema that cannot be enforced: where in it (a JSON Pointer) and why. */
export interface UnsupportedSchema {
  readonly reason: 'schema_unsupported'
  readonly at: string
  readonly message: string
}

/** A compiled schema. */
export type Schema = (value: Json) => Result<undefined, NonConformance>

const compiled = new WeakMap<JsonObject, Result<Schema, UnsupportedSchema>>()

/** Whether `value` conforms to `schema`; one that cannot be enforced is conformed to by nothing. */
export function conforms(
  value: Json,
  schema: JsonObject,
): Result<undefined, NonConformance | UnsupportedSchema> {
  let known = compiled.get(schema)
  if (known === undefined) compiled.set(schema, (known = compileSchema(schema)))
  return known.ok ? known.value(value) : known
}

/** The check that `schema` stands for. */
export function compileSchema(schema: JsonObject): Result<Schema, UnsupportedSchema> {
  let root: Check
  try {
    root = new Compiler(schema).whole()
  } catch (fault) {
    if (!(fault instanceof SchemaFault)) throw fault
    return refuse({ reason: 'schema_unsupported', at: fault.at, message: fault.message })
  }
  return ok((value) => {
    const evaluation = new Evaluation()
    try {
      if (root(value, evaluation) && evaluation.spokenOf(value)) return ok()
    } catch (cause) {
      if (!(cause instanceof PatternCost)) throw cause
      evaluation.fault('a value that is cheaper to check')
    }
    return refuse({ reason: 'arguments_invalid', ...evaluation.problem() })
  })
}

const MAX_SCHEMAS = 5_000
const MAX_DEPTH = 100
const DRAFTS = /^https?:\/\/json-schema\.org\/(?:draft-0[67]|draft\/20(?:19-09|20-12))\/schema#?$/

/** Compiles each subschema once, and follows references within the document only. */
class Compiler {
  readonly #root: JsonObject
  readonly #done = new Map<JsonObject, { check: Check }>()
  /** Which schemas a schema applies to the same place in the value. */
  readonly #inPlace = new Map<JsonObject, Set<JsonObject>>()
  #depth = 0

  constructor(root: JsonObject) {
    this.#root = root
  }

  whole(): Check {
    const { $schema } = this.#root
    if ($schema !== undefined && (typeof $schema !== 'string' || !DRAFTS.test($schema))) {
      throw new SchemaFault('/$schema', 'expected draft-07, 2019-09 or 2020-12')
    }
    const check = this.#schema(this.#root, '', undefined)
    this.#refuseLoops()
    return check
  }

  /** `within` is the schema that applies this one in place; undefined when this one goes a step down. */
  #schema(schema: Json | undefined, at: string, within: JsonObject | undefined): Check {
    if (schema === true) return anything
    if (schema === false) return (_value, run) => run.fault('nothing')
    if (!isObject(schema)) throw new SchemaFault(at, 'expected a schema')
    if (within !== undefined) {
      const applied = this.#inPlace.get(within) ?? new Set()
      this.#inPlace.set(within, applied.add(schema))
    }
    const known = this.#done.get(schema)
    if (known !== undefined) return (value, run) => known.check(value, run)
    if (this.#done.size >= MAX_SCHEMAS || ++this.#depth > MAX_DEPTH) {
      throw new SchemaFault(at, 'expected a smaller schema')
    }
    if (schema !== this.#root && schema['$id'] !== undefined) {
      throw new SchemaFault(at, 'expected no `$id` within')
    }
    const entry = { check: anything }
    this.#done.set(schema, entry)
    const compile: Compile = {
      below: (child, keyword) => this.#schema(child, `${at}/${keyword}`, undefined),
      inPlace: (child, keyword) => this.#schema(child, `${at}/${keyword}`, schema),
      reference: (target) => {
        const pointed = this.#resolve(target, at)
        return this.#schema(pointed, target.slice(1), schema)
      },
    }
    const checks = keywordChecks(schema, at, compile)
    this.#depth--
    entry.check = checks.length === 0 ? anything : all(checks)
    return entry.check
  }

  /** RFC 6901 within this document; anything else would have to be fetched. */
  #resolve(reference: string, at: string): Json {
    if (reference !== '#' && !reference.startsWith('#/')) {
      throw new SchemaFault(`${at}/$ref`, 'expected a reference within the schema')
    }
    let target: Json | undefined = this.#root
    for (const token of reference.split('/').slice(1)) {
      target = member(target, decodeToken(token))
    }
    if (target === undefined)
      throw new SchemaFault(`${at}/$ref`, 'expected something at the reference')
    return target
  }

  /** A schema that applies itself in place would never come to an end. */
  #refuseLoops(): void {
    const open = new Set<JsonObject>()
    const closed = new Set<JsonObject>()
    const visit = (schema: JsonObject): void => {
      if (closed.has(schema)) return
      if (open.has(schema)) throw new SchemaFault('', 'expected references that come to an end')
      open.add(schema)
      for (const next of this.#inPlace.get(schema) ?? []) visit(next)
      open.delete(schema)
      closed.add(schema)
    }
    for (const schema of this.#inPlace.keys()) visit(schema)
  }
}

function member(within: Json | undefined, name: string | undefined): Json | undefined {
  if (name === undefined || typeof within !== 'object' || within === null) return undefined
  return Object.hasOwn(within, name) ? (within as JsonObject)[name] : undefined
}

function decodeToken(token: string): string | undefined {
  try {
    return decodeURIComponent(token).replaceAll('~1', '/').replaceAll('~0', '~')
  } catch {
    return undefined
  }
}

const anything: Check = (value, run) => run.speakOfAll(value)

function all(checks: readonly Check[]): Check {
  return (value, run) => run.look(value, () => checks.every((check) => check(value, run)))
}
