import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assignOwner } from '../accountability/assign-owner.ts'
import { testActor } from '../audit/testing.ts'
import { must } from '../base/result.ts'
import type { AgentId } from '../identity/agent.ts'
import { testAgent } from '../identity/testing.ts'
import type { Session } from '../people/session.ts'
import { revoke } from './end.ts'
import { mayStartUnder } from './start-under.ts'
import { openTestOffice, testDelegation, type TestOffice } from './testing.ts'

/** Which of the office's people may name an agent as the parent of theirs. */
async function parents(office: TestOffice, agent: AgentId): Promise<string[]> {
  const { alice, paul, sam, ada } = office
  const may: string[] = []
  for (const [name, { person }] of Object.entries({ alice, paul, sam, ada } satisfies Record<
    string,
    Session
  >)) {
    const nowMilliseconds = office.clock.nowMilliseconds()
    const asked = office.store.snapshot((tx) =>
      mayStartUnder(tx, agent, { person, nowMilliseconds }),
    )
    const answer = await asked
    if (answer.ok) may.push(name)
    else assert.deepEqual(answer.error, { reason: 'unknown_parent' })
  }
  return may
}

test('an agent is started under another by who answers for that one or directs it, and by no administrator', async (t) => {
  const office = await openTestOffice(t)
  const { agent } = office
  assert.deepEqual(await parents(office, agent.id), [])
  const owner = office.paul.person
  must(await assignOwner({ owned: 'archetype:tax-preparer', owner }, testActor, office))
  assert.deepEqual(await parents(office, agent.id), ['paul'])

  const delegation = await testDelegation(office, {
    delegate: { archetype: agent.archetype, agent: agent.id },
  })
  assert.deepEqual(await parents(office, agent.id), ['alice', 'paul'])
  assert.deepEqual(await parents(office, (await testAgent(office)).id), ['paul'])
  assert.deepEqual(await parents(office, 'agt_00000000-0000-4000-8000-000000000000'), [])

  must(await revoke({ delegation: delegation.id }, office.alice, office))
  assert.deepEqual(await parents(office, agent.id), ['paul'])
})

test('a delegation that has expired directs nobody', async (t) => {
  const office = await openTestOffice(t)
  const { agent } = office
  await testDelegation(office, { delegate: { archetype: agent.archetype, agent: agent.id } })
  assert.deepEqual(await parents(office, agent.id), ['alice'])
  await office.clock.advance(400 * 86_400_000)
  assert.deepEqual(await parents(office, agent.id), [])
})
