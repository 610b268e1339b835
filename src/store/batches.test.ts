import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Batches } from './batches.ts'

interface Work {
  readonly items: readonly number[]
  readonly done: (fault?: Error) => void
}

/** Batches whose work is done when the test says so. */
function open(limits: { items: number; bytes: number }): {
  batches: Batches<number, string>
  next: () => Promise<Work>
} {
  const begun: Work[] = []
  const batches = new Batches<number, string>(
    async (items) => {
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      begun.push({ items, done: (fault) => (fault === undefined ? resolve() : reject(fault)) })
      await promise
      return items.map((item) => `did ${item}`)
    },
    { ...limits, bytesOf: (item) => item },
  )
  const next = async (): Promise<Work> => {
    while (begun.length === 0) await new Promise((resolve) => setImmediate(resolve))
    return begun.shift() as Work
  }
  return { batches, next }
}

test('what comes while a batch is at work waits for the next; answers come in their order', async () => {
  const { batches, next } = open({ items: 10, bytes: 100 })
  const early = Promise.all([batches.add(1), batches.add(2)])
  const first = await next()
  assert.deepEqual(first.items, [1, 2])
  const late = Promise.all([batches.add(3), batches.add(4)])
  first.done()
  assert.deepEqual(await early, ['did 1', 'did 2'])
  const second = await next()
  assert.deepEqual(second.items, [3, 4])
  second.done()
  assert.deepEqual(await late, ['did 3', 'did 4'])
})

test('a batch is bounded by items and by bytes; one item that is larger goes alone', async () => {
  const { batches, next } = open({ items: 3, bytes: 100 })
  const all = [1, 2, 3, 4, 90, 20, 500, 5].map((item) => batches.add(item))
  const sizes: (readonly number[])[] = []
  for (let left = all.length; left > 0;) {
    const { items, done } = await next()
    sizes.push(items)
    left -= items.length
    done()
  }
  assert.deepEqual(sizes, [[1, 2, 3], [4, 90], [20], [500], [5]])
  await Promise.all(all)
})

test('a batch that fails fails its own; the next one is not touched', async () => {
  const { batches, next } = open({ items: 10, bytes: 100 })
  const failing = Promise.allSettled([batches.add(1), batches.add(2)])
  const first = await next()
  const after = batches.add(3)
  first.done(new Error('the database went away'))
  assert.deepEqual(
    (await failing).map((one) => one.status),
    ['rejected', 'rejected'],
  )
  ;(await next()).done()
  assert.equal(await after, 'did 3')
})
