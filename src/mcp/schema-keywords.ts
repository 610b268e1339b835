/**
 * The keywords of JSON Schema that are enforced, one line each (2020-12 Core and Validation, draft-07).
 *
 * `keywordChecks` makes the checks of one schema object. A keyword without a line here and outside
 * `ANNOTATIONS` is a `SchemaFault`, and so is one whose value has the wrong shape.
 */

import { canonicalJson, type Json, type JsonObject } from '../base/canonical-json.ts'
import { isObject } from './message.ts'
import { compilePattern, type Pattern } from './pattern.ts'
import type { Evaluation } from './schema-evaluation.ts'

/** Whether a value holds; it notes on the evaluation what it speaks of. */
export type Check = (value: Json, run: Evaluation) => boolean

/** How a keyword compiles the schemas within it. */
export interface Compile {
  /** For a schema of a member or item. */
  readonly below: (schema: Json | undefined, keyword: string) => Check
  /** For a schema of the same value. */
  readonly inPlace: (schema: Json | undefined, keyword: string) => Check
  readonly reference: (target: string) => Check
}

/** A schema that cannot be enforced. `at` is a JSON Pointer. */
export class SchemaFault extends Error {
  readonly at: string
  constructor(at: string, message: string) {
    super(message)
    this.at = at
  }
}

/** Keywords that demand nothing of a value. `format` is an annotation (2020-12 Validation §7.2.1). */
const ANNOTATIONS: ReadonlySet<string> = new Set(
  `$schema $id $comment $defs definitions title description default examples deprecated readOnly
   writeOnly format contentEncoding contentMediaType contentSchema`.split(/\s+/),
)

/** The checks that `schema` demands, none if it demands nothing. */
export function keywordChecks(schema: JsonObject, at: string, compile: Compile): Check[] {
  const checks: Check[] = []
  for (const keyword of Object.keys(schema)) {
    if (ANNOTATIONS.has(keyword) || keyword.startsWith('x-')) continue
    const make = KEYWORDS.get(keyword)
    const given = schema[keyword]
    if (make === undefined || given === undefined) {
      throw new SchemaFault(`${at}/${keyword}`, 'expected a keyword that can be enforced')
    }
    const expect: Expect = (shape) => {
      throw new SchemaFault(`${at}/${keyword}`, `expected ${shape}`)
    }
    const check = make(given, { schema, compile, expect })
    if (check !== undefined) checks.push(check)
  }
  return checks
}

type Expect = (shape: string) => never
interface Around {
  readonly schema: JsonObject
  readonly compile: Compile
  /** Throws that the keyword's own value has another shape. */
  readonly expect: Expect
}
type Make = (given: Json, around: Around) => Check | undefined

const KEYWORDS: ReadonlyMap<string, Make> = new Map<string, Make>([
  // any value
  ['type', typed],
  ['enum', (given, { expect }) => oneOfValues(isList(given) ? given : expect('a list'))],
  ['const', (given) => oneOfValues([given])],
  // in place
  ['$ref', (given, { compile, expect }) => compile.reference(text(given, expect))],
  ['allOf', (given, around) => every(schemas(given, 'allOf', around))],
  ['anyOf', (given, around) => some(schemas(given, 'anyOf', around))],
  ['oneOf', (given, around) => one(schemas(given, 'oneOf', around))],
  ['not', (given, { compile }) => not(compile.inPlace(given, 'not'))],
  ['if', conditional],
  ['then', () => undefined],
  ['else', () => undefined],
  // numbers
  ['minimum', (given, around) => numeric(given, around, AT_LEAST)],
  ['maximum', (given, around) => numeric(given, around, AT_MOST)],
  ['exclusiveMinimum', (given, around) => numeric(given, around, MORE_THAN)],
  ['exclusiveMaximum', (given, around) => numeric(given, around, LESS_THAN)],
  ['multipleOf', (given, around) => numeric(given, around, MULTIPLE_OF)],
  // strings
  ['minLength', (given, around) => sized(given, around, length, AT_LEAST)],
  ['maxLength', (given, around) => sized(given, around, length, AT_MOST)],
  ['pattern', (given, { expect }) => patterned(pattern(text(given, expect), expect))],
  // lists
  ['items', items],
  ['prefixItems', (given, around) => prefix(given, 'prefixItems', around)],
  ['additionalItems', () => undefined],
  ['minItems', (given, around) => sized(given, around, count, AT_LEAST)],
  ['maxItems', (given, around) => sized(given, around, count, AT_MOST)],
  ['uniqueItems', unique],
  ['unevaluatedItems', closedAnyway],
  // objects
  ['properties', properties],
  ['patternProperties', patternProperties],
  ['additionalProperties', additionalProperties],
  ['propertyNames', propertyNames],
  ['required', required],
  ['dependentRequired', dependentRequired],
  ['minProperties', (given, around) => sized(given, around, members, AT_LEAST)],
  ['maxProperties', (given, around) => sized(given, around, members, AT_MOST)],
  ['unevaluatedProperties', closedAnyway],
])

/** A comparison with a number that the schema names. */
interface Bound {
  readonly holds: (measured: number, bound: number) => boolean
  readonly words: string
}
const AT_LEAST: Bound = { holds: (n, bound) => n >= bound, words: 'at least' }
const AT_MOST: Bound = { holds: (n, bound) => n <= bound, words: 'at most' }
const MORE_THAN: Bound = { holds: (n, bound) => n > bound, words: 'more than' }
const LESS_THAN: Bound = { holds: (n, bound) => n < bound, words: 'less than' }
const MULTIPLE_OF: Bound = { holds: (n, by) => Number.isInteger(n / by), words: 'a multiple of' }

const TYPES: ReadonlyMap<string, (value: Json) => boolean> = new Map<string, (v: Json) => boolean>([
  ['null', (value) => value === null],
  ['boolean', (value) => typeof value === 'boolean'],
  ['number', (value) => typeof value === 'number'],
  ['integer', (value) => Number.isInteger(value)],
  ['string', (value) => typeof value === 'string'],
  ['array', isList],
  ['object', isObject],
])

function typed(given: Json, { expect }: Around): Check {
  const names = texts(isList(given) ? given : [given], expect)
  const tests = names.map((name) => TYPES.get(name) ?? expect('types of JSON Schema'))
  return (value, run) => tests.some((test) => test(value)) || run.fault(names.join(' or '))
}

function oneOfValues(values: readonly Json[]): Check {
  const scalars = new Set(values.filter((value) => !isCompound(value)))
  const compounds = new Set(values.filter(isCompound).map(canonicalJson))
  return (value, run) => {
    const listed = isCompound(value)
      ? compounds.size > 0 && compounds.has(run.canonical(value))
      : scalars.has(value)
    // A value that is spelled out in the schema is spoken of to its last member.
    return listed ? run.speakOfAll(value) : run.fault('one of the values that the schema lists')
  }
}

function isCompound(value: Json): value is readonly Json[] | JsonObject {
  return typeof value === 'object' && value !== null
}

function every(checks: readonly Check[]): Check {
  return (value, run) => checks.every((check) => check(value, run))
}

/** All alternatives are tried: each that holds may speak of other members (2020-12 §10.2.1.2). */
function some(checks: readonly Check[]): Check {
  return (value, run) => {
    let held = false
    for (const check of checks) if (run.attempt(() => check(value, run))) held = true
    return held || run.fault('one of the alternatives')
  }
}

function one(checks: readonly Check[]): Check {
  return (value, run) => {
    let held = 0
    for (const check of checks) if (run.attempt(() => check(value, run))) held++
    // An alternative that ran out of budget might have been a second one.
    return (held === 1 && !run.exhausted()) || run.fault('exactly one of the alternatives')
  }
}

function not(check: Check): Check {
  return (value, run) =>
    (!run.attempt(() => check(value, run)) && !run.exhausted()) || run.fault('something else')
}

function conditional(given: Json, { schema, compile }: Around): Check {
  const when = compile.inPlace(given, 'if')
  const [held, failed] = ['then', 'else'].map((keyword): Check => {
    const branch = schema[keyword]
    // An absent branch demands nothing, and speaks of nothing either.
    return branch === undefined ? () => true : compile.inPlace(branch, keyword)
  })
  return (value, run) => {
    const branch = run.attempt(() => when(value, run)) ? held : failed
    return !run.exhausted() && branch?.(value, run) === true
  }
}

function numeric(given: Json, { expect }: Around, { holds, words }: Bound): Check {
  // Draft-04's `exclusiveMinimum: true` ends here too.
  const bound = typeof given === 'number' ? given : expect('a number')
  return (value, run) =>
    typeof value !== 'number' || holds(value, bound) || run.fault(`${words} ${bound}`)
}

/** `measure` is undefined for values that have no such size. */
function sized(
  given: Json,
  { expect }: Around,
  measure: (value: Json) => number | undefined,
  { holds, words }: Bound,
): Check {
  const bound = Number.isSafeInteger(given) && Number(given) >= 0 ? Number(given) : expect('a size')
  return (value, run) => {
    const size = measure(value)
    return size === undefined || holds(size, bound) || run.fault(`a size of ${words} ${bound}`)
  }
}

/** In code points (2020-12 Validation §6.3.1). */
function length(value: Json): number | undefined {
  if (typeof value !== 'string') return undefined
  let points = value.length
  for (let i = 0; i < value.length; i++) {
    const unit = value.charCodeAt(i)
    if (unit >= 0xdc00 && unit <= 0xdfff) points--
  }
  return points
}

function count(value: Json): number | undefined {
  return isList(value) ? value.length : undefined
}

function members(value: Json): number | undefined {
  return isObject(value) ? Object.keys(value).length : undefined
}

function patterned(matches: Pattern): Check {
  return (value, run) =>
    typeof value !== 'string' ||
    matches(value, run.patternBudget) ||
    run.fault('a text of the pattern')
}

function pattern(source: string, expect: Expect): Pattern {
  const compiled = compilePattern(source)
  return compiled.ok ? compiled.value : expect(compiled.error.message.replace(/^expected /, ''))
}

function items(given: Json, around: Around): Check {
  const { schema, compile } = around
  // Draft-07 §6.4.1: a list here is what 2020-12 calls `prefixItems`.
  if (isList(given)) {
    const first = prefix(given, 'items', around)
    const rest = schema['additionalItems']
    if (rest === undefined) return first
    const more = itemsFrom(given.length, compile.below(rest, 'additionalItems'))
    return (value, run) => first(value, run) && more(value, run)
  }
  const before = schema['prefixItems']
  return itemsFrom(isList(before) ? before.length : 0, compile.below(given, 'items'))
}

function itemsFrom(start: number, check: Check): Check {
  return (value, run) => {
    if (!isList(value)) return true
    for (let i = start; i < value.length; i++) {
      if (!run.below(value, i, () => check(value[i] as Json, run))) return false
    }
    return true
  }
}

function prefix(given: Json, keyword: string, { compile, expect }: Around): Check {
  const list = isList(given) ? given : expect('a list of schemas')
  const checks = list.map((schema, i) => compile.below(schema, `${keyword}/${i}`))
  return (value, run) =>
    !isList(value) ||
    checks.every((check, i) => {
      const item = value[i]
      return item === undefined || run.below(value, i, () => check(item, run))
    })
}

function unique(given: Json, { expect }: Around): Check | undefined {
  if (typeof given !== 'boolean') return expect('a boolean')
  if (!given) return undefined
  return (value, run) =>
    !isList(value) ||
    new Set(value.map((item) => (isCompound(item) ? run.canonical(item) : JSON.stringify(item))))
      .size === value.length ||
    run.fault('items that differ')
}

/** What is not spoken of is refused in any case; a schema that lets it in is not enforced. */
function closedAnyway(given: Json, { expect }: Around): undefined {
  return given === false ? undefined : expect('`false`')
}

function properties(given: Json, { compile, expect }: Around): Check {
  const checks = Object.entries(isObject(given) ? given : expect('an object of schemas')).map(
    ([name, schema]) => ({ name, check: compile.below(schema, `properties/${pointer(name)}`) }),
  )
  return (value, run) => {
    if (!isObject(value)) return true
    if (!run.spend(checks.length >> 4)) return false
    for (const { name, check } of checks) {
      const member = Object.hasOwn(value, name) ? value[name] : undefined
      if (member !== undefined && !run.below(value, name, () => check(member, run))) return false
    }
    return true
  }
}

function patternProperties(given: Json, { compile, expect }: Around): Check {
  const rules = Object.entries(isObject(given) ? given : expect('an object of schemas')).map(
    ([source, schema]) => ({
      matches: pattern(source, expect),
      check: compile.below(schema, `patternProperties/${pointer(source)}`),
    }),
  )
  return (value, run) =>
    eachMember(value, (name, member) =>
      rules.every(
        ({ matches, check }) =>
          !matches(name, run.patternBudget) ||
          run.below(value as JsonObject, name, () => check(member, run)),
      ),
    )
}

function additionalProperties(given: Json, { schema, compile, expect }: Around): Check {
  const named = new Set(Object.keys(isObject(schema['properties']) ? schema['properties'] : {}))
  const patterns = Object.keys(
    isObject(schema['patternProperties']) ? schema['patternProperties'] : {},
  ).map((source) => pattern(source, expect))
  const check = compile.below(given, 'additionalProperties')
  return (value, run) =>
    eachMember(
      value,
      (name, member) =>
        named.has(name) ||
        patterns.some((matches) => matches(name, run.patternBudget)) ||
        run.below(value as JsonObject, name, () => check(member, run)),
    )
}

function propertyNames(given: Json, { compile }: Around): Check {
  const check = compile.below(given, 'propertyNames')
  return (value, run) => eachMember(value, (name) => check(name, run))
}

function required(given: Json, { expect }: Around): Check {
  const names = texts(given, expect)
  return (value, run) =>
    !isObject(value) ||
    names.every((name) => Object.hasOwn(value, name) || run.fault(`a member \`${name}\``))
}

function dependentRequired(given: Json, { expect }: Around): Check {
  const rules = Object.entries(isObject(given) ? given : expect('an object of lists')).map(
    ([name, needs]) => ({ name, needs: texts(needs, expect) }),
  )
  return (value, run) =>
    !isObject(value) ||
    rules.every(
      ({ name, needs }) =>
        !Object.hasOwn(value, name) ||
        needs.every((need) => Object.hasOwn(value, need) || run.fault(`a member \`${need}\``)),
    )
}

function eachMember(value: Json, holds: (name: string, member: Json) => boolean): boolean {
  if (!isObject(value)) return true
  return Object.entries(value).every(
    ([name, member]) => member === undefined || holds(name, member),
  )
}

function schemas(given: Json, keyword: string, { compile, expect }: Around): Check[] {
  const list = isList(given) && given.length > 0 ? given : expect('a list of schemas')
  return list.map((schema, i) => compile.inPlace(schema, `${keyword}/${i}`))
}

function texts(given: Json | undefined, expect: Expect): string[] {
  const names = isList(given) ? given : expect('a list of names')
  return names.map((name) => text(name, expect))
}

function text(given: Json, expect: Expect): string {
  return typeof given === 'string' ? given : expect('a text')
}

function isList(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value)
}

/** A member name as one step of a JSON Pointer (RFC 6901 §3). */
function pointer(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1')
}
