/** What conforms to a schema, and what no schema speaks of. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { Json, JsonObject } from '../base/canonical-json.ts'
import { conforms } from './schema.ts'

type Row = readonly [name: string, schema: JsonObject, good: readonly Json[], bad: readonly Json[]]

const editFile: JsonObject = {
  $schema: 'http://json-schema.org/draft-07/schema#',
  type: 'object',
  properties: {
    path: { type: 'string' },
    edits: {
      type: 'array',
      items: {
        type: 'object',
        properties: { oldText: { type: 'string' }, newText: { type: 'string' } },
        required: ['oldText', 'newText'],
      },
    },
    dryRun: { type: 'boolean', default: false },
  },
  required: ['path', 'edits'],
}

const rows: readonly Row[] = [
  [
    'a published tool',
    editFile,
    [
      { path: '/a', edits: [] },
      { path: '/a', edits: [{ oldText: 'x', newText: 'y' }], dryRun: true },
    ],
    [{}, { path: 1, edits: [] }, { path: '/a', edits: {} }, [], null, { path: '/a' }],
  ],
  [
    'what no schema speaks of is refused though additionalProperties is unset',
    editFile,
    [],
    [
      { path: '/a', edits: [], mode: 7 },
      { path: '/a', edits: [{ oldText: 'x', newText: 'y', path: '/b' }] },
      { path: '/a', edits: [], toString: 1 },
    ],
  ],
  ['an object without properties holds none', { type: 'object' }, [{}], [{ a: 1 }]],
  ['a list without items holds none', { type: 'array' }, [[]], [[1], {}]],
  [
    'additionalProperties: true',
    { type: 'object', additionalProperties: true },
    [{ a: { b: [1] } }],
    [[]],
  ],
  [
    'additionalProperties with a schema',
    { properties: { id: {} }, additionalProperties: { type: 'string' } },
    [{ id: 1, a: 'x' }, { id: { deep: [1] } }],
    [{ a: 1 }, { a: {} }],
  ],
  [
    'additionalProperties: false',
    { properties: { a: {} }, additionalProperties: false },
    [{ a: 1 }],
    [{ b: 1 }],
  ],
  [
    'the empty schema means anything',
    { properties: { a: {}, b: true, c: { description: 'x' } } },
    [{ a: [{ x: 1 }], b: {}, c: { y: 2 } }],
    [{ d: 1 }],
  ],
  ['false', { properties: { a: false } }, [{}], [{ a: 1 }]],
  ['types', { type: ['integer', 'null'] }, [1, 1.0, null, -0], [1.5, '1', true, [], {}]],
  [
    'number and integer',
    { properties: { n: { type: 'number' }, i: { type: 'integer' } } },
    [{ n: 1.5, i: 2 }],
    [{ i: 2.5 }, { n: '1' }],
  ],
  [
    'enum with compound values',
    { enum: ['a', 1, { x: [1, { y: 2 }] }] },
    ['a', 1, { x: [1, { y: 2 }] }],
    ['b', { x: [1] }, { x: [1, { y: 2, z: 3 }] }, '1'],
  ],
  ['const', { const: { a: null } }, [{ a: null }], [{ a: 0 }, {}, null]],
  [
    'bounds',
    { minimum: 1, maximum: 3, exclusiveMaximum: 3, multipleOf: 0.5 },
    [1, 2.5, 'x'],
    [0, 3, 1.2],
  ],
  ['exclusiveMinimum', { exclusiveMinimum: 0 }, [0.1], [0, -1]],
  [
    'lengths count code points',
    { minLength: 2, maxLength: 3 },
    ['ab', '😀😀😀', 12],
    ['a', '😀', 'abcd', ''],
  ],
  ['pattern', { pattern: '^[a-z]+$' }, ['abc', 5], ['Abc', '', 'abc1']],
  [
    'items',
    { items: { type: 'string' }, minItems: 1, maxItems: 2, uniqueItems: true },
    [['a'], ['a', 'b']],
    [[], ['a', 'a'], ['a', 'b', 'c'], [1]],
  ],
  [
    'uniqueItems by value',
    { items: {}, uniqueItems: true },
    [[{ a: 1, b: 2 }, { a: 1 }]],
    [
      [
        { a: 1, b: 2 },
        { b: 2, a: 1 },
      ],
      [1, 1.0],
    ],
  ],
  [
    'prefixItems',
    { prefixItems: [{ type: 'string' }, { type: 'number' }] },
    [['a'], ['a', 1], []],
    [['a', 1, 2], [1]],
  ],
  [
    'prefixItems and items',
    { prefixItems: [{ type: 'string' }], items: { type: 'number' } },
    [['a', 1, 2]],
    [['a', 'b']],
  ],
  [
    'items as a list (draft-07)',
    { items: [{ type: 'string' }], additionalItems: { type: 'number' } },
    [['a', 1]],
    [['a', 'b'], [1]],
  ],
  ['items as a list alone', { items: [{ type: 'string' }] }, [['a']], [['a', 'b']]],
  ['additionalItems: false', { items: [{}], additionalItems: false }, [[1]], [[1, 2]]],
  [
    'patternProperties',
    { patternProperties: { '^x_': { type: 'number' } } },
    [{ x_a: 1 }],
    [{ x_a: '1' }, { y: 1 }],
  ],
  [
    'propertyNames',
    { propertyNames: { pattern: '^[a-z]+$' }, additionalProperties: { type: 'number' } },
    [{ a: 1 }],
    [{ A: 1 }],
  ],
  [
    'required is about own members',
    { properties: { constructor: {} }, required: ['constructor'] },
    [{ constructor: 1 }],
    [{}],
  ],
  [
    'dependentRequired',
    { properties: { a: {}, b: {} }, dependentRequired: { a: ['b'] } },
    [{ b: 1 }, { a: 1, b: 1 }, {}],
    [{ a: 1 }],
  ],
  [
    'sizes of objects',
    { additionalProperties: true, minProperties: 1, maxProperties: 2 },
    [{ a: 1 }],
    [{}, { a: 1, b: 2, c: 3 }],
  ],
  [
    'allOf: each part speaks of its own',
    {
      allOf: [
        { properties: { a: { type: 'number' } }, required: ['a'] },
        { properties: { b: {} } },
      ],
    },
    [{ a: 1 }, { a: 1, b: 2 }],
    [{ b: 2 }, { a: 1, c: 3 }],
  ],
  [
    'anyOf: only what held speaks',
    {
      anyOf: [
        { properties: { kind: { const: 'a' }, x: {} }, required: ['kind'] },
        { properties: { kind: { const: 'b' }, y: {} }, required: ['kind'] },
      ],
    },
    [
      { kind: 'a', x: 1 },
      { kind: 'b', y: 1 },
    ],
    [{ kind: 'a', y: 1 }, { kind: 'c' }, {}],
  ],
  [
    'oneOf',
    { oneOf: [{ type: 'string' }, { type: 'number', minimum: 5 }, { type: 'number', maximum: 5 }] },
    ['x', 4, 6],
    [5, null],
  ],
  [
    'oneOf is judged as the standard judges it: an undeclared member does not make an alternative fail',
    {
      oneOf: [
        { properties: { p: { properties: { a: {} } } } },
        { properties: { p: { properties: { b: {} } } } },
      ],
    },
    [],
    [{ p: { a: 1 } }, {}],
  ],
  ['not', { type: 'string', not: { enum: ['root', 'admin'] } }, ['user'], ['root', 1]],
  [
    'not speaks of nothing',
    { not: { properties: { a: false }, required: ['a'] } },
    [{}],
    [{ b: 1 }, { a: 1 }],
  ],
  [
    'if then else',
    {
      properties: { kind: { type: 'string' } },
      required: ['kind'],
      if: { properties: { kind: { const: 'file' } } },
      // oxlint-disable-next-line unicorn/no-thenable -- a keyword of JSON Schema
      then: { properties: { path: { type: 'string' } }, required: ['path'] },
      else: { properties: { url: { type: 'string' } } },
    },
    [{ kind: 'file', path: '/a' }, { kind: 'web', url: 'x' }, { kind: 'web' }],
    [{ kind: 'file' }, { kind: 'file', path: '/a', url: 'x' }, { kind: 'web', path: '/a' }],
  ],
  [
    'if without else demands and speaks of nothing',
    // oxlint-disable-next-line unicorn/no-thenable -- a keyword of JSON Schema
    { if: { required: ['a'] }, then: { properties: { a: {} } } },
    [{ a: 1 }, {}],
    [{ b: 1 }],
  ],
  [
    'references, recursive ones too',
    {
      $defs: {
        node: {
          type: 'object',
          properties: {
            name: { type: 'string' },
            'a/b~c': {},
            children: { type: 'array', items: { $ref: '#/$defs/node' } },
          },
        },
      },
      $ref: '#/$defs/node',
      properties: { extra: { $ref: '#/$defs/node/properties/a~1b~0c' } },
    },
    [{ name: 'a', children: [{ name: 'b', children: [] }], extra: 1 }],
    [{ name: 'a', children: [{ nom: 'b' }] }, { name: 1 }],
  ],
  [
    'a reference to the root',
    { properties: { next: { $ref: '#' } } },
    [{ next: { next: {} } }],
    [{ next: { prev: 1 } }],
  ],
  [
    'a reference into a list',
    { properties: { a: { anyOf: [{ type: 'string' }] }, b: { $ref: '#/properties/a/anyOf/0' } } },
    [{ b: 'x' }],
    [{ b: 1 }],
  ],
  [
    'format and x- keywords demand nothing',
    { type: 'string', format: 'email', 'x-mcp-header': 'To' },
    ['nobody'],
    [1],
  ],
  [
    'unevaluatedProperties: false is the rule anyway',
    { properties: { a: {} }, unevaluatedProperties: false },
    [{ a: 1 }],
    [{ b: 1 }],
  ],
]

for (const [name, schema, good, bad] of rows) {
  test(name, () => {
    for (const value of good)
      assert.deepEqual(
        conforms(value, schema),
        { ok: true, value: undefined },
        JSON.stringify(value),
      )
    for (const value of bad) {
      const got = conforms(value, schema)
      assert.ok(!got.ok && got.error.reason === 'arguments_invalid', JSON.stringify(value))
    }
  })
}

function problemIn(value: Json): unknown {
  const got = conforms(value, editFile)
  return got.ok ? undefined : { at: got.error.at, message: got.error.message }
}

test('a refusal says where and what, and never the value', () => {
  assert.deepEqual(problemIn({ path: '/a', edits: [{ oldText: 'x', newText: 5 }] }), {
    at: 'edits[0].newText',
    message: 'expected string',
  })
  assert.deepEqual(
    problemIn({ path: '/a', edits: [{ oldText: 'x', newText: 'y', secret: 'hunter2' }] }),
    {
      at: 'edits[0].secret',
      message: 'expected only what the schema declares',
    },
  )
  assert.deepEqual(problemIn({ edits: [] }), { at: '', message: 'expected a member `path`' })
})

test('what is accepted has no member that can be taken away from the schema unnoticed', () => {
  // For closed schemas: removing a declared property from the schema refuses every value that has it.
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.string(), { minLength: 1, maxLength: 6 }),
      fc.nat(),
      (names, n) => {
        const properties = Object.fromEntries(names.map((name) => [name, { type: 'integer' }]))
        const value = Object.fromEntries(names.map((name, i) => [name, i]))
        assert.equal(conforms(value, { properties }).ok, true)
        const removed = names[n % names.length] ?? ''
        const { [removed]: _, ...rest } = properties
        assert.equal(conforms(value, { properties: rest }).ok, false)
      },
    ),
  )
})
