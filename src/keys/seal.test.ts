import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeededRandom, systemRandom } from '../base/random.ts'
import { seal, unseal } from './seal.ts'

const env = { random: systemRandom }
const key = systemRandom.bytes(32)
const secret = Buffer.from('upstream credential')

test('what was sealed opens under the same key for the same thing', () => {
  const sealed = seal(key, secret, 'server:1', env)
  assert.deepEqual(unseal(key, sealed, 'server:1'), secret)
  assert.deepEqual(unseal(key, new Uint8Array(sealed), 'server:1'), secret)
  assert.equal(sealed.includes(secret), false)
})

test('equal secrets are sealed to different bytes', () => {
  assert.notDeepEqual(seal(key, secret, 'a', env), seal(key, secret, 'a', env))
})

test('nothing else opens', () => {
  const sealed = seal(key, secret, 'server:1', env)
  const fails = (bytes: Uint8Array, under: Uint8Array, about: string): void => {
    assert.throws(
      () => unseal(under, bytes, about),
      (error: Error) => {
        assert.equal(error.message.includes(secret.toString()), false)
        return true
      },
    )
  }
  fails(sealed, systemRandom.bytes(32), 'server:1')
  fails(sealed, key, 'server:2')
  for (let length = 0; length < sealed.length; length++)
    fails(sealed.subarray(0, length), key, 'server:1')
  for (let at = 0; at < sealed.length; at++) {
    const altered = Buffer.from(sealed)
    altered[at] = (altered[at] ?? 0) ^ 1
    fails(altered, key, 'server:1')
  }
})

test('bytes stay readable', () => {
  const fixed = Buffer.alloc(32, 7)
  const sealed = seal(fixed, Buffer.from('x'), 'golden', { random: new SeededRandom('golden') })
  assert.equal(sealed.toString('hex'), GOLDEN)
  assert.equal(unseal(fixed, Buffer.from(GOLDEN, 'hex'), 'golden').toString(), 'x')
})

const GOLDEN = '017f4fc97a3411158a03174a5b4eea33ac5f5ad28c8450d40b906c7df14e'
