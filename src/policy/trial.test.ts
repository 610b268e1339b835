import assert from 'node:assert/strict'
import { test } from 'node:test'
import { must } from '../base/result.ts'
import { openTestOffice } from '../delegation/testing.ts'
import { entriesFrom } from '../people/testing.ts'
import { activateDefaults } from './activate.ts'
import { migrations } from './migrations.ts'
import { propose } from './propose.ts'
import { defaultPolicies } from './sources.ts'
import { MOST_TRIALS, onThread } from './trial.ts'

const TESTS = {
  'a.test.json': JSON.stringify({
    tests: [{ name: 'nobody reads', when: { tool: 'documents/read' }, expect: 'deny' }],
  }),
}
const BUSY = {
  ok: false,
  error: {
    reason: 'trials_busy',
    message: 'expected fewer than 8 trials of policies under way: ask again',
  },
}

/** As many trials as may be under way. */
const trials = async (agent?: string): Promise<ReturnType<typeof onThread>[]> => {
  const sources = { ...(await defaultPolicies()), ...(agent !== undefined && { agent }) }
  return Array.from({ length: MOST_TRIALS }, () => onThread({ sources, tests: TESTS }))
}

test('so many trials wait; the next is refused and nothing recorded, and tried when there is room', async (t) => {
  const office = await openTestOffice(t, migrations)
  await activateDefaults(office)
  const before = (await entriesFrom(0, office.store)).length
  const underWay = await trials()
  const proposal = { sets: {}, tests: TESTS, summary: 'busy' }
  assert.deepEqual(await propose(proposal, office.ada, office), BUSY)
  assert.equal((await entriesFrom(0, office.store)).length, before)
  for (const one of underWay) must(await one)
  assert.equal(must(await propose(proposal, office.ada, office)).summary, 'busy')
})

test('a trial that fails gives its place back', async () => {
  for (const one of await trials('no policy'))
    await assert.rejects(one, /a trial of policies failed/)
  const underWay = await trials()
  assert.deepEqual(await onThread({ sources: await defaultPolicies(), tests: TESTS }), BUSY)
  for (const one of underWay) must(await one)
})
