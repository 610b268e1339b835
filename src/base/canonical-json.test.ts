import { test } from 'node:test'
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import * as fc from 'fast-check'
import * as z from 'zod'
import { canonicalJson, type Json } from './canonical-json.ts'

const folder = new URL('../../vectors/canonical-json/', import.meta.url)
const vectors = z.array(
  z.union([
    z.strictObject({ name: z.string(), json: z.string(), canonical: z.string().nullable() }),
    z.strictObject({
      name: z.string(),
      double: z.string().length(16),
      canonical: z.string().nullable(),
    }),
  ]),
)

for (const file of readdirSync(folder).filter((name) => name.endsWith('.json'))) {
  for (const vector of vectors.parse(JSON.parse(readFileSync(new URL(file, folder), 'utf8')))) {
    test(`${file}: ${vector.name}`, () => {
      const value =
        'json' in vector
          ? (JSON.parse(vector.json) as Json)
          : Buffer.from(vector.double, 'hex').readDoubleBE()
      if (vector.canonical === null) assert.throws(() => canonicalJson(value), TypeError)
      else assert.equal(canonicalJson(value), vector.canonical)
    })
  }
}

test('what is not JSON is refused, and an undefined member is left out', () => {
  assert.equal(canonicalJson({ b: undefined, a: 1 }), '{"a":1}')
  for (const value of [undefined, 1n, Symbol('s'), () => 1, [undefined]]) {
    assert.throws(() => canonicalJson(value as unknown as Json), TypeError)
  }
})

const json = fc.jsonValue({ stringUnit: 'grapheme' }) as fc.Arbitrary<Json>

test('parse and print are inverse', () => {
  fc.assert(
    fc.property(json, (value) => {
      const text = canonicalJson(value)
      // A minus zero is printed as 0, so texts are compared, not values.
      assert.equal(canonicalJson(JSON.parse(text) as Json), text)
      assert.deepEqual(JSON.parse(text), JSON.parse(JSON.stringify(value)))
    }),
  )
})

test('the order in which members were set does not matter', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), json), (members) => {
      const reversed = Object.fromEntries(Object.entries(members).toReversed())
      assert.equal(canonicalJson(reversed), canonicalJson(members))
    }),
  )
})
