import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import test from 'node:test'
import * as fc from 'fast-check'
import * as z from 'zod'
import { parseStrictJson } from './strict-json.ts'

const VECTORS = join(import.meta.dirname, '../../vectors/strict-json')
const vector = z.union([
  z.strictObject({ name: z.string(), text: z.string(), want: z.string(), at: z.int().optional() }),
  z.strictObject({ name: z.string(), hex: z.string(), want: z.string(), at: z.int().optional() }),
])

for (const file of globSync(join(VECTORS, '*.json'))) {
  for (const each of z.array(vector).parse(JSON.parse(readFileSync(file, 'utf8')))) {
    test(`${basename(file, '.json')}: ${each.name}`, () => {
      const bytes = 'hex' in each ? Buffer.from(each.hex, 'hex') : Buffer.from(each.text)
      const got = parseStrictJson(bytes)
      if (got.ok) {
        assert.equal('accept', each.want)
        assert.deepEqual(got.value, JSON.parse(bytes.toString()))
      } else {
        assert.equal(got.error.reason, each.want)
        if (each.at !== undefined) assert.equal(got.error.at, each.at)
      }
    })
  }
}

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)

test('whatever JSON.stringify writes is read back, unless it is refused for a named reason', () => {
  const refusable = ['json_colliding_key', 'json_unsafe_key', 'json_unsafe_number']
  fc.assert(
    fc.property(fc.json({ maxDepth: 6 }), fc.constantFrom(undefined, ' ', '\t'), (text, space) => {
      const laidOut = JSON.stringify(JSON.parse(text), null, space)
      const got = parseStrictJson(bytesOf(laidOut))
      if (got.ok) assert.deepEqual(got.value, JSON.parse(laidOut))
      else assert.ok(refusable.includes(got.error.reason), got.error.reason)
    }),
    { numRuns: 1_000 },
  )
})

test('arbitrary and mutated texts never throw, and what is accepted JSON.parse reads alike', () => {
  const soup = fc.string({
    unit: fc.constantFrom(
      ...'{}[]",:\\u0eE+-.1d8tfn \n'.split(''),
      'true',
      'null',
      '"a"',
      '\\"',
      'é',
    ),
    maxLength: 40,
  })
  fc.assert(
    fc.property(fc.oneof(soup, fc.string({ unit: 'binary' })), (text) => {
      const got = parseStrictJson(bytesOf(text))
      if (got.ok) assert.deepEqual(got.value, JSON.parse(text))
    }),
    { numRuns: 5_000 },
  )
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      parseStrictJson(bytes)
    }),
  )
})

test('a duplicate anywhere is refused', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.string(), { minLength: 1, maxLength: 30 }),
      fc.nat(),
      (names, n) => {
        const again = names[n % names.length] ?? ''
        const members = [...names, again].map((name) => `${JSON.stringify(name)}:0`)
        const got = parseStrictJson(bytesOf(`[{"deep":{${members.join(',')}}}]`))
        assert.equal(got.ok, false)
      },
    ),
  )
})

test('hostile texts of a megabyte are refused or read in bounded time, without a stack overflow', () => {
  const size = 1_000_000
  const members = Array.from({ length: 90_000 }, (_, i) => `"k${i}":0`).join(',')
  const hostile = [
    '['.repeat(size),
    '{"a":'.repeat(size / 5),
    `"${'\\'.repeat(size)}`,
    `"${'\\n'.repeat(size / 2 - 1)}"`,
    `[${'"\\n",'.repeat(size / 6)}1]`,
    `{${members}}`,
    `{${members},"K1":0}`,
    '1'.repeat(size),
    ' '.repeat(size),
    `["${'é'.repeat(size / 2 - 2)}"]`,
  ]
  for (const text of hostile) parseStrictJson(bytesOf(text))
  assert.deepEqual(parseStrictJson(bytesOf(' '.repeat(1_048_577))), {
    ok: false,
    error: { reason: 'json_too_large', at: 0, message: 'expected at most 1048576 bytes' },
  })
})

test('limits are the caller’s', () => {
  assert.equal(parseStrictJson(bytesOf('[[1]]'), { maxDepth: 2 }).ok, true)
  assert.equal(parseStrictJson(bytesOf('[[[1]]]'), { maxDepth: 2 }).ok, false)
  assert.equal(parseStrictJson(bytesOf('[1]'), { maxBytes: 2 }).ok, false)
})
