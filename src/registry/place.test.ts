import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JsonObject } from '../base/canonical-json.ts'
import { hasPlace } from './place.ts'

const text = { type: 'string' }

for (const [name, schema, path, want] of [
  ['a member', { properties: { path: text } }, 'path', true],
  ['a member by another name', { properties: { path: text } }, 'paht', false],
  ['a member that must not be there', { properties: { path: false } }, 'path', false],
  ['a member of a member', { properties: { a: { properties: { b: text } } } }, 'a.b', true],
  ['a member of a text', { properties: { a: text } }, 'a.b', false],
  ['any member', { additionalProperties: text }, 'path', true],
  ['items', { properties: { to: { items: text } } }, 'to[]', true],
  ['items of what is no list', { properties: { to: text } }, 'to[]', false],
  [
    'names that callers choose',
    { properties: { to: { additionalProperties: text } } },
    'to{}',
    true,
  ],
  ['an alternative', { anyOf: [{}, { properties: { path: text } }] }, 'path', true],
  ['a branch', { if: {}, else: { properties: { path: text } } }, 'path', true],
  [
    'a type that holds itself',
    {
      $defs: { n: { properties: { next: { $ref: '#/$defs/n' }, path: text } } },
      $ref: '#/$defs/n',
    },
    'next.next.path',
    true,
  ],
  ['a reference to itself', { $defs: { a: { $ref: '#/$defs/a' } }, $ref: '#/$defs/a' }, 'x', false],
  ['a reference to nothing', { $ref: '#/$defs/a' }, 'x', false],
] as const) {
  test(`a place in ${name}: ${want}`, () => {
    assert.equal(hasPlace(schema as JsonObject, path), want)
  })
}

test('alternatives that multiply are looked at once each', () => {
  const $defs: Record<string, JsonObject> = { d0: text }
  for (let at = 1; at <= 60; at++) {
    const before = { $ref: `#/$defs/d${at - 1}` }
    $defs[`d${at}`] = { anyOf: [before, before], properties: { again: before } }
  }
  const last = { $ref: '#/$defs/d60' }
  assert.equal(hasPlace({ $defs, ...last }, 'path'), false)
  assert.equal(hasPlace({ $defs, allOf: [last, { properties: { path: text } }] }, 'path'), true)
  assert.equal(hasPlace({ $defs, ...last }, Array(30).fill('again').join('.')), true)
  assert.equal(hasPlace({ $defs, ...last }, Array(30).fill('again').join('.') + '.x'), false)
})
