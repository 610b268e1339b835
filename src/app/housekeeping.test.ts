import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../base/clock.ts'
import { silentDiagnostics } from '../base/diagnostics.ts'
import { Housekeeping } from './housekeeping.ts'

/** A duty that runs until it is told how it ends. */
function duty(): { runs: number; run: () => Promise<void>; end: (fault?: Error) => Promise<void> } {
  let ending = Promise.withResolvers<void>()
  const kept = {
    runs: 0,
    run: () => {
      kept.runs++
      ending = Promise.withResolvers()
      return ending.promise
    },
    end: async (fault?: Error) => {
      if (fault === undefined) ending.resolve()
      else ending.reject(fault)
      await settle()
    },
  }
  return kept
}

const settle = async (): Promise<void> => await new Promise((resolve) => setImmediate(resolve))

test('a duty runs at the start, now and then, and soon after it is asked for', async () => {
  const clock = new FakeClock()
  const house = new Housekeeping<'sweep'>({ clock, diagnostics: silentDiagnostics })
  const { signal, stop } = stopping()
  const sweep = duty()
  house.start({ sweep: sweep.run }, signal)
  assert.equal(sweep.runs, 1)
  await clock.advance(60_000)
  assert.equal(sweep.runs, 1, 'runs do not overlap')
  await sweep.end()
  await clock.advance(29_999)
  assert.equal(sweep.runs, 1)
  await clock.advance(1)
  assert.equal(sweep.runs, 2)
  house.soon('sweep')
  house.soon('sweep')
  await settle()
  assert.equal(sweep.runs, 2, 'one that runs is not run twice')
  await sweep.end()
  assert.equal(sweep.runs, 3, 'what was asked for meanwhile is done after it')
  await sweep.end()
  house.soon('sweep')
  await settle()
  assert.equal(sweep.runs, 4)
  await sweep.end()
  stop()
  await house.ended()
  await clock.advance(60_000)
  assert.equal(sweep.runs, 4)
})

test('a duty that failed runs again a second later, and holds up no other', async () => {
  const clock = new FakeClock()
  const house = new Housekeeping<'keys' | 'sweep'>({ clock, diagnostics: silentDiagnostics })
  const { signal, stop } = stopping()
  const [keys, sweep] = [duty(), duty()]
  house.start({ keys: keys.run, sweep: sweep.run }, signal)
  await keys.end(new Error('the database is away'))
  await sweep.end()
  await clock.advance(1_000)
  assert.deepEqual([keys.runs, sweep.runs], [2, 1])
  stop()
  await keys.end(new Error('the database is away'))
  await house.ended()
})

function stopping(): { signal: AbortSignal; stop: () => void } {
  const ending = new AbortController()
  return { signal: ending.signal, stop: () => ending.abort() }
}
