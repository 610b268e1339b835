import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { FakeClock } from '../base/clock.ts'
import { PUBLISHED_AHEAD_MILLISECONDS } from './key-schedule.ts'
import type { Keyring } from './keyring.ts'
import { LONGEST_LIFETIME_SECONDS, PURPOSES } from './signing-key.ts'
import { testKeyring } from './testing.ts'

test('a new keyring has one key that signs and one that waits, of every purpose', () => {
  const keyring = testKeyring({ clock: new FakeClock() })
  for (const purpose of PURPOSES) {
    const published = keyring.published(purpose)
    assert.equal(published.length, 2)
    assert.equal(published.includes(keyring.active(purpose)), true)
  }
})

test('a key is found for its own purpose only', () => {
  const keyring = testKeyring()
  const { kid } = keyring.active('issuer')
  assert.equal(keyring.find('issuer', kid)?.kid, kid)
  for (const other of ['svid_ca', 'svid_jwt', 'log', 'witness'] as const) {
    assert.equal(keyring.find(other, kid), undefined)
  }
  assert.equal(keyring.find('issuer', 'constructor'), undefined)
})

test('a rotation makes the waiting key sign at once', async () => {
  const keyring = testKeyring({ clock: new FakeClock() })
  const before = keyring.active('issuer')
  const [next] = keyring.published('issuer').filter(({ kid }) => kid !== before.kid)
  const promoted = await keyring.rotate('issuer')
  assert.equal(promoted.kid, next?.kid)
  assert.equal(keyring.active('issuer').kid, next?.kid)
  assert.equal(keyring.find('issuer', before.kid)?.kid, before.kid)
  assert.equal('privateKey' in (keyring.find('issuer', before.kid) ?? {}), false)
})

test('a second rotation waits until its key was published long enough', async () => {
  const clock = new FakeClock()
  const keyring = testKeyring({ clock })
  const second = await keyring.rotate('issuer')
  const third = await keyring.rotate('issuer')
  assert.equal(keyring.active('issuer').kid, second.kid)
  await clock.advance(PUBLISHED_AHEAD_MILLISECONDS - 1)
  assert.equal(keyring.active('issuer').kid, second.kid)
  await clock.advance(1)
  assert.equal(keyring.active('issuer').kid, third.kid)
})

test('a retired key is published until what it signed has expired', async () => {
  const clock = new FakeClock()
  const keyring = testKeyring({ clock })
  const { kid } = keyring.active('svid_jwt')
  await keyring.rotate('svid_jwt')
  await clock.advance(LONGEST_LIFETIME_SECONDS.svid_jwt * 1_000)
  assert.notEqual(keyring.find('svid_jwt', kid), undefined)
  await clock.advance(60_000)
  assert.equal(keyring.find('svid_jwt', kid), undefined)
  assert.equal(
    keyring.published('svid_jwt').some((key) => key.kid === kid),
    false,
  )
})

test('whatever is rotated when, nothing valid is refused and nothing unannounced signs', async () => {
  const purpose = 'svid_jwt'
  const lifetime = LONGEST_LIFETIME_SECONDS[purpose] * 1_000
  const step = fc.oneof(fc.constant('rotate' as const), fc.integer({ min: 1, max: lifetime * 2 }))
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const clock = new FakeClock()
      const keyring = testKeyring({ clock })
      const opened = clock.nowMilliseconds()
      const seenSince = new Map<string, number>()
      const signed: { kid: string; at: number }[] = []
      for (const next of [0, ...steps, 1]) {
        if (next === 'rotate') await keyring.rotate(purpose)
        else await clock.advance(next)
        const now = clock.nowMilliseconds()
        for (const { kid } of keyring.published(purpose)) {
          if (!seenSince.has(kid)) seenSince.set(kid, now)
        }
        const { kid } = keyring.active(purpose)
        const since = seenSince.get(kid) ?? now
        assert.ok(since === opened || now - since >= PUBLISHED_AHEAD_MILLISECONDS)
        signed.push({ kid, at: now })
        assertFound(keyring, signed, now - lifetime)
      }
    }),
    { numRuns: 60 },
  )

  function assertFound(keyring: Keyring, made: { kid: string; at: number }[], since: number): void {
    for (const { kid } of made.filter(({ at }) => at > since)) {
      assert.notEqual(keyring.find(purpose, kid), undefined)
    }
  }
})
