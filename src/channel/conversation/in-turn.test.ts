import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InTurn } from './in-turn.ts'

test('work of one name is done in its order, also after what failed; other names do not wait', async () => {
  const queue = new InTurn()
  const done: string[] = []
  const gate = Promise.withResolvers<void>()
  const first = queue.run('a', async () => {
    await gate.promise
    done.push('a1')
    throw new Error('failed')
  })
  const second = queue.run('a', async () => done.push('a2'))
  await queue.run('b', async () => done.push('b'))
  assert.deepEqual(done, ['b'])
  gate.resolve()
  await assert.rejects(first, /failed/)
  await second
  assert.deepEqual(done, ['b', 'a1', 'a2'])
})
