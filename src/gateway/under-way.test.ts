import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deactivatePerson } from '../people/person-state.ts'
import { suspendAgent } from '../identity/agent-state.ts'
import { testAgent } from '../identity/testing.ts'
import { entriesBetween } from '../audit/queries.ts'
import { testActor } from '../audit/testing.ts'
import { moveStage } from '../delegation/stage.ts'
import { revoke } from '../delegation/end.ts'
import { testDelegation } from '../delegation/testing.ts'
import type { Delegation } from '../delegation/delegation.ts'
import type { Agent } from '../identity/agent.ts'
import { META, MODERN, modernHeaders } from '../mcp/era.ts'
import { requestText } from '../mcp/message.ts'
import {
  call,
  openTestGateways,
  send,
  testCaller,
  testReader,
  type TestGateways,
} from './testing.ts'

type Ending = (
  office: TestGateways,
  about: { delegation: Delegation; agent: Agent },
) => Promise<unknown>

for (const [name, change, cancelled] of [
  [
    'its delegation is revoked',
    (office, { delegation }) => revoke({ delegation: delegation.id }, office.alice, office),
    true,
  ],
  [
    'its agent is suspended',
    (office, { agent }) => suspendAgent({ agent: agent.id, reason: 'odd' }, testActor, office),
    true,
  ],
  [
    'its person is deactivated',
    (office) => deactivatePerson({ person: office.alice.person }, testActor, office),
    true,
  ],
  [
    'its stage moves on',
    (office, { delegation }) =>
      moveStage({ delegation: delegation.id, stage: 'draft' }, office.alice, office),
    false,
  ],
] as const satisfies readonly (readonly [string, Ending, boolean])[]) {
  test(`a call that is held ${cancelled ? 'ends' : 'goes on'} when ${name}`, async (t) => {
    const office = await openTestGateways(t)
    const gateway = await office.open()
    const agent = await testAgent(office)
    const delegation = await testDelegation(office, {
      delegate: { archetype: agent.archetype, agent: agent.id },
      stages: ['collect', 'draft'],
      details: [
        {
          type: 'mcp_call',
          locations: [office.location],
          actions: ['tools/call:read'],
          arguments: { read: { path: { prefix: '/clients/1042' } } },
        },
      ],
    })
    const caller = testCaller(agent, delegation, office)
    const release = gateway.upstreams.hold()
    const answering = call(gateway, caller, 'read', { path: '/clients/1042/w2' })
    while (gateway.upstreams.made.length === 0)
      await new Promise((resolve) => setImmediate(resolve))
    await change(office, { delegation, agent })
    if (!cancelled) release()
    const { answer } = await answering
    assert.equal('error' in answer, cancelled, JSON.stringify(answer))
    assert.equal(gateway.env.underWay.size, 0)
    await office.check()
  })
}

for (const [name, leave, outcome] of [
  ['while its server is asked', 'later', 'unknown'],
  ['before it began', 'at once', 'failed'],
] as const) {
  test(`a call ends when its caller goes away ${name}, and the record says so`, async (t) => {
    const office = await openTestGateways(t)
    const gateway = await office.open()
    const caller = await testReader(office)
    const gone = new AbortController()
    if (leave === 'at once') gone.abort('the peer went away')
    else gateway.upstreams.hold()
    const params = {
      name: 'read',
      arguments: { path: '/clients/1042/w2' },
      _meta: { [META.protocolVersion]: MODERN, [META.clientCapabilities]: {} },
    }
    const answering = send(gateway, caller, {
      text: requestText(1, 'tools/call', params),
      headers: modernHeaders('tools/call', params),
      signal: gone.signal,
    })
    if (leave === 'later') {
      while (gateway.upstreams.made.length === 0)
        await new Promise((resolve) => setImmediate(resolve))
      gone.abort('the peer went away')
    }
    const { body = '' } = await answering
    assert.match(body, /"error"/)
    const entries = await entriesBetween(office.store.db, { from: 0 })
    const outcomes = entries.flatMap(({ entry }) =>
      entry.kind === 'call_outcome' ? [entry.outcome] : [],
    )
    assert.deepEqual(outcomes, [outcome])
    assert.equal(gateway.env.underWay.size, 0)
    await office.check()
  })
}
