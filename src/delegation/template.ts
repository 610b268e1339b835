/**
 * Templates: requests that recur, with what they need, written once by whoever answers for a kind of agent.
 *
 * "refund order {id} up to {amount}" is a sentence with parameters; its details hold the same parameters
 * where a value belongs. Call `fillTemplate`: if the words are the sentence, the details are intent like
 * any other. `fillValues` is for whoever has the values already. What stands in a parameter is one value
 * and never structure: it is of its type, within what was declared for it, and leads nowhere else.
 * `ceilingOf` says how much a template could come to at most; `keep-template.ts` keeps them.
 */

import * as z from 'zod'
import { type Digest, digestOfJson } from '../base/bytes.ts'
import type { Json, JsonObject } from '../base/canonical-json.ts'
import { canonicalSegments } from './canonical-path.ts'
import { inPlainWords } from './detail-in-words.ts'
import {
  type Condition,
  conditionSchema,
  type McpCallDetail,
  parseDetails,
  predicates,
} from './intent.ts'
import { matches } from './pattern.ts'
import { amountOf, holds } from './predicate.ts'

const NAME = '[a-z][a-z0-9_]{0,30}'
const PARAMETER = new RegExp(`\\{(${NAME})\\}`, 'g')
const WHOLE = new RegExp(`^\\{(${NAME})\\}$`)
/** What a sentence could hold in the place of a parameter. */
const VALUE = /^[^"{}]{1,200}$/

/** What the values of one parameter are: numbers or text, and within which condition. */
const termsSchema = z.strictObject({
  /** A number where one belongs, unless this says that `17` is text. */
  type: z.enum(['text', 'number']).exactOptional(),
  within: conditionSchema
    .refine(
      ({ sum, any }) => sum === undefined && any === undefined,
      'expected bounds of one value',
    )
    .exactOptional(),
})
/** @see termsSchema */
export type ParameterTerms = z.infer<typeof termsSchema>

/** Details with parameters in them, and what is declared of those. */
export const templateDetailsSchema = z.array(z.record(z.string(), z.json())).min(1).max(50)
/** @see termsSchema */
export const parametersSchema = z.record(z.string().regex(new RegExp(`^${NAME}$`)), termsSchema)

/** A request that recurs. */
export interface ScopeTemplate {
  readonly name: string
  /** With `{parameter}` for each value. */
  readonly sentence: string
  /** Details with `"{parameter}"` where a value belongs; a number stays one. */
  readonly details: z.infer<typeof templateDetailsSchema>
  /** What is declared of parameters; of one that is absent, nothing. */
  readonly parameters?: Readonly<Record<string, ParameterTerms>>
}

type Fillable = Pick<ScopeTemplate, 'sentence' | 'details' | 'parameters'>

/** The details of a template for these words; undefined when the words are not its sentence. */
export function fillTemplate(
  template: Fillable,
  words: string,
): readonly McpCallDetail[] | undefined {
  const values = valuesIn(template.sentence, words)
  return values && fillValues(template, values)
}

/** The details of a template for these values; undefined unless it is exactly its parameters that have one. */
export function fillValues(
  template: Fillable,
  values: ReadonlyMap<string, string>,
): readonly McpCallDetail[] | undefined {
  const names = parametersOfSentence(template)
  if (values.size !== names.length || !names.every((name) => values.has(name))) return undefined
  if (![...values.values()].every((value) => VALUE.test(value))) return undefined
  if (!placesOf(template).every((place) => canStand(values.get(place.name) ?? '', place)))
    return undefined
  for (const [name, value] of values) {
    const terms = termsOf(template, name)
    if (typed(value, terms) === undefined || !isWithin(value, terms)) return undefined
  }
  const parsed = parseDetails(filled(template.details, values, template))
  return parsed.ok ? parsed.value : undefined
}

/** The parameters of a template, in the order of its sentence, once each. */
export function parametersOfSentence({
  sentence,
}: Pick<ScopeTemplate, 'sentence'>): readonly string[] {
  return [...new Set([...sentence.matchAll(PARAMETER)].map(([, name]) => name ?? ''))]
}

/** Whether values of a parameter are numbers: declared so, or because they stand where only a number can. */
export function isNumeric(template: Fillable, name: string): boolean {
  const { type } = termsOf(template, name)
  if (type !== undefined) return type === 'number'
  return placesOf(template).some((place) => place.name === name && NUMERIC.has(place.under))
}

/** Of all that a template says: whatever was proposed by it can be compared with what was kept. */
export function digestOfTemplate({ sentence, details, parameters = {} }: Fillable): Digest {
  return digestOfJson({ sentence, details: [...details], parameters })
}

/** The words without case, doubled spaces and the end of a sentence. */
function plain(text: string): string {
  return text.trim().replaceAll(/\s+/g, ' ').replace(/[.!]$/, '')
}

function valuesIn(sentence: string, words: string): ReadonlyMap<string, string> | undefined {
  const names = [...sentence.matchAll(PARAMETER)].map(([, name]) => name ?? '')
  const parts = plain(sentence)
    .split(new RegExp(`\\{${NAME}\\}`))
    .map((part) => RegExp.escape(part))
  // One word, or several between quotes: a value cannot swallow the rest of the sentence.
  const pattern = new RegExp(`^${parts.join(`("[^"{}]{1,200}"|[^\\s"{}]{1,200})`)}$`, 'i')
  const found = pattern.exec(plain(words))
  if (found === null) return undefined
  const values = new Map<string, string>()
  for (const [at, name] of names.entries()) {
    const value = (found[at + 1] ?? '').replaceAll('"', '')
    // Said twice, it has to be the same.
    if ((values.get(name) ?? value) !== value) return undefined
    values.set(name, value)
  }
  return values
}

/** Where a parameter stands in details. */
interface Place {
  readonly name: string
  /** The member that it is the value of: a predicate, or a limit. */
  readonly under: string
  /** Whether nothing stands beside it. */
  readonly isWhole: boolean
}

/** Members whose value is a number. */
const NUMERIC: ReadonlySet<string> = new Set(['min', 'max', 'sum', 'calls', 'until'])

function placesOf({ details }: Pick<ScopeTemplate, 'details'>): readonly Place[] {
  return details.flatMap((detail) =>
    Object.entries(detail).flatMap(([member, value]) => {
      if (member === 'arguments')
        return members(value).flatMap(([, paths]) =>
          members(paths).flatMap(([, condition]) =>
            members(condition).flatMap(([name, operand]) => placesIn(operand, name)),
          ),
        )
      if (member === 'limits')
        return members(value).flatMap(([name, limit]) => placesIn(limit, name))
      return placesIn(value, ELSEWHERE)
    }),
  )
}

/** Neither a condition nor a limit: no value belongs there. */
const ELSEWHERE = ''

function placesIn(value: Json, under: string): Place[] {
  if (typeof value === 'string')
    return [...value.matchAll(PARAMETER)].map(([, name = '']) => ({
      name,
      under,
      isWhole: WHOLE.test(value),
    }))
  if (Array.isArray(value)) return (value as readonly Json[]).flatMap((one) => placesIn(one, under))
  return members(value).flatMap(([, member]) => placesIn(member, under))
}

function members(value: Json): [string, Json][] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return []
  return Object.entries(value as JsonObject).map(([name, member]) => [name, member ?? null])
}

/** What could make a text that a value stands in mean another place, host or pattern. */
const STRUCTURE = /[/\\?#:@%*]/

/** Whether a value is one value where it stands. */
function canStand(value: string, { under, isWhole }: Place): boolean {
  // A `*` of its own would match what nobody named.
  if (under === 'pattern') return isWhole ? !value.includes('*') : matches('*', value)
  return isWhole || (under !== 'prefix' && under !== 'host') || !STRUCTURE.test(value)
}

/** What is declared of a parameter; nothing where nothing is. */
export function termsOf(
  { parameters = {} }: Pick<ScopeTemplate, 'parameters'>,
  name: string,
): ParameterTerms {
  return Object.hasOwn(parameters, name) ? (parameters[name] ?? {}) : {}
}

/** A value as it stands alone: a number if it reads as one, unless it was declared to be text. */
function typed(text: string, { type }: ParameterTerms): string | number | undefined {
  const amount = type === 'text' ? undefined : amountOf(text)
  return amount ?? (type === 'number' ? undefined : text)
}

function isWithin(text: string, terms: ParameterTerms): boolean {
  const value = typed(text, terms)
  return predicates(terms.within ?? {}).every((one) => value !== undefined && holds(value, one))
}

/** Puts values in the place of parameters; a whole text that is one parameter may become a number. */
function filled(
  value: Json,
  values: ReadonlyMap<string, string>,
  template: Pick<ScopeTemplate, 'parameters'>,
): Json {
  if (typeof value === 'string') {
    const [, whole] = WHOLE.exec(value) ?? []
    const said = whole === undefined ? undefined : values.get(whole)
    if (whole !== undefined && said !== undefined)
      return typed(said, termsOf(template, whole)) ?? said
    return value.replaceAll(PARAMETER, (all, name: string) => values.get(name) ?? all)
  }
  if (Array.isArray(value))
    return (value as readonly Json[]).map((item) => filled(item, values, template))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value as JsonObject).map(([key, member]) => [
      key,
      member === undefined ? null : filled(member, values, template),
    ]),
  )
}

/** What a template allows, a sentence for each part, with its parameters where values belong. */
export function templateInWords({ details }: Pick<ScopeTemplate, 'details'>): readonly string[] {
  // Only `isSound` templates are kept: with a value in each place they are intent.
  return details.map((detail) => inPlainWords(detail as unknown as McpCallDetail))
}

/** Whether a template can be used: its details, with any value in each place, are intent. */
export function isSound(template: Fillable): boolean {
  const { details, parameters = {} } = template
  const names = parametersOfSentence(template)
  const places = placesOf(template)
  const known = [...places.map(({ name }) => name), ...Object.keys(parameters)]
  // Which tool, which server, which stage, who says yes: these are the template's own to say.
  const isPlaced = places.every(({ under }) => under !== ELSEWHERE)
  if (!isPlaced || !known.every((name) => names.includes(name))) return false
  const sample = new Map(
    names.map((name) => [name, sampleOf(places.filter((one) => one.name === name))]),
  )
  return parseDetails(filled(details, sample, template)).ok
}

/** A value that can stand in all of these places, if any can. */
function sampleOf(places: readonly Place[]): string {
  const wholly = (name: string): boolean =>
    places.some(({ under, isWhole }) => isWhole && under === name)
  if (wholly('prefix')) return '/1'
  return wholly('host') ? 'a.example' : '1'
}

/**
 * The most that a template could come to, as details: in the place of each value the widest condition that its
 * declaration and the text around it allow. Whatever values fill it lies within, or it is not what was kept.
 */
export function ceilingOf({ details, parameters = {} }: Fillable): readonly McpCallDetail[] {
  return details.map((detail) => {
    const { arguments: args, limits, ...rest } = detail as unknown as McpCallDetail
    const conditions = Object.entries(args ?? {}).map(([key, paths]) => [
      key,
      Object.fromEntries(
        Object.entries(paths).map(([path, condition]) => [path, widest(condition, parameters)]),
      ),
    ])
    const most = limits && boundsOf(limits, parameters)
    return {
      ...rest,
      ...(args !== undefined && { arguments: Object.fromEntries(conditions) }),
      ...(most !== undefined && Object.keys(most).length > 0 && { limits: most }),
    }
  })
}

type Declared = Readonly<Record<string, ParameterTerms>>

function widest(condition: Condition, parameters: Declared): Condition {
  const given = Object.entries(condition as JsonObject)
  const fixed = given.filter(([, operand]) => !holdsParameter(operand))
  const open = given.filter(([, operand]) => holdsParameter(operand))
  const widened = open.flatMap(([name, operand]) =>
    Object.entries(widestOf(name, operand, parameters)),
  )
  // What the template fixes itself stands, whatever is declared beside it.
  const merged = Object.fromEntries([...widened, ...fixed]) as Condition
  return Object.keys(merged).length === 0 ? { any: true } : merged
}

/** The widest of one predicate with a parameter in it; nothing where there is no bound to state. */
function widestOf(name: string, operand: Json | undefined, parameters: Declared): Condition {
  if (typeof operand !== 'string') return {}
  const [, whole] = WHOLE.exec(operand) ?? []
  const within = whole === undefined ? {} : (termsOf({ parameters }, whole).within ?? {})
  switch (name) {
    case 'equals':
      return whole === undefined ? { pattern: operand.replaceAll(PARAMETER, '*') } : within
    case 'pattern':
      if (whole !== undefined)
        return within.pattern === undefined ? {} : { pattern: within.pattern }
      return { pattern: operand.replaceAll(PARAMETER, '*') }
    case 'prefix': {
      const prefix = whole === undefined ? enclosing(operand) : within.prefix
      return prefix === undefined ? {} : { prefix }
    }
    case 'max':
    case 'sum':
      return within.max === undefined ? {} : { [name]: within.max }
    case 'min':
      return within.min === undefined ? {} : { min: within.min }
    default:
      return {}
  }
}

/** The folder that a path with a parameter in it is certainly below. */
function enclosing(prefix: string): string | undefined {
  const before = prefix.slice(0, prefix.indexOf('{'))
  const folder = before.slice(0, before.lastIndexOf('/'))
  return canonicalSegments(folder).ok ? folder : undefined
}

/** Limits with the most in the place of a parameter, or none where nothing says how much that is. */
function boundsOf(limits: Json, parameters: Declared): JsonObject {
  return Object.fromEntries(
    members(limits).flatMap(([name, value]): [string, Json][] => {
      if (typeof value === 'object') return [[name, boundsOf(value, parameters)]]
      if (typeof value !== 'string') return [[name, value]]
      const most = termsOf({ parameters }, WHOLE.exec(value)?.[1] ?? '').within?.max
      return most === undefined ? [] : [[name, most]]
    }),
  )
}

function holdsParameter(value: Json | undefined): boolean {
  return value !== undefined && JSON.stringify(value).search(PARAMETER) !== -1
}
