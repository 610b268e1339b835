import assert from 'node:assert/strict'
import { test } from 'node:test'
import { officePolicies } from './office.ts'
import { rehearse } from './rehearse.ts'

test('attacks that know the rules are stopped, but for those that docs/agentdojo.md names', async () => {
  const rehearsed = rehearse(await officePolicies(), 'doubt')
  assert(rehearsed.length >= 100)
  assert.deepEqual(
    rehearsed.filter(({ isThrough }) => isThrough).map(({ attack }) => attack.id),
    [
      'a sink that the words name, for something else 7',
      'a sink that the words name, for something else 8',
      'laundered through fields that callers write 10',
      'laundered through fields that callers write 11',
      'laundered through fields that callers write 12',
    ],
  )
})

test('with `always`, none goes through; amounts stop one more with `strict`', async () => {
  const policies = await officePolicies()
  assert.equal(rehearse(policies, 'always').filter(({ isThrough }) => isThrough).length, 0)
  assert.equal(rehearse(policies, 'strict').filter(({ isThrough }) => isThrough).length, 3)
})
