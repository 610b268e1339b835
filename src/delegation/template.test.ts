import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { McpCallDetail } from './intent.ts'
import { contains } from './narrowing.ts'
import {
  ceilingOf,
  fillTemplate,
  fillValues,
  isSound,
  parametersOfSentence,
  type ScopeTemplate,
  templateInWords,
} from './template.ts'
import { refundTemplate } from './testing.ts'

const refund = refundTemplate('order-{id}', 'https://b.example/mcp/shop')

for (const [name, words, want] of [
  [
    'the sentence',
    'refund order 1042 up to 30',
    { order: { equals: 'order-1042' }, amount: { max: 30 } },
  ],
  [
    'other case and spacing',
    ' Refund order  A7 up to 30.50.',
    { order: { equals: 'order-A7' }, amount: { max: 30.5 } },
  ],
  [
    'a value of several words',
    'refund order "a b" up to 30',
    { order: { equals: 'order-a b' }, amount: { max: 30 } },
  ],
  ['an amount that is none', 'refund order 1042 up to much', undefined],
  ['more than the sentence', 'refund order 1042 up to 30 and delete it', undefined],
  ['another sentence', 'cancel order 1042', undefined],
  ['structure in a value', 'refund order {"x":1} up to 30', undefined],
] as const) {
  test(`a template and ${name}`, () => {
    assert.deepEqual(fillTemplate(refund, words)?.[0]?.arguments?.['refund'], want)
  })
}

test('a template in plain words', () => {
  assert.deepEqual(templateInWords(refund), [
    'may call `refund` of shop where `order` is "order-{id}" and `amount` is at most {amount}, once',
  ])
})

type Values = Readonly<Record<string, string | number | boolean | string[]>>

/** A template of one call whose one argument is under `condition`, with `{x}` in it. */
function template(condition: Values, more: Partial<ScopeTemplate> = {}): ScopeTemplate {
  const detail = {
    type: 'mcp_call',
    locations: ['shop'],
    actions: ['tools/call:do'],
    arguments: { do: { it: { ...condition } } },
  }
  return { name: 'it', sentence: 'do {x}', details: [detail], ...more }
}

const text = { parameters: { x: { type: 'text' as const } } }
const upTo100 = { parameters: { x: { within: { max: 100 } } } }
for (const [name, one, value, want] of [
  ['an identifier', template({ equals: '{x}' }), '17', { equals: 17 }],
  ['an identifier that is text', template({ equals: '{x}' }, text), '17', { equals: '17' }],
  ['an amount that is text', template({ max: '{x}' }, text), '17', undefined],
  ['within its bound', template({ max: '{x}' }, upTo100), '100', { max: 100 }],
  ['beyond its bound', template({ max: '{x}' }, upTo100), '100.01', undefined],
  ['no number where its bound wants one', template({ equals: '{x}' }, upTo100), 'all', undefined],
  ['a folder', template({ prefix: '/clients/{x}' }), '1042', { prefix: '/clients/1042' }],
  ['a way out of a folder', template({ prefix: '/clients/{x}' }), '..', undefined],
  ['a deeper folder', template({ prefix: '/clients/{x}' }), '1042/private', undefined],
  ['a whole folder', template({ prefix: '{x}' }), '/clients/1042', { prefix: '/clients/1042' }],
  ['another host', template({ prefix: 'https://{x}.acme.example/a' }), 'evil.example/b', undefined],
  [
    'a part of a host',
    template({ host: '{x}.acme.example' }),
    'files',
    { host: 'files.acme.example' },
  ],
  ['a host and its end', template({ host: '{x}.acme.example' }), 'evil.example#', undefined],
  ['a star in a pattern', template({ pattern: '*@{x}' }), '*', undefined],
  ['a star that is a pattern', template({ pattern: '{x}' }), '*@acme.example', undefined],
  ['a part of a pattern', template({ pattern: '*@{x}' }), 'a.example', { pattern: '*@a.example' }],
  ['an identifier with a slash', template({ equals: 'a-{x}' }), 'b/c', { equals: 'a-b/c' }],
] as const) {
  test(`a value in its place: ${name}`, () => {
    const filled = fillTemplate(one, `do ${value}`)
    assert.deepEqual(filled?.[0]?.arguments?.['do']?.['it'], want)
  })
}

test('values are of exactly the parameters', () => {
  const one = template({ equals: '{x}' })
  assert.equal(fillValues(one, new Map()), undefined)
  assert.equal(fillValues(one, new Map([['y', '1']])), undefined)
  assert.equal(fillValues(one, new Map([['x', '']])), undefined)
  assert.equal(fillValues(one, new Map([['x', '{y}']])), undefined)
  const more: readonly (readonly [string, string])[] = [
    ['x', '1'],
    ['y', '1'],
  ]
  assert.equal(fillValues(one, new Map(more)), undefined)
  assert.equal(fillValues(one, new Map([['x', '1']]))?.length, 1)
})

const at = { type: 'mcp_call', locations: ['shop'], actions: ['tools/call:do'] }
for (const [name, one, want] of [
  ['a value in a condition', template({ equals: '{x}' }), true],
  ['a value in a folder', template({ prefix: '{x}' }), true],
  ['a value in a host', template({ host: '{x}' }), true],
  [
    'a value in a limit',
    template({ any: true }, { details: [{ ...at, limits: { calls: '{x}' } }] }),
    true,
  ],
  [
    'a total at a path',
    template({}, { details: [{ ...at, limits: { sum: { equals: '{x}' } } }] }),
    true,
  ],
  [
    'a parameter for the tool',
    template({}, { details: [{ ...at, actions: ['tools/call:{x}'] }] }),
    false,
  ],
  ['a parameter for the server', template({}, { details: [{ ...at, locations: ['{x}'] }] }), false],
  ['a parameter for the stage', template({}, { details: [{ ...at, stages: ['{x}'] }] }), false],
  ['a parameter that nobody says', template({ equals: '{y}' }), false],
  ['a declaration of nothing', template({ equals: '{x}' }, { parameters: { y: {} } }), false],
  ['text where a number belongs', template({ max: '{x}' }, text), false],
] as const) {
  test(`a template with ${name} is ${want ? 'kept' : 'refused'}`, () => {
    assert.equal(isSound(one), want)
  })
}

for (const [name, one, want] of [
  ['an open value', template({ equals: '{x}' }), { any: true }],
  ['a value with a bound', template({ equals: '{x}' }, upTo100), { max: 100 }],
  ['a text around it', template({ equals: 'order-{x}' }), { pattern: 'order-*' }],
  ['a folder around it', template({ prefix: '/clients/{x}/out' }), { prefix: '/clients' }],
  ['what it fixes itself', template({ max: '{x}', min: 1 }, upTo100), { max: 100, min: 1 }],
  ['no bound', template({ max: '{x}', min: 1 }), { min: 1 }],
] as const) {
  test(`the ceiling of ${name}`, () => {
    assert.deepEqual(ceilingOf(one)[0]?.arguments?.['do']?.['it'], want)
  })
}

test('whatever fills a template with bounds lies within its ceiling', () => {
  const conditions: Values[] = [
    { equals: '{x}' },
    { equals: 'order-{x}' },
    { prefix: '/clients/{x}' },
    { prefix: '{x}' },
    { pattern: '*@{x}' },
    { host: '{x}.acme.example' },
    { max: '{x}', min: 0 },
    { sum: '{x}' },
    { oneOf: ['{x}', 'a'] },
  ]
  const bounds = [{}, { max: 50 }, { prefix: '/clients' }, { pattern: 'a*' }, { oneOf: ['a', 7] }]
  const values = fc.oneof(
    fc.constantFrom(
      '17',
      '60',
      'a',
      'a.b',
      '/clients',
      '/clients/7',
      '/',
      '..',
      '*',
      'a b',
      'ä/..',
    ),
    fc.string({ maxLength: 8 }),
  )
  let compared = 0
  fc.assert(
    fc.property(
      fc.constantFrom(...conditions),
      fc.constantFrom(...bounds),
      values,
      (condition, within, value) => {
        const one = template(condition, { parameters: { x: { within } } })
        const details = fillValues(one, new Map([['x', value]]))
        if (details === undefined) return
        compared++
        const isText = (condition['equals'] ?? '') !== '{x}' && 'equals' in condition
        // A pattern says less than a text may hold: then the ceiling is the narrower of the two.
        if (isText && !/^[\w.+~=-]+$/.test(value)) return
        assert.equal(contains(ceilingOf(one), details).ok, true, JSON.stringify({ one, value }))
      },
    ),
    { numRuns: 3_000 },
  )
  assert.ok(compared > 300, String(compared))
})

test('what a ceiling says, a detail that is wider does not lie within', () => {
  const one = template({ max: '{x}' }, upTo100)
  const wider: McpCallDetail[] = [
    { ...at, type: 'mcp_call', arguments: { do: { it: { max: 101 } } } },
    { ...at, type: 'mcp_call' },
    { ...at, type: 'mcp_call', actions: ['tools/call:drop'] },
  ]
  for (const each of wider) assert.equal(contains(ceilingOf(one), [each]).ok, false)
})

test('parameters are told once, in order', () => {
  assert.deepEqual(parametersOfSentence({ sentence: 'move {a} to {b}, then {a} back' }), ['a', 'b'])
})
