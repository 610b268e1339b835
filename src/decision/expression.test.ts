/** Corners of the language, one a line: what we say, what Cedar says, and what the table expects agree. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isAuthorized, policyToJson } from '@cedar-policy/cedar-wasm/nodejs'
import { compilePolicy } from './compile.ts'
import { EvaluationError } from './evaluation-error.ts'
import type { CedarRequest } from './expression.ts'
import { CedarSet, EntityUid, Extension, type Entity, type Value } from './value.ts'

const MAX = '9223372036854775807'

const CASES: readonly (readonly [expression: string, want: boolean | 'error'])[] = [
  // booleans are lazy, and only booleans
  ['false && 1', false],
  ['true && 1 == 1', true],
  ['true && 1', 'error'],
  ['1 && true', 'error'],
  ['true || 1', true],
  ['false || 1', 'error'],
  ['!true', false],
  ['!1', 'error'],
  ['if true then true else 1', true],
  ['if false then 1 else true', true],
  ['if 1 then true else true', 'error'],
  ['(if true then 1 else "a") == 1', true],
  // equality never errs, order does
  ['1 == "1"', false],
  ['1 != "1"', true],
  ['principal == resource', false],
  ['User::"a" == principal', true],
  ['1 < 2 && 2 <= 2 && 3 > 2 && 2 >= 2', true],
  ['1 < "a"', 'error'],
  ['"a" < "b"', 'error'],
  ['decimal("1.0") < decimal("2.0")', 'error'],
  ['datetime("2026-01-01") < duration("1d")', 'error'],
  ['duration("1s") < duration("1m")', true],
  ['datetime("2026-01-01") > datetime("2025-12-31T23:59:59.999Z")', true],
  // arithmetic stays within 64 bits
  ['context.max + 0 == context.max', true],
  ['context.max + 1 == 0', 'error'],
  ['-context.max - 1 < 0', true],
  ['-context.max - 2 < 0', 'error'],
  ['-(-context.max - 1) > 0', 'error'],
  ['context.max * 2 == 0', 'error'],
  ['4294967296 * 4294967296 == 0', 'error'],
  ['3037000499 * 3037000499 > 0', true],
  ['1 + "a" == 1', 'error'],
  ['context.max + 1 == 0 || true', 'error'],
  ['true || context.max + 1 == 0', true],
  // hierarchy
  ['principal in Group::"g"', true],
  ['principal in Group::"top"', true],
  ['principal in principal', true],
  ['principal in [Group::"x", Group::"g"]', true],
  ['principal in []', false],
  ['principal in [Group::"g", 1]', 'error'],
  ['principal in "g"', 'error'],
  ['1 in Group::"g"', 'error'],
  ['User::"nobody" in Group::"g"', false],
  ['User::"nobody" in User::"nobody"', true],
  ['action in Action::"any"', true],
  ['principal is User', true],
  ['principal is User in Group::"top"', true],
  ['principal is Group in Group::"top"', false],
  ['1 is User', 'error'],
  // attributes
  ['principal.n == 1', true],
  ['principal["n"] == 1', true],
  ['principal.nope == 1', 'error'],
  ['User::"nobody".n == 1', 'error'],
  ['User::"nobody" has n', false],
  ['principal has n', true],
  ['principal has nope', false],
  ['1 has n', 'error'],
  ['context has deep.er', true],
  ['context has deep.nope.er', false],
  ['context has one.er', 'error'],
  ['context.deep.er == "x"', true],
  ['context has __proto__', false],
  ['context has constructor', false],
  ['context has "toString"', false],
  ['{"__proto__": 1} has __proto__', true],
  ['{a: 1, b: 2} == {b: 2, a: 1}', true],
  ['{a: 1} == {a: 1, b: 2}', false],
  ['{a: 1}.a == 1', true],
  // sets
  ['[1, 2, 2] == [2, 1]', true],
  ['[[1, 2], [3]] == [[3], [2, 1]]', true],
  ['["a", "b"] == [["a", "b"]]', false],
  ['["1"] == [1]', false],
  ['["true"] == [true]', false],
  ['[1, 2].contains(2)', true],
  ['[[1, 2]].contains([2, 1])', true],
  ['[decimal("1.0")].contains(decimal("1.0000"))', true],
  ['1.contains(1)', 'error'],
  ['[1, 2].containsAll([2])', true],
  ['[1, 2].containsAll([2, 3])', false],
  ['[].containsAll([])', true],
  ['[1].containsAll(1)', 'error'],
  ['[1, 2].containsAny([3, 2])', true],
  ['[1, 2].containsAny([])', false],
  ['context.set.contains("é")', true],
  ['[].isEmpty()', true],
  ['[1].isEmpty()', false],
  ['"".isEmpty()', 'error'],
  // like
  ['"" like ""', true],
  ['"" like "*"', true],
  ['"aba" like "ab*ba"', false],
  ['"abba" like "ab*ba"', true],
  ['"abc" like "*b*"', true],
  ['"abc" like "a*b*c*d"', false],
  ['"abcd" like "a*bc*cd"', false],
  ['"a*b" like "a\\*b"', true],
  ['"axb" like "a\\*b"', false],
  ['"aXbXc" like "a*X*c"', true],
  ['"ab" like "ab*b"', false],
  ['"😀x" like "*x"', true],
  ['1 like "a"', 'error'],
  // extension types
  ['decimal("1.5").lessThan(decimal("1.5001"))', true],
  ['decimal("-1.5").lessThanOrEqual(decimal("-1.5"))', true],
  ['decimal("-0.1").greaterThan(decimal("0.0"))', false],
  ['decimal("0.1").greaterThanOrEqual(decimal("0.1000"))', true],
  ['decimal("1.0").lessThan(1)', 'error'],
  ['datetime("1969-12-31T23:00:00Z").toDate() == datetime("1969-12-31")', true],
  ['datetime("1969-12-31T23:00:00Z").toTime() == duration("23h")', true],
  ['datetime("2024-02-29T12:30:00+0130") == datetime("2024-02-29T11:00:00Z")', true],
  ['datetime("2026-01-01").offset(duration("-1ms")) < datetime("2026-01-01")', true],
  ['datetime("2026-01-02").durationSince(datetime("2026-01-01")) == duration("1d")', true],
  ['duration("-90s").toMinutes() == -1', true],
  ['duration("1d2h").toHours() == 26', true],
  ['duration("1d").toDays() == 1', true],
  ['duration("1s1ms").toMilliseconds() == 1001', true],
  ['duration("1999ms").toSeconds() == 1', true],
  ['datetime("9999-12-31").offset(context.span) > datetime("2026-01-01")', 'error'],
  ['context.now > datetime("2026-01-01")', true],
]

const uid = (type: string, id: string): EntityUid => new EntityUid(type, id)
const alice: Entity = {
  uid: uid('User', 'a'),
  attributes: new Map([['n', 1n]]),
  ancestors: new Map([uid('Group', 'g'), uid('Group', 'top')].map((one) => [one.key, one])),
}
const read: Entity = {
  uid: uid('Action', 'read'),
  attributes: new Map(),
  ancestors: new Map([[uid('Action', 'any').key, uid('Action', 'any')]]),
}
const span = new Extension('duration', BigInt(MAX))
const request: CedarRequest = {
  principal: alice.uid,
  action: read.uid,
  resource: uid('User', 'b'),
  context: new Map<string, Value>([
    ['max', BigInt(MAX)],
    ['one', 1n],
    ['deep', new Map([['er', 'x']])],
    ['set', new CedarSet(['é'])],
    ['span', span],
    ['now', new Extension('datetime', 1_767_225_600_001n)],
  ]),
  entities: new Map([alice, read].map((one) => [one.uid.key, one])),
}

function weSay(text: string): unknown {
  const parsed = policyToJson(text)
  assert(parsed.type === 'success', text)
  const { applies } = compilePolicy(text, { ...parsed.json, annotations: { id: 'p' } }, (problem) =>
    assert.fail(problem),
  )
  try {
    return applies(request)
  } catch (error) {
    assert(error instanceof EvaluationError)
    return 'error'
  }
}

function cedarSays(text: string): unknown {
  const answer = isAuthorized({
    principal: { type: 'User', id: 'a' },
    action: { type: 'Action', id: 'read' },
    resource: { type: 'User', id: 'b' },
    context: {
      one: 1,
      deep: { er: 'x' },
      set: ['é'],
      span: { __extn: { fn: 'duration', arg: `${MAX}ms` } },
      now: { __extn: { fn: 'datetime', arg: '2026-01-01T00:00:00.001Z' } },
    },
    // The largest long is no JSON number: Cedar gets it in the text.
    policies: { staticPolicies: { p: text.replaceAll('context.max', MAX) } },
    entities: [
      {
        uid: { type: 'User', id: 'a' },
        attrs: { n: 1 },
        parents: [{ type: 'Group', id: 'g' }],
      },
      { uid: { type: 'Group', id: 'g' }, attrs: {}, parents: [{ type: 'Group', id: 'top' }] },
      { uid: { type: 'Action', id: 'read' }, attrs: {}, parents: [{ type: 'Action', id: 'any' }] },
    ],
  })
  assert(answer.type === 'success', `${text}: ${JSON.stringify(answer)}`)
  return answer.response.diagnostics.errors.length > 0
    ? 'error'
    : answer.response.decision === 'allow'
}

for (const [expression, want] of CASES) {
  test(`${expression} is ${want}`, () => {
    const text = `permit (principal, action, resource) when { ${expression} };`
    assert.equal(weSay(text), want, 'ours')
    assert.equal(cedarSays(text), want, 'Cedar')
  })
}
