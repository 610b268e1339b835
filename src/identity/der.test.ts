import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { childrenOf, element, parseDer, TAG } from './der.ts'

test('what is written is read, at every size of the length', () => {
  for (const size of [0, 1, 127, 128, 255, 256, 65_000]) {
    const content = Buffer.alloc(size, 7)
    const read = parseDer(element(TAG.octetString, content))
    assert.deepEqual(read?.content, content)
    assert.equal(read?.tag, TAG.octetString)
  }
})

test('elements inside of an element are read in order', () => {
  const parts = [element(TAG.integer, Buffer.of(1)), element(TAG.utf8String, Buffer.from('ä'))]
  const read = parseDer(element(TAG.sequence, ...parts))
  assert.ok(read)
  assert.deepEqual(
    childrenOf(read)?.map(({ encoded }) => encoded),
    parts,
  )
})

for (const [name, hex] of [
  ['nothing', ''],
  ['a tag alone', '30'],
  ['content that is cut off', '300201'],
  ['two elements', '05000500'],
  ['a length in more octets than it needs', '308101aa'],
  ['a length with leading zero', '308200ff' + '00'.repeat(255)],
  ['an indefinite length', '30800000'],
  ['a length of three octets', '3083000001aa'],
  ['a tag number of 31 or more', '1f8100'],
] as const) {
  test(`refuses ${name}`, () => assert.equal(parseDer(Buffer.from(hex, 'hex')), undefined))
}

test('a primitive element has no children', () => {
  const read = parseDer(element(TAG.octetString, element(TAG.integer, Buffer.of(1))))
  assert.ok(read)
  assert.equal(childrenOf(read), undefined)
})

test('refuses to write more than it can read', () => {
  assert.throws(() => element(TAG.octetString, Buffer.alloc(65_536)), RangeError)
})

test('whatever bytes are read are written the same', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      const read = parseDer(bytes)
      if (read === undefined) return
      assert.deepEqual(element(read.tag, read.content), Buffer.from(bytes))
    }),
    { numRuns: 5_000 },
  )
})
