import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../base/clock.ts'
import { Allowance } from './allowance.ts'

test('gives a burst, then as many as time earns, never more than a burst', async () => {
  const clock = new FakeClock()
  const allowance = new Allowance(3, 2, { clock })
  const take = (times: number): boolean[] => Array.from({ length: times }, () => allowance.take())

  assert.deepEqual(take(4), [true, true, true, false])
  await clock.advance(500)
  assert.deepEqual(take(2), [true, false])
  await clock.advance(3_600_000)
  assert.deepEqual(take(4), [true, true, true, false])
})

test('a clock that goes back earns nothing', async () => {
  const clock = new FakeClock()
  const allowance = new Allowance(1, 1, { clock })
  assert.equal(allowance.take(), true)
  await clock.advance(-60_000)
  assert.equal(allowance.take(), false)
})
