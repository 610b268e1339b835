/** Schemas that ask for more than can be enforced, or for more than a bounded time. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { Json, JsonObject } from '../base/canonical-json.ts'
import { compileSchema, conforms } from './schema.ts'

test('schemas that cannot be enforced', () => {
  const cases: readonly (readonly [schema: JsonObject, at: string])[] = [
    [{ properties: { a: { type: 'string', contains: {} } } }, '/properties/a/contains'],
    [{ nullable: true }, '/nullable'],
    [{ dependencies: {} }, '/dependencies'],
    [{ dependentSchemas: {} }, '/dependentSchemas'],
    [{ unevaluatedProperties: true }, '/unevaluatedProperties'],
    [{ unevaluatedItems: {} }, '/unevaluatedItems'],
    [{ $dynamicRef: '#a' }, '/$dynamicRef'],
    [{ $ref: 'https://example.com/schema' }, '/$ref'],
    [{ $ref: '#/$defs/missing' }, '/$ref'],
    [{ $ref: '#anchor' }, '/$ref'],
    [{ $ref: '#/%zz' }, '/$ref'],
    [{ $ref: '#/__proto__' }, '/$ref'],
    [{ $schema: 'http://json-schema.org/draft-04/schema#' }, '/$schema'],
    [{ properties: { a: { $id: 'https://elsewhere/' } } }, '/properties/a'],
    [{ exclusiveMinimum: true, minimum: 1 }, '/exclusiveMinimum'],
    [{ type: 'file' }, '/type'],
    [{ type: 5 }, '/type'],
    [{ enum: 'a' }, '/enum'],
    [{ required: 'a' }, '/required'],
    [{ required: [1] }, '/required'],
    [{ pattern: '(a)\\1' }, '/pattern'],
    [{ patternProperties: { '(?<=a)b': {} } }, '/patternProperties'],
    [{ minLength: -1 }, '/minLength'],
    [{ anyOf: [] }, '/anyOf'],
    [{ anyOf: [5] }, '/anyOf/0'],
    [{ properties: [] }, '/properties'],
    [{ properties: { 'a/b': 7 } }, '/properties/a~1b'],
    [{ uniqueItems: 1 }, '/uniqueItems'],
    [{ $ref: '#' }, ''],
    [
      {
        $defs: { a: { allOf: [{ $ref: '#/$defs/b' }] }, b: { $ref: '#/$defs/a' } },
        properties: { x: { $ref: '#/$defs/a' } },
      },
      '',
    ],
  ]
  for (const [schema, at] of cases) {
    const got = compileSchema(schema)
    assert.ok(!got.ok, JSON.stringify(schema))
    assert.deepEqual(
      { reason: got.error.reason, at: got.error.at },
      { reason: 'schema_unsupported', at },
    )
    assert.equal(conforms({}, schema).ok, false)
  }
})

test('a loop that other compilation orders would hide', () => {
  // c applies b both to a member and in place, b applies c in place: the order of keywords must not matter.
  const b = { $ref: '#/$defs/b' }
  for (const c of [
    { properties: { p: b }, allOf: [b] },
    { allOf: [b], properties: { p: b } },
  ]) {
    const schema = {
      $defs: { b: { $ref: '#/$defs/c' }, c },
      properties: { x: { $ref: '#/$defs/c' } },
    }
    assert.equal(compileSchema(schema).ok, false)
  }
})

test('costs are bounded: alternatives that multiply, deep schemas, patterns on long texts', () => {
  const doubling: Record<string, JsonObject> = { d0: { type: 'string' } }
  for (let i = 1; i <= 40; i++) {
    doubling[`d${i}`] = { anyOf: [{ $ref: `#/$defs/d${i - 1}` }, { $ref: `#/$defs/d${i - 1}` }] }
  }
  const exploding = { $defs: doubling, $ref: '#/$defs/d40' }
  assert.equal(conforms(5, exploding).ok, false)
  assert.equal(conforms('x', exploding).ok, false)
  assert.equal(
    conforms('x', { not: exploding }).ok,
    false,
    'an unfinished check is no failed check',
  )
  assert.equal(conforms('x', { not: { pattern: '(?:[a-y]{0,500}){4}z' } }).ok, true)
  assert.equal(conforms('x'.repeat(50_000), { not: { pattern: '(?:[a-y]{0,500}){4}z' } }).ok, false)
  // Every level of the value passes through ninety schemas: deeper than a stack, if it were run.
  let tower: JsonObject = { properties: { a: { $ref: '#' } } }
  for (let i = 0; i < 90; i++) tower = { allOf: [tower] }
  let nested: Json = {}
  for (let i = 0; i < 60; i++) nested = { a: nested }
  assert.equal(compileSchema(tower).ok, true)
  assert.equal(conforms(nested, tower).ok, false)
  assert.equal(conforms({ a: { a: {} } }, tower).ok, true)
  assert.equal(conforms(nested, { allOf: [{ not: tower }], $defs: {} }).ok, false)
  let deep: JsonObject = {}
  for (let i = 0; i < 200; i++) deep = { properties: { a: deep } }
  assert.equal(compileSchema(deep).ok, false)
})

const many = (each: JsonObject): JsonObject => ({
  anyOf: Array.from({ length: 4_000 }, () => each),
})

test('many alternatives over one large value cost no more than a few', () => {
  const text = 'x'.repeat(500_000)
  assert.equal(conforms(text, many({ minLength: 600_000 })).ok, false)
  assert.equal(conforms(text, many({ pattern: 'y' })).ok, false)
  const list = Array.from({ length: 50_000 }, (_, i) => ({ i }))
  assert.equal(conforms(list, many({ enum: [[{ i: 1 }]] })).ok, false)
  assert.equal(conforms(list, many({ uniqueItems: true, type: 'string' })).ok, false)
  const names = Object.fromEntries(Array.from({ length: 50_000 }, (_, i) => [`n${i}`, 0]))
  assert.equal(conforms(names, many({ minProperties: 60_000 })).ok, false)
  assert.equal(conforms(names, many({ propertyNames: { maxLength: 3 } })).ok, false)
  const wide = Object.fromEntries(Array.from({ length: 4_000 }, (_, i) => [`p${i}`, {}]))
  const empty = Array.from({ length: 100_000 }, () => ({}))
  assert.equal(conforms(empty, { items: { properties: wide } }).ok, false)
})

test('arbitrary schemas and values never throw', () => {
  const keyword = fc.constantFrom(
    ...'type properties items required enum const anyOf oneOf not if $ref minLength pattern'.split(
      ' ',
    ),
    ...'additionalProperties patternProperties prefixItems allOf then uniqueItems'.split(' '),
  )
  const { schema } = fc.letrec<{ schema: unknown }>((tie) => ({
    schema: fc.oneof(
      { maxDepth: 3 },
      fc.constantFrom('string', 'object', '#', '#/properties/a', 1, true, [], ['a']),
      fc.dictionary(fc.oneof(keyword, fc.constant('a')), tie('schema'), { maxKeys: 4 }),
      fc.array(tie('schema'), { maxLength: 3 }),
    ),
  }))
  fc.assert(
    fc.property(fc.dictionary(keyword, schema), fc.jsonValue(), (made, value) => {
      conforms(value, structuredClone(made) as JsonObject)
    }),
    { numRuns: 3_000 },
  )
})
