/**
 * Compiles a Cedar expression (the JSON policy format) to a JavaScript closure.
 *
 * Call `compileExpression`. What it does not know it reports in `problems`, and the set is refused: a
 * policy is never half understood. Semantics follow the Cedar reference, operand by operand; the
 * differential test (`differential.test.ts`) holds every line of this file against the reference
 * implementation.
 *
 * @see https://docs.cedarpolicy.com/policies/json-format.html
 */

import type { CedarValueJson, Expr, PatternElem, TypeAndId } from '@cedar-policy/cedar-wasm/nodejs'
import { long, missingAttribute, typeError } from './evaluation-error.ts'
import { amountOf, CONSTRUCTORS, METHODS } from './extension.ts'
import {
  CedarSet,
  EntityUid,
  equal,
  Extension,
  keyOf,
  type CedarRecord,
  type Entities,
  type Value,
} from './value.ts'

/** What a policy is evaluated on. */
export interface CedarRequest {
  readonly principal: EntityUid
  readonly action: EntityUid
  readonly resource: EntityUid
  readonly context: CedarRecord
  readonly entities: Entities
}

/** A compiled expression; throws an `EvaluationError` where Cedar errs. */
export type Evaluate = (request: CedarRequest) => Value

/** Compiles one expression; appends to `problems` what cannot be compiled. */
export function compileExpression(expression: Expr, problems: string[]): Evaluate {
  const [operator, operand] = Object.entries(expression)[0] as [string, unknown]
  const compile = (inner: Expr): Evaluate => compileExpression(inner, problems)

  const strict = own(STRICT, operator)
  if (strict !== undefined) {
    const left = compile((operand as Operands).left)
    const right = compile((operand as Operands).right)
    return (request) => strict(left(request), right(request), request.entities)
  }
  const unary = own(UNARY, operator)
  if (unary !== undefined) {
    const argument = compile((operand as { arg: Expr }).arg)
    return (request) => unary(argument(request))
  }
  const method = own(METHODS, operator)
  if (method !== undefined) return applied(method, (operand as Expr[]).map(compile), problems)
  const constructor = own(CONSTRUCTORS, operator)
  if (constructor !== undefined) {
    const text = literalText(operand as Expr[])
    const value = text === undefined ? undefined : constructor(text)
    return value === undefined
      ? unsupported(`an ill-formed \`${operator}\``, problems)
      : () => value
  }
  const special = own(SPECIAL, operator)
  if (special !== undefined) return special(operand as never, compile, problems)
  return unsupported(`the operator \`${operator}\``, problems)
}

/** A row of a table; never what every object inherits. */
function own<T>(table: Readonly<Record<string, T>>, operator: string): T | undefined {
  return Object.hasOwn(table, operator) ? table[operator] : undefined
}

interface Operands {
  readonly left: Expr
  readonly right: Expr
}
type Compile = (expression: Expr) => Evaluate

function unsupported(what: string, problems: string[]): Evaluate {
  problems.push(`${what} is not supported here`)
  return () => {
    throw typeError
  }
}

/** Operators that evaluate both sides before they apply. */
const STRICT: Readonly<Record<string, (a: Value, b: Value, entities: Entities) => Value>> = {
  '==': equal,
  '!=': (a, b) => !equal(a, b),
  '<': (a, b) => compare(a, b) < 0,
  '<=': (a, b) => compare(a, b) <= 0,
  '>': (a, b) => compare(a, b) > 0,
  '>=': (a, b) => compare(a, b) >= 0,
  '+': (a, b) => long(asLong(a) + asLong(b)),
  '-': (a, b) => long(asLong(a) - asLong(b)),
  '*': (a, b) => long(asLong(a) * asLong(b)),
  in: isIn,
  contains: (a, b) => asSet(a).has(keyOf(b)),
  containsAll: (a, b) => {
    const [all, some] = [asSet(a), asSet(b)]
    return some.keys().every((key) => all.has(key))
  },
  containsAny: (a, b) => {
    const [all, some] = [asSet(a), asSet(b)]
    return some.keys().some((key) => all.has(key))
  },
}

const UNARY: Readonly<Record<string, (a: Value) => Value>> = {
  '!': (a) => !asBoolean(a),
  neg: (a) => long(-asLong(a)),
  isEmpty: (a) => asSet(a).size === 0,
}

/** Operators that are lazy, or whose operands are not all expressions. */
const SPECIAL: Readonly<
  Record<string, (operand: never, compile: Compile, problems: string[]) => Evaluate>
> = {
  Value: (value: CedarValueJson, _compile, problems) => literal(value, problems),
  Var: (name: 'principal' | 'action' | 'resource' | 'context') => (request) => request[name],
  '&&': ({ left, right }: Operands, compile) => {
    const [a, b] = [compile(left), compile(right)]
    return (request) => asBoolean(a(request)) && asBoolean(b(request))
  },
  '||': ({ left, right }: Operands, compile) => {
    const [a, b] = [compile(left), compile(right)]
    return (request) => asBoolean(a(request)) || asBoolean(b(request))
  },
  'if-then-else': (parts: { if: Expr; then: Expr; else: Expr }, compile) => {
    const [test, yes, no] = [compile(parts.if), compile(parts.then), compile(parts.else)]
    return (request) => (asBoolean(test(request)) ? yes(request) : no(request))
  },
  '.': ({ left, attr }: { left: Expr; attr: string }, compile) => {
    const of = compile(left)
    return (request) => attribute(of(request), attr, request.entities)
  },
  has: ({ left, attr }: { left: Expr; attr: string | string[] }, compile) => {
    const of = compile(left)
    const names = typeof attr === 'string' ? [attr] : attr
    return (request) => hasPath(of(request), names, request.entities)
  },
  is: (
    { left, entity_type, in: within }: { left: Expr; entity_type: string; in?: Expr },
    compile,
  ) => {
    const of = compile(left)
    const parent = within === undefined ? undefined : compile(within)
    return (request) => {
      const entity = asEntity(of(request))
      if (entity.type !== entity_type) return false
      return parent === undefined || isIn(entity, parent(request), request.entities)
    }
  },
  like: ({ left, pattern }: { left: Expr; pattern: PatternElem[] }, compile) => {
    const of = compile(left)
    const matches = matcher(pattern)
    return (request) => matches(asString(of(request)))
  },
  Set: (members: Expr[], compile) => {
    const all = members.map(compile)
    return (request) => new CedarSet(all.map((member) => member(request)))
  },
  Record: (members: Record<string, Expr>, compile) => {
    const all = Object.entries(members).map(([name, member]) => [name, compile(member)] as const)
    return (request) => new Map(all.map(([name, member]) => [name, member(request)]))
  },
}

function applied(
  method: (typeof METHODS)[string],
  [receiver, argument]: Evaluate[],
  problems: string[],
): Evaluate {
  if (receiver === undefined || (argument === undefined) !== (method.arity === 1)) {
    return unsupported('a method with other than its arguments', problems)
  }
  if (argument === undefined) return (request) => method.apply(receiver(request), false)
  return (request) => method.apply(receiver(request), argument(request))
}

function literalText(operands: Expr[]): string | undefined {
  const [only, second] = operands
  if (only === undefined || second !== undefined || !('Value' in only)) return undefined
  return typeof only.Value === 'string' ? only.Value : undefined
}

function literal(value: CedarValueJson, problems: string[]): Evaluate {
  if (typeof value === 'string' || typeof value === 'boolean') return () => value
  if (typeof value === 'number') {
    // The JSON format carries longs as doubles: beyond 2^53 the policy would not be the one written.
    if (!Number.isSafeInteger(value)) return unsupported('an integer beyond 2^53', problems)
    const exact = BigInt(value)
    return () => exact
  }
  if (value !== null && !Array.isArray(value) && '__entity' in value) {
    const { __entity: named } = value as { __entity: TypeAndId }
    const uid = new EntityUid(named.type, named.id)
    return () => uid
  }
  return unsupported('a literal of this type', problems)
}

function compare(a: Value, b: Value): number {
  const [x, y] = a instanceof Extension ? instants(a, b) : [asLong(a), asLong(b)]
  return x < y ? -1 : x > y ? 1 : 0
}

/** Two datetimes or two durations; decimals are compared by methods only. */
function instants(a: Extension, b: Value): [bigint, bigint] {
  if (a.type === 'decimal') throw typeError
  return [a.amount, amountOf(a.type, b)]
}

function isIn(a: Value, b: Value, entities: Entities): boolean {
  const key = asEntity(a).key
  const ancestors = entities.get(key)?.ancestors
  if (b instanceof EntityUid) return b.key === key || (ancestors?.has(b.key) ?? false)
  const parents = [...asSet(b).values()].map(asEntity)
  return parents.some((parent) => parent.key === key || (ancestors?.has(parent.key) ?? false))
}

function attribute(of: Value, name: string, entities: Entities): Value {
  const value = attributesOf(of, entities)?.get(name)
  if (value === undefined) throw missingAttribute
  return value
}

/** `x has a.b.c` is `x has a && x.a has b && x.a.b has c`. */
function hasPath(of: Value, names: readonly string[], entities: Entities): boolean {
  let at: Value = of
  for (const name of names) {
    const next = attributesOf(at, entities)?.get(name)
    if (next === undefined) return false
    at = next
  }
  return true
}

function attributesOf(of: Value, entities: Entities): CedarRecord | undefined {
  if (of instanceof EntityUid) return entities.get(of.key)?.attributes
  if (of instanceof Map) return of
  throw typeError
}

/** A matcher in time linear in pattern and text: greedy from the left, the last piece from the right. */
function matcher(pattern: PatternElem[]): (text: string) => boolean {
  const pieces: string[] = ['']
  for (const element of pattern) {
    if (element === 'Wildcard') pieces.push('')
    else pieces.push((pieces.pop() ?? '') + element.Literal)
  }
  const [first = '', ...rest] = pieces
  const last = rest.pop()
  if (last === undefined) return (text) => text === first
  return (text) => {
    if (text.length < first.length + last.length) return false
    if (!text.startsWith(first) || !text.endsWith(last)) return false
    const end = text.length - last.length
    let at = first.length
    for (const piece of rest) {
      const found = text.indexOf(piece, at)
      if (found === -1 || found + piece.length > end) return false
      at = found + piece.length
    }
    return true
  }
}

function asBoolean(value: Value): boolean {
  if (typeof value === 'boolean') return value
  throw typeError
}

function asLong(value: Value): bigint {
  if (typeof value === 'bigint') return value
  throw typeError
}

function asString(value: Value): string {
  if (typeof value === 'string') return value
  throw typeError
}

function asEntity(value: Value): EntityUid {
  if (value instanceof EntityUid) return value
  throw typeError
}

function asSet(value: Value): ReadonlyMap<string, Value> {
  if (value instanceof CedarSet) return value.elements
  throw typeError
}
