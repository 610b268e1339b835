import { test } from 'node:test'
import assert from 'node:assert/strict'
import { decodeEntry, encodeEntry, MAX_ENTRY_BYTES, type Entry } from './entry.ts'
import { testEntry, testIntended, testOutcome } from './testing.ts'

for (const entry of [testEntry('grp_a', ['grp_a']), testIntended('c'), testOutcome('c', 4)]) {
  test(`${entry.kind}: print and parse are inverse`, () => {
    assert.deepEqual(decodeEntry(encodeEntry(entry)), entry)
  })
}

test('an entry is canonical JSON', () => {
  assert.equal(
    Buffer.from(encodeEntry(testEntry('grp_a'))).toString(),
    '{"by":{"part":"test","type":"system"},"group":"grp_a","kind":"group_created","name":"grp_a","time":1767225600000,"v":1}',
  )
})

const notWritten: [name: string, entry: object][] = [
  ['a kind that is not in the list', { ...testEntry('grp_a'), kind: 'group_renamed' }],
  ['a member that is not in the list', { ...testEntry('grp_a'), colour: 'red' }],
  ['a member that is too long', testEntry('g'.repeat(301))],
  ['a time that is no integer', { ...testEntry('grp_a'), time: 0.5 }],
  ['another version', { ...testEntry('grp_a'), v: 2 }],
]
for (const [name, entry] of notWritten) {
  test(`not written: ${name}`, () => {
    assert.throws(() => encodeEntry(entry as Entry), { name: 'ZodError' })
  })
}

test('not written: more than a bundle can carry', () => {
  const touches = Array.from({ length: 1_000 }, (_, i) => `per_${'x'.repeat(200)}${i}`)
  assert.throws(() => encodeEntry(testEntry('grp_a', touches)), {
    name: 'RangeError',
    message: /expected an entry of at most 65535 bytes, got 2\d{5}/,
  })
  assert.equal(MAX_ENTRY_BYTES, 65_535)
})

const text = Buffer.from(encodeEntry(testEntry('grp_a'))).toString()
const notRead: [name: string, bytes: Uint8Array, error: string][] = [
  ['white space', Buffer.from(` ${text}`), 'TypeError'],
  ['a byte order mark', Buffer.from(`\ufeff${text}`), 'SyntaxError'],
  ['a repeated member', Buffer.from(text.replace('"v":1', '"v":1,"v":1')), 'TypeError'],
  ['another order of members', Buffer.from(`{"v":1,${text.slice(1, -7)}}`), 'TypeError'],
  ['bytes that are no UTF-8', Uint8Array.of(0x22, 0xff, 0x22), 'TypeError'],
  ['an entry of another kind', Buffer.from('{"v":1}'), 'ZodError'],
]
for (const [name, bytes, error] of notRead) {
  test(`not read: ${name}`, () => assert.throws(() => decodeEntry(bytes), { name: error }))
}
