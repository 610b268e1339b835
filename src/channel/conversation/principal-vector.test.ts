import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { sql } from 'kysely'
import { SeededRandom } from '../../base/random.ts'
import { keyFor } from './conversation-key.ts'
import type { Principal } from './envelopes.ts'
import { closePair, principalVector } from './principal-vector.ts'
import { send } from '../../store/statement.ts'
import { openTestConversation } from './testing.ts'

const iss = 'https://behalf.example'
const people = (count: number): Principal[] =>
  Array.from({ length: count }, (_, i) => ({ iss, sub: `per_${i}` }) as const)
const key = new SeededRandom('key').bytes(32)

function dot(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, i) => sum + value * (b[i] ?? 0), 0)
}

test('a vector is the sign bits of the HMAC, low bit of each byte first, of length one', () => {
  const vector = principalVector(key, { iss, sub: 'per_1' })
  const mac = createHmac('sha256', key).update(iss).update(Buffer.of(0)).update('per_1').digest()
  const bits = Array.from({ length: 64 }, (_, i) => ((mac[Math.floor(i / 8)] ?? 0) >> (i % 8)) % 2)
  assert.deepEqual(
    [...vector],
    bits.map((bit) => (bit === 1 ? 1 / 8 : -1 / 8)),
  )
  assert.equal(dot(vector, vector), 1)
})

test('no issuer and subject can be cut at another place', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), fc.string(), fc.string(), (a, b, c, d) => {
      const [one, other] = [a, c].map((each) => each.replaceAll('\0', '')) as [string, string]
      fc.pre(one !== other || b !== d)
      const first = principalVector(key, { iss: one, sub: b as Principal['sub'] })
      const second = principalVector(key, { iss: other, sub: d as Principal['sub'] })
      assert.notDeepEqual(first, second)
    }),
  )
  assert.throws(() => principalVector(key, { iss: 'a\0b', sub: 'per_1' }), TypeError)
})

test('another conversation has unrelated vectors', () => {
  const other = new SeededRandom('other key').bytes(32)
  for (const principal of people(50)) {
    const cosine = dot(principalVector(key, principal), principalVector(other, principal))
    assert.ok(Math.abs(cosine) < 0.6, `got ${cosine}`)
  }
})

/** A key under which two of `principals` are too close. */
function unluckyKey(principals: readonly Principal[]): Buffer {
  const random = new SeededRandom('unlucky')
  for (let tries = 0; tries < 10_000; tries++) {
    const tried = random.bytes(32)
    if (closePair(tried, principals) !== undefined) return tried
  }
  throw new Error('expected a key with a close pair')
}

test('a close pair is found, whatever repeats, and one principal is no pair', () => {
  const some = people(30)
  const unlucky = unluckyKey(some)
  const [one, other] = closePair(unlucky, [...some, ...some]) ?? []
  assert.ok(one !== undefined && other !== undefined && one.sub !== other.sub)
  assert.ok(dot(principalVector(unlucky, one), principalVector(unlucky, other)) >= 0.5)
  assert.equal(closePair(unlucky, [one, { ...one }]), undefined)
})

test('a conversation with a close pair gets another key, sealed, and keeps it', async (t) => {
  const env = await openTestConversation(t)
  const some = people(30)
  const unlucky = unluckyKey(some)
  // The first key that is offered is as bad as the one that is there.
  const offered = [unlucky]
  const random = { bytes: (n: number) => (n === 32 && offered.pop()) || env.random.bytes(n) }
  const { id } = env.conversation
  const before = await env.store.transaction((tx) => keyFor(tx, id, people(2), env))
  assert.deepEqual([before.epoch, before.rekeyed], [0, undefined])
  const forced = people(30)
  // Until the key that is there happens to be one that needs replacing.
  let now = before
  for (let count = 30; now.rekeyed === undefined && count < 2_000; count += 100) {
    const more = [...forced, ...people(count)]
    if (closePair(now.key, more) === undefined) continue
    const few = [closePair(now.key, more) ?? []].flat()
    now = await env.store.transaction((tx) => keyFor(tx, id, few, { ...env, random }))
    if (now.rekeyed !== undefined) await send(env.store.db, [now.rekeyed])
    assert.equal(closePair(now.key, few), undefined)
  }
  assert.equal(now.epoch, 1)
  const after = await env.store.transaction((tx) => keyFor(tx, id, people(2), env))
  assert.deepEqual([after.epoch, Buffer.from(after.key)], [1, Buffer.from(now.key)])
  const { rows } = await sql<{ sealed: Buffer }>`
    select sealed from conversation_key order by epoch`.execute(env.store.db)
  assert.equal(rows.length, 2)
  assert.ok(rows.every(({ sealed }) => !sealed.includes(Buffer.from(now.key))))
})
