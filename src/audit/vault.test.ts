import { test } from 'node:test'
import assert from 'node:assert/strict'
import { sql } from 'kysely'
import type { Json } from '../base/canonical-json.ts'
import { openTestLog } from './testing.ts'
import { sealedDigest, type SealedValue } from './vault.ts'

const values: [name: string, value: SealedValue][] = [
  ['an object', { b: [1, null, 'ä'], a: { c: true } }],
  ['a text', 'prepare return 1042'],
  ['a number', 1042],
  ['null', null],
  ['bytes', Buffer.from([0, 255, 1])],
  ['no bytes', Buffer.alloc(0)],
]
test('what was sealed opens as it was', async (t) => {
  const { store, vault } = await openTestLog(t)
  for (const [name, value] of values) {
    const sealed = await store.transaction((tx) => vault.seal(tx, value, {}))
    assert.deepEqual(await vault.open(store.db, sealed), value, name)
    assert.match(sealed.sealed, /^sha256:[0-9a-f]{64}$/)
  }
})

test('several values are sealed by one statement, their references in order', async (t) => {
  const { store, vault } = await openTestLog(t)
  const sealings = values.map(([, value]) => ({ value }))
  const sealed = await store.transaction((tx) => vault.sealMany(tx, sealings))
  const opened = await vault.openMany(store.db, sealed)
  assert.deepEqual(
    sealed.map((s) => opened.get(s.sealed)),
    values.map(([, value]) => value),
  )
  assert.deepEqual(
    sealed.map((s) => s.bytes),
    [34, 21, 4, 4, 3, 0],
  )
  assert.deepEqual(await store.transaction((tx) => vault.sealMany(tx, [])), [])
})

test('equal values have unequal references: whoever has one cannot guess another', async (t) => {
  const { store, vault } = await openTestLog(t)
  const sealed = await store.transaction((tx) =>
    vault.sealMany(tx, [{ value: 'x' }, { value: 'x' }]),
  )
  assert.notEqual(sealed[0]?.sealed, sealed[1]?.sealed)
})

test('a value sealed in a transaction that fails is not there', async (t) => {
  const { store, vault } = await openTestLog(t)
  let lost = { sealed: '', bytes: 0 }
  const failing = store.transaction(async (tx) => {
    lost = await vault.seal(tx, 'x', {})
    throw new Error('after the seal')
  })
  await assert.rejects(failing, { message: 'after the seal' })
  assert.equal(await vault.open(store.db, lost), undefined)
})

test('erasing takes every value about a subject, with its salt, and nothing else', async (t) => {
  const { store, vault } = await openTestLog(t)
  const [one, two, other] = await store.transaction((tx) =>
    vault.sealMany(tx, [
      { value: 'a', subject: 'per_a' },
      { value: 'b', subject: 'per_a' },
      { value: 'c', subject: 'per_b' },
    ]),
  )
  assert.ok(one && two && other)
  assert.equal(await store.transaction((tx) => vault.erase(tx, 'per_a')), 2)
  assert.equal(await store.transaction((tx) => vault.erase(tx, 'per_a')), 0)
  assert.equal(await vault.open(store.db, one), undefined)
  assert.equal(await vault.open(store.db, two), undefined)
  assert.equal(await vault.open(store.db, other), 'c')
  const { rows } = await sql`
    select digest, salt, value, erased_at from vault_value where digest = ${one.sealed}`.execute(
    store.db,
  )
  assert.deepEqual(rows, [
    { digest: one.sealed, salt: null, value: null, erased_at: 1_767_225_600_000 },
  ])
})

const alterations = [
  `update vault_value set value = '"b"'`,
  `update vault_value set salt = '\\x00000000000000000000000000000000'`,
]
for (const alteration of alterations) {
  test(`a value that is not the one that was sealed is a fault: ${alteration}`, async (t) => {
    const { store, vault } = await openTestLog(t)
    const sealed = await store.transaction((tx) => vault.seal(tx, 'a', {}))
    await sql.raw(alteration).execute(store.db)
    await assert.rejects(
      vault.open(store.db, sealed),
      /expected the value that was sealed as `sha256:/,
    )
  })
}

test('a value that JSON cannot hold is not sealed', async (t) => {
  const { store, vault } = await openTestLog(t)
  for (const value of [NaN, '\ud800', undefined]) {
    await assert.rejects(
      store.transaction((tx) => vault.seal(tx, value as Json, {})),
      TypeError,
    )
  }
})

test('the digest is over salt and canonical value', () => {
  const salt = Buffer.alloc(16, 1)
  assert.equal(sealedDigest(salt, { b: 1, a: 2 }), sealedDigest(salt, Buffer.from('{"a":2,"b":1}')))
  assert.equal(
    sealedDigest(salt, 'a'),
    'sha256:afea7c74a4757a4be0a8d79a780059ddadf845d3bbb5208424d7c9853d231cb4',
  )
})
