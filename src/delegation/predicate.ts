/**
 * Predicates: when values meet a condition, and when one condition is contained in another.
 *
 * INVARIANT (narrowing): `containsCondition(above, below)` says yes only if all values that meet `below`
 * meet `above`. It may say no where a cleverer proof exists; it never says yes without one.
 */

import type { Json } from '../base/canonical-json.ts'
import { canonicalSegments, isAtOrBelow } from './canonical-path.ts'
import { type Condition, type Predicate, type Scalar, predicates } from './intent.ts'
import { containsPattern, matches } from './pattern.ts'

/** Whether the values at a path meet a condition. No values meet none: some tools read an empty list as everything. */
export function meets(values: readonly Json[], condition: Condition): boolean {
  const all = predicates(condition)
  return values.length > 0 && values.every((value) => all.every((one) => holds(value, one)))
}

/** Whether a predicate holds for one value; of a `sum`, whether the value alone is within it (`limits.ts` adds up). */
export function holds(value: Json, predicate: Predicate): boolean {
  switch (predicate.name) {
    case 'equals':
      return value === predicate.operand
    case 'oneOf':
      return predicate.operand.some((allowed) => allowed === value)
    case 'prefix':
      return typeof value === 'string' && isBelow(value, predicate.operand)
    case 'min':
      return (amountOf(value) ?? -Infinity) >= predicate.operand
    case 'max':
      return (amountOf(value) ?? Infinity) <= predicate.operand
    case 'sum':
      return (amountOf(value) ?? -1) >= 0 && (amountOf(value) ?? Infinity) <= predicate.operand
    case 'host':
      return typeof value === 'string' && hostOf(value) === predicate.operand
    case 'any':
      return true
    case 'pattern':
      return typeof value === 'string' && matches(predicate.operand, value)
    default:
      throw unknown(predicate)
  }
}

/** The amount that a value is: a number, or its plain decimal text, as payment tools often have it. */
export function amountOf(value: Json): number | undefined {
  // Fifteen digits at most, so that the order of texts is the order of the numbers read from them.
  const plain = typeof value === 'string' && /^(?:0|[1-9]\d{0,10})(?:\.\d{1,4})?$/.test(value)
  const amount = plain ? Number(value) : value
  return typeof amount === 'number' && Number.isFinite(amount) ? amount : undefined
}

/** Whether a condition limits nothing: then an absent argument and an empty list meet it too. */
export function isOpen(condition: Condition): boolean {
  return predicates(condition).every(({ name }) => name === 'any')
}

/** Whether whatever meets `below` meets `above`. */
export function containsCondition(above: Condition, below: Condition): boolean {
  return predicates(above).every((wanted) =>
    predicates(below).some((given) => implies(given, wanted)),
  )
}

function implies(given: Predicate, wanted: Predicate): boolean {
  if (wanted.name === 'any') return true
  switch (given.name) {
    case 'equals':
      return allow([given.operand], wanted)
    case 'oneOf':
      return allow(given.operand, wanted)
    case 'prefix':
      return wanted.name === 'prefix' && isBelow(given.operand, wanted.operand)
    case 'min':
      return wanted.name === 'min' && given.operand >= wanted.operand
    case 'max':
      return wanted.name === 'max' && given.operand <= wanted.operand
    case 'sum':
      // Amounts of a sum are neither negative nor larger than it.
      if (wanted.name === 'min') return wanted.operand <= 0
      return (wanted.name === 'sum' || wanted.name === 'max') && given.operand <= wanted.operand
    case 'host':
      return wanted.name === 'host' && given.operand === wanted.operand
    case 'any':
      return false
    case 'pattern':
      return wanted.name === 'pattern' && containsPattern(wanted.operand, given.operand)
    default:
      throw unknown(given)
  }
}

/** A finite choice is contained if each value is; but repeated often enough it exceeds any sum. */
function allow(values: readonly Scalar[], wanted: Predicate): boolean {
  return wanted.name !== 'sum' && values.every((value) => holds(value, wanted))
}

function unknown(predicate: never): TypeError {
  return new TypeError(`expected a predicate, got \`${JSON.stringify(predicate)}\``)
}

function isBelow(value: string, prefix: string): boolean {
  const path = canonicalSegments(value)
  const top = canonicalSegments(prefix)
  return path.ok && top.ok && isAtOrBelow(path.value, top.value)
}

/** The host of an http(s) URL that every parser reads alike, else undefined. */
function hostOf(value: string): string | undefined {
  const url = URL.parse(value)
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) return undefined
  const origin = `${url.protocol}//${url.host}`
  // What a URL parser repairs (case, backslashes, user info, default ports, other forms of an IP
  // address, tabs and newlines) changes the text before the path; another parser may repair it otherwise.
  const spelled = value === origin || value.startsWith(`${origin}/`)
  return spelled && !/[\\\p{Cc}\p{Z}]/u.test(value) ? url.host : undefined
}
