import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { FakeClock, systemClock } from '../base/clock.ts'
import { Allowance, paced } from './paced.ts'

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

test('paced: a source is not read while its program has to wait', async () => {
  const clock = new FakeClock()
  let read = 0
  const from = new Readable({
    highWaterMark: KIBIBYTE,
    read() {
      read += KIBIBYTE
      this.push(Buffer.alloc(KIBIBYTE))
    },
  })
  const env = { kept: (chunk: Buffer): Buffer => chunk, clock }
  const to = paced(from, new Allowance(10 * KIBIBYTE, clock), env)
  let got = 0
  to.on('data', (chunk: Buffer) => (got += chunk.length))
  const settled = async (): Promise<number> => {
    for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve))
    return got
  }
  // Two are saved up, the third is owed, and no more is asked for than a stream holds.
  assert.equal(await settled(), 3 * KIBIBYTE)
  assert.ok(read <= 5 * KIBIBYTE)
  await clock.advance(100)
  assert.equal(await settled(), 4 * KIBIBYTE)
  await clock.advance(1_000)
  assert.ok((await settled()) <= 7 * KIBIBYTE)
  to.destroy()
})

test('paced: everything comes, in order, whole, and so do an end and a fault', async () => {
  const parts = Array.from({ length: 500 }, (_, i) => Buffer.from(`${i}\n`))
  const env = { kept: (chunk: Buffer): Buffer => chunk, clock: systemClock }
  const all = paced(
    Readable.from(parts, { objectMode: false }),
    new Allowance(1e5, systemClock),
    env,
  )
  let text = ''
  for await (const chunk of all) text += String(chunk)
  assert.equal(text, parts.join(''))

  const failing = Readable.from(
    (function* () {
      yield Buffer.from('x')
      throw new Error('gone')
    })(),
    { objectMode: false },
  )
  const failed = paced(failing, new Allowance(1e5, systemClock), env)
  await assert.rejects(async () => {
    for await (const _ of failed);
  }, /gone/)

  const closed = new Readable({ read() {} })
  const ended = paced(closed, new Allowance(1e5, systemClock), env)
  const over = new Promise((resolve) => ended.once('close', resolve))
  closed.destroy()
  await over
  assert.equal(ended.destroyed, true)
})
