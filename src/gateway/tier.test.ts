/** A policy that demands a tier: what runs elsewhere is not used, nor what turns out to run elsewhere. */

import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { EntryOf } from '../audit/entry.ts'
import { entriesBetween } from '../audit/queries.ts'
import { testActor } from '../audit/testing.ts'
import { must } from '../base/result.ts'
import { activatePolicies } from '../policy/testing.ts'
import { listLibrary, withPiece } from '../policy/library.ts'
import { defaultPolicies } from '../policy/sources.ts'
import { requestText } from '../mcp/message.ts'
import { META, MODERN, modernHeaders } from '../mcp/era.ts'
import {
  call,
  openTestGateways,
  send,
  testReader,
  type TestCaller,
  type TestGateway,
  type TestGateways,
} from './testing.ts'

const ONLY_T1 = `@id("only-t1") @reason("it must run in T1")
  forbid (principal, action in Action::"use", resource) unless { resource.tier == "T1" };`

interface World {
  readonly office: TestGateways
  readonly gateway: TestGateway
  readonly caller: TestCaller
}

async function demanding(t: TestContext, guardrail: string): Promise<World> {
  const office = await openTestGateways(t)
  must(await activatePolicies({ guardrail }, testActor, office))
  return { office, gateway: await office.open(), caller: await testReader(office) }
}

async function read({ gateway, caller }: World): Promise<string> {
  const { answer } = await call(gateway, caller, 'read', { path: '/clients/1042/w2' })
  return JSON.stringify(answer)
}

async function offered({ gateway, caller }: World): Promise<string[]> {
  const params = { _meta: { [META.protocolVersion]: MODERN, [META.clientCapabilities]: {} } }
  const { body = '' } = await send(gateway, caller, {
    text: requestText(1, 'tools/list', params),
    headers: modernHeaders('tools/list', params),
  })
  const { result } = JSON.parse(body) as { result: { tools: { name: string }[] } }
  return result.tools.map(({ name }) => name)
}

async function lastRefusal({ office }: World): Promise<EntryOf<'call_refused'>> {
  const entries = await entriesBetween(office.store.db, { from: 0 })
  const refusal = entries.findLast(({ entry }) => entry.kind === 'call_refused')?.entry
  if (refusal?.kind !== 'call_refused') throw new Error('expected a refusal in the log')
  return refusal
}

test('a policy demands a tier: elsewhere a server is not offered, not called, and the reason is told', async (t) => {
  const { guardrail } = await defaultPolicies()
  const world = await demanding(t, `${guardrail}\n${ONLY_T1}`)
  const { upstreams } = world.gateway
  for (const tier of ['T0', 'remote', 'none'] as const) {
    upstreams.tier = tier
    assert.match(await read(world), /refused by the guardrail constraint/, tier)
    // The agent is told what it can do about it, the record why.
    const refusal = await lastRefusal(world)
    assert.equal(refusal.facts?.tier, tier)
    assert.deepEqual(
      refusal.verdicts.filter(({ effect }) => effect !== 'permit').map(({ reason }) => reason),
      ['it must run in T1'],
    )
    assert.deepEqual(await offered(world), [])
  }
  assert.equal(upstreams.made.length, 0)
  upstreams.tier = 'T1'
  assert.match(await read(world), /structuredContent/)
  assert.deepEqual(await offered(world), ['read'])
  assert.equal(upstreams.made.length, 1)
  await world.office.check()
})

test('the piece of the library: programs in T1, and servers that are only reached', async (t) => {
  const piece = (await listLibrary()).find(({ name }) => name === 'sandbox-tier')
  assert.ok(piece)
  const { guardrail = '' } = await withPiece(await defaultPolicies(), piece)
  const world = await demanding(t, guardrail)
  const { upstreams } = world.gateway
  for (const [tier, made] of [
    ['T0', 0],
    ['none', 0],
    ['T1', 1],
    ['remote', 2],
  ] as const) {
    upstreams.tier = tier
    await read(world)
    assert.equal(upstreams.made.length, made, tier)
  }
})

test('a server that runs elsewhere than was decided on is sent nothing', async (t) => {
  const { guardrail } = await defaultPolicies()
  const world = await demanding(t, `${guardrail}\n${ONLY_T1}`)
  const { upstreams } = world.gateway
  upstreams.tier = 'T0'
  // What was expected of it before it was started.
  upstreams.tierOf = async () => 'T1'
  assert.match(await read(world), /the server failed/)
  assert.equal(upstreams.made.length, 0)
  await world.office.check()
})
