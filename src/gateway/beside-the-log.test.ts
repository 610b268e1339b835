/** Rows that somebody adds beside the log are believed; the log itself shows it at the next call. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sql } from 'kysely'
import { checkLog } from '../audit/check-log.ts'
import { testDelegation } from '../delegation/testing.ts'
import {
  call,
  openTestGateways,
  type TestCaller,
  testCaller,
  type TestGateways,
} from './testing.ts'

const FORGERIES = [
  [
    'a membership',
    ({ partners, alice }: TestGateways) =>
      sql`insert into group_member values (${partners.id}, ${alice.person})`,
    'group_membership',
  ],
  [
    'an owner',
    ({ agent, sam }: TestGateways) => sql`insert into owner values (${agent.id}, ${sam.person})`,
    'accountable_person',
  ],
  [
    'a key',
    (_: TestGateways, { holder }: TestCaller) => sql`update agent_key set jkt = ${holder.jkt}`,
    'agent_key',
  ],
] as const

for (const [name, forgery, rule] of FORGERIES) {
  test(`${name} from nowhere lets a call through, and the log shows it`, async (t) => {
    const office = await openTestGateways(t)
    const { agent } = office
    const delegation = await testDelegation(office, {
      delegate: { archetype: agent.archetype, agent: agent.id },
    })
    const caller = testCaller(agent, delegation, office)
    const args = { path: '/clients/1042/w2' }
    const before = await call(await office.open(), caller, 'read', args)
    assert.ok('result' in before.answer)
    await checkLog(office.store)

    const thief = rule === 'agent_key' ? testCaller(agent, delegation, office) : caller
    await forgery(office, thief).execute(office.store.db)
    const after = await call(await office.open(), thief, 'read', args)
    assert.ok('result' in after.answer)
    await assert.rejects(checkLog(office.store), new RegExp(`the log is broken: .* keeps ${rule}`))
  })
}
