import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JsonObject } from '../base/canonical-json.ts'
import { checkDefaults } from './sink-default.ts'

const plain = { type: 'string' }
const filled = { type: 'string', default: '/' }
const object = (properties: JsonObject, more: JsonObject = {}): JsonObject => ({
  type: 'object',
  properties,
  ...more,
})

const edits = object({ edits: { type: 'array', items: object({ path: filled }) } })
const many = Array.from({ length: 5_000 }, () => ({ path: 'a' }))
const padded = object({
  path: { anyOf: [filled, ...Array.from({ length: 3_000 }, (_, at) => ({ const: `${at}` }))] },
})

const cases: readonly [
  name: string,
  schema: JsonObject,
  path: string,
  args: JsonObject,
  ok: boolean,
][] = [
  ['said', object({ path: filled }), 'path', { path: '/a' }, true],
  ['left out, with a default', object({ path: filled }), 'path', {}, false],
  ['left out, without a default', object({ path: plain }), 'path', {}, true],
  ['left out, null by default', object({ path: { default: null } }), 'path', {}, true],
  ['empty by default', object({ path: { default: '' } }), 'path', {}, false],
  ['another has a default', object({ path: plain, x: filled }), 'path', {}, true],
  ['no such property', object({}), 'path', {}, true],
  ['a list by default', object({ to: { default: ['a@x.example'] } }), 'to[]', {}, false],
  ['a list that is said', object({ to: { default: ['a'] } }), 'to[]', { to: [] }, true],
  ['within, left out', object({ o: object({ path: filled }) }), 'o.path', { o: {} }, false],
  ['within, said', object({ o: object({ path: filled }) }), 'o.path', { o: { path: 'x' } }, true],
  ['within what is left out', object({ o: object({ path: filled }) }), 'o.path', {}, false],
  [
    'above has a default',
    object({ o: object({ path: plain }, { default: {} }) }),
    'o.path',
    {},
    false,
  ],
  [
    'in one of many items',
    object({ edits: { type: 'array', items: object({ path: filled }) } }),
    'edits[].path',
    { edits: [{ path: 'a' }, {}] },
    false,
  ],
  [
    'in all items',
    object({ edits: { type: 'array', items: object({ path: filled }) } }),
    'edits[].path',
    { edits: [{ path: 'a' }, { path: 'b' }] },
    true,
  ],
  ['in an alternative', object({ path: { anyOf: [{ type: 'null' }, filled] } }), 'path', {}, false],
  ['in a part', { allOf: [object({ path: filled })] }, 'path', {}, false],
  [
    'behind a reference',
    object({ path: { $ref: '#/$defs/place' } }, { $defs: { place: filled } }),
    'path',
    {},
    false,
  ],
  [
    'in a schema that refers to itself',
    object({ next: { $ref: '#' }, path: plain }),
    'next.next.path',
    { next: { next: {} } },
    true,
  ],
  ['named like a member of every object', object({}), 'constructor', {}, true],
  ['in the last of many items', edits, 'edits[].path', { edits: [...many, {}] }, false],
  ['in many items', edits, 'edits[].path', { edits: many }, true],
  [
    'in many items without a default',
    object({ edits: { type: 'array', items: object({ path: plain }) } }),
    'edits[].path',
    { edits: many.map(() => ({})) },
    true,
  ],
  ['behind more alternatives than are looked at', padded, 'path', {}, false],
  ['said, behind more alternatives than are looked at', padded, 'path', { path: 'a' }, true],
]
for (const [name, schema, path, args, ok] of cases) {
  test(`a sink that is ${name}: ${ok ? 'accepted' : 'refused'}`, () => {
    const checked = checkDefaults(args, [{ path }], schema)
    const refusal = {
      reason: 'argument_unsaid',
      at: path,
      message: 'expected what the server would fill in to be said',
    }
    assert.deepEqual(checked, ok ? { ok: true, value: undefined } : { ok: false, error: refusal })
  })
}
