import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock, nowSeconds } from '../base/clock.ts'
import type { Result } from '../base/result.ts'
import { SeenProofs } from './seen-proofs.ts'

test('a proof is new once, for each key', () => {
  const clock = new FakeClock()
  const seen = new SeenProofs({ clock })
  const until = nowSeconds(clock) + 60
  assert.equal(outcome(seen.see('key-1', 'a', until)), 'new')
  assert.equal(outcome(seen.see('key-1', 'a', until)), 'proof_replayed')
  assert.equal(outcome(seen.see('key-2', 'a', until)), 'new')
  assert.equal(outcome(seen.see('key-1', 'b', until)), 'new')
})

test('one holder fills its own share, and no more', async () => {
  const clock = new FakeClock()
  const seen = new SeenProofs({ clock }, { capacity: 100, capacityPerKey: 3 })
  const until = nowSeconds(clock) + 60
  for (const jti of ['a', 'b', 'c']) assert.equal(outcome(seen.see('greedy', jti, until)), 'new')
  assert.equal(outcome(seen.see('greedy', 'd', until)), 'proofs_exhausted')
  assert.equal(outcome(seen.see('greedy', 'a', until)), 'proof_replayed')
  assert.equal(outcome(seen.see('modest', 'a', until)), 'new')
  await clock.advance(61_000)
  assert.equal(outcome(seen.see('greedy', 'd', until + 61)), 'new')
})

test('when it is full it refuses, and never forgets early', async () => {
  const clock = new FakeClock()
  const seen = new SeenProofs({ clock }, { capacity: 2 })
  const until = nowSeconds(clock) + 60
  assert.equal(outcome(seen.see('k1', 'a', until)), 'new')
  assert.equal(outcome(seen.see('k2', 'a', until)), 'new')
  assert.equal(outcome(seen.see('k3', 'a', until)), 'proofs_exhausted')
  assert.equal(outcome(seen.see('k1', 'a', until)), 'proof_replayed')
  await clock.advance(60_000)
  assert.equal(outcome(seen.see('k1', 'a', until)), 'proof_replayed')
  await clock.advance(1_000)
  assert.equal(outcome(seen.see('k3', 'a', until + 61)), 'new')
})

function outcome(result: Result<undefined>): string {
  return result.ok ? 'new' : result.error.reason
}
