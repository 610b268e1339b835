import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../base/clock.ts'
import { SeededRandom } from '../base/random.ts'
import { ProofNonces } from './proof-nonces.ts'

test('a nonce is accepted for its turn and the next, by whom it was made', async () => {
  const clock = new FakeClock(1_767_225_600_000)
  const random = new SeededRandom('nonces')
  const nonces = new ProofNonces({ clock, random })
  const other = new ProofNonces({ clock, random })
  const nonce = nonces.current()
  assert.match(nonce, /^[\w-]{22}$/)
  assert.equal(nonces.current(), nonce)
  assert.notEqual(other.current(), nonce)
  for (const [name, given] of [
    ['none', undefined],
    ['an empty one', ''],
    ['of another process', other.current()],
    ['cut', nonce.slice(0, -1)],
    ['longer', `${nonce}A`],
    ['of as many characters in more bytes', 'ä'.repeat(nonce.length)],
  ] as const) {
    assert.equal(nonces.accepts(given), false, name)
  }
  for (const [seconds, accepted] of [
    [0, true],
    [59, true],
    [1, true],
    [59, true],
    [1, false],
  ] as const) {
    await clock.advance(seconds * 1_000)
    assert.equal(nonces.accepts(nonce), accepted)
  }
  assert.equal(nonces.accepts(nonces.current()), true)
})
