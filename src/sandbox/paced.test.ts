import assert from 'node:assert/strict'
import { Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { test } from 'node:test'
import { FakeClock, systemClock } from '../base/clock.ts'
import { Allowance, pace } from './paced.ts'

const KIBIBYTE = 1024

test('paced: what was saved up may come at once, then so many bytes a second', async () => {
  const clock = new FakeClock()
  const allowance = new Allowance(1_000 * KIBIBYTE, clock)
  assert.equal(allowance.take(200 * KIBIBYTE), 0)
  assert.equal(allowance.take(64 * KIBIBYTE), 64)
  await clock.advance(32)
  assert.equal(allowance.take(KIBIBYTE), 33)
  // However long nothing was said, no more than that is saved up.
  await clock.advance(3_600_000)
  assert.equal(allowance.take(200 * KIBIBYTE), 0)
  assert.equal(allowance.take(10 * KIBIBYTE), 10)
})

/** Says a KiB whenever it is asked. */
function flood(): { readonly from: Readable; said: () => number } {
  let said = 0
  const from = new Readable({
    highWaterMark: KIBIBYTE,
    read() {
      said += KIBIBYTE
      this.push(Buffer.alloc(KIBIBYTE))
    },
  })
  return { from, said: () => said }
}

async function quiet(): Promise<void> {
  for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve))
}

test('paced: a source is not read while its program has to wait, nor before anybody reads it', async () => {
  const clock = new FakeClock()
  const { from, said } = flood()
  pace(from, new Allowance(10 * KIBIBYTE, clock), clock)
  await quiet()
  assert.equal(said(), 0)
  let got = 0
  from.on('data', (chunk: Buffer) => (got += chunk.length))
  await quiet()
  // Two are saved up, the third is owed.
  assert.equal(got, 3 * KIBIBYTE)
  assert.ok(said() <= 5 * KIBIBYTE)
  // Whoever reads it cannot hurry it.
  from.resume()
  await quiet()
  assert.equal(got, 3 * KIBIBYTE)
  await clock.advance(100)
  await quiet()
  assert.equal(got, 4 * KIBIBYTE)
  await clock.advance(3_600_000)
  await quiet()
  assert.equal(got, 7 * KIBIBYTE)
  from.destroy()
})

test('paced: who has had enough is given nothing more when the pace would allow it', async () => {
  const clock = new FakeClock()
  const { from } = flood()
  pace(from, new Allowance(10 * KIBIBYTE, clock), clock)
  let got = 0
  from.on('data', (chunk: Buffer) => {
    got += chunk.length
    if (got >= 3 * KIBIBYTE) from.pause()
  })
  await quiet()
  assert.equal(got, 3 * KIBIBYTE)
  await clock.advance(60_000)
  await quiet()
  assert.equal(got, 3 * KIBIBYTE)
  from.resume()
  await quiet()
  assert.equal(got, 4 * KIBIBYTE)
  from.destroy()
})

test('paced: everything comes, in order, whole, through a pipe that is slower', async () => {
  const parts = Array.from({ length: 500 }, (_, i) => Buffer.from(`${i}\n`))
  const from = Readable.from(parts, { objectMode: false })
  pace(from, new Allowance(1e4, systemClock), systemClock)
  let text = ''
  const slow = new Writable({
    highWaterMark: 8,
    write: (chunk, _, done) => {
      text += String(chunk)
      setImmediate(done)
    },
  })
  await pipeline(from, slow)
  assert.equal(text, parts.join(''))
})
