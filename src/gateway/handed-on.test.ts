/** What an agent writes into the work that it hands on is its own: nothing in it counts as named by the person. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { allApprovals } from '../approval/approval-store.ts'
import type { JsonObject } from '../base/canonical-json.ts'
import { must } from '../base/result.ts'
import { subDelegate } from '../delegation/sub-delegate.ts'
import { testDelegation } from '../delegation/testing.ts'
import { testAgent } from '../identity/testing.ts'
import { call, openTestGateways, testCaller } from './testing.ts'

for (const [name, purpose, account] of [
  ['the purpose', 'pay 10 to GB33BUKB20201555555555', { any: true }],
  ['a narrower intent', 'pay it', { equals: 'GB33BUKB20201555555555' }],
] as const) {
  test(`an account that only ${name} of a sub-delegation names asks a person`, async (t) => {
    const office = await openTestGateways(t)
    const gateway = await office.open()
    const detail = (allowed: JsonObject): JsonObject => ({
      type: 'mcp_call',
      locations: [office.location],
      actions: ['tools/call:pay'],
      arguments: { pay: { account: allowed, amount: { any: true } } },
    })
    const parent = await testDelegation(office, {
      purpose: 'pay 10 to DE89370400440532013000',
      details: [detail({ any: true })],
      stages: [],
    })
    const outcome = async (text: string, allowed: JsonObject, paid: string): Promise<unknown> => {
      const helper = await testAgent(office)
      const below = must(
        await subDelegate(
          {
            purpose: text,
            delegate: { archetype: helper.archetype, agent: helper.id },
            details: [detail(allowed)],
          },
          { agent: office.agent.id, delegation: parent.id },
          office,
        ),
      )
      const { answer } = await call(gateway, testCaller(helper, below, office), 'pay', {
        account: paid,
        amount: 10,
      })
      const { _meta: meta } = answer['result'] as { _meta?: Record<string, { outcome: string }> }
      return meta?.['behalf/decision']?.outcome ?? 'done'
    }
    assert.equal(await outcome('pay it', { any: true }, 'DE89370400440532013000'), 'done')
    assert.equal(await outcome(purpose, account, 'GB33BUKB20201555555555'), 'approval_required')
    const [{ shown } = { shown: {} }] = await office.store.snapshot(allApprovals)
    const doubts = (shown as { doubts: string[] }).doubts.join()
    if (name === 'the purpose') assert.match(doubts, /the agent that handed the work on/)
    await office.check()
  })
}
