import assert from 'node:assert/strict'
import { test } from 'node:test'
import { join } from 'node:path'
import { FakeClock, systemClock } from '../../base/clock.ts'
import { must } from '../../base/result.ts'
import type { ChannelTensors } from '../principal-model.ts'
import { MOST_RUNS, openModelThread } from './model-thread.ts'
import { openPrincipalModel } from './open-model.ts'
import { loadRuntime } from './runtime.ts'

const WEIGHTS = join(import.meta.dirname, '../../../model/weights')
const withRuntime = { skip: !(await loadRuntime()).ok && 'no runtime is installed here' }
const clock = systemClock

function tensorsOf(length: number): ChannelTensors {
  return {
    inputIds: Array.from({ length }, (_, at) => 1 + (at % 9)),
    authority: Array.from({ length }, () => 1),
    kind: Array.from({ length }, () => 1),
    principalVectors: new Float32Array(length * 64).fill(1 / 8),
    messageEnds: [length - 1],
  }
}

/** A thread that says that it is open, and then does `onMessage`. */
function program(onMessage: string): URL {
  const source = `
    import { parentPort } from 'node:worker_threads'
    parentPort.postMessage({ type: 'opened', digest: 'sha256:0', maxTokens: 9 })
    parentPort.on('message', ({ id }) => { ${onMessage} })`
  return new URL(`data:text/javascript,${encodeURIComponent(source)}`)
}

test(
  'a run says the same as on the thread that asks, which goes on meanwhile',
  withRuntime,
  async () => {
    const here = must(await openPrincipalModel(WEIGHTS, 'principal'))
    const there = must(await openModelThread(WEIGHTS, 'principal', { clock }))
    assert.deepEqual([there.digest, there.maxTokens], [here.digest, here.maxTokens])
    const tensors = tensorsOf(512)
    assert.deepEqual(await there.run(tensors), await here.run(tensors))
    // Turns of this thread's loop while the other runs: on one thread there would be none.
    let turns = 0
    const ended = new AbortController()
    const running = there.run(tensors).finally(() => ended.abort())
    while (!ended.signal.aborted) {
      turns++
      await new Promise(setImmediate)
    }
    await running
    assert.ok(turns > 10, `${turns} turns`)
    await assert.rejects(there.run(tensorsOf(0)), RangeError)
    assert.equal((await there.run(tensors)).admission.length, 1)
  },
)

test('what cannot be opened is said as ever', async () => {
  const missing = await openModelThread('/nonexistent', 'principal', { clock })
  assert.equal(missing.ok ? 'ok' : missing.error.reason, 'weights_missing')
  const other = await openModelThread(WEIGHTS, 'no-such', { clock })
  assert.equal(other.ok ? 'ok' : other.error.reason, 'no_such_model')
})

test('so many runs have a place, and a place is given back once', async () => {
  const env = { clock, program: program('') }
  const model = must(await openModelThread(WEIGHTS, 'principal', env))
  const places = Array.from({ length: MOST_RUNS }, () => model.take())
  assert.ok(places.every((place) => place !== undefined))
  assert.equal(model.take(), undefined)
  places[0]?.leave()
  places[0]?.leave()
  assert.ok(model.take() !== undefined)
  assert.equal(model.take(), undefined)
})

test('a thread that ends fails those that wait, and the next run has another', async () => {
  const env = { clock, program: program('process.exit(3)') }
  const model = must(await openModelThread(WEIGHTS, 'principal', env))
  const ended = /expected the thread of a model to go on, it ended with 3/
  const both = [model.run(tensorsOf(1)), model.run(tensorsOf(1))]
  for (const one of both) await assert.rejects(one, ended)
  await assert.rejects(model.run(tensorsOf(1)), ended)
})

test('a run that does not end is ended', async () => {
  const late = new FakeClock()
  const env = { clock: late, program: program('') }
  const model = must(await openModelThread(WEIGHTS, 'principal', env))
  const run = assert.rejects(model.run(tensorsOf(1)), /it ended with 1/)
  while (late.sleepers === 0) await new Promise(setImmediate)
  await late.advance(30_000)
  await run
})
