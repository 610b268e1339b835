/** Two gateways on one database: what one of them changed holds at the other at once, heard of or not. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { allApprovals } from '../approval/approval-store.ts'
import { decideApproval } from '../approval/approve.ts'
import { testActor } from '../audit/testing.ts'
import type { JsonObject } from '../base/canonical-json.ts'
import { must } from '../base/result.ts'
import { revoke, suspend } from '../delegation/end.ts'
import { moveStage } from '../delegation/stage.ts'
import { testDelegation } from '../delegation/testing.ts'
import { suspendAgent } from '../identity/agent-state.ts'
import { issueJwtSvid } from '../identity/issue-svid.ts'
import { testAgent } from '../identity/testing.ts'
import { deactivatePerson } from '../people/person-state.ts'
import { activatePolicies } from '../policy/testing.ts'
import { observeListing } from '../registry/observe.ts'
import { testListing } from '../registry/testing.ts'
import { authenticateToken } from '../token/authenticate-token.ts'
import { JWT_SPIFFE } from '../token/authenticate-client.ts'
import { revoke as revokeToken } from '../token/revoke.ts'
import { formOf } from '../token/testing.ts'
import {
  call,
  openTestGateways,
  type TestCaller,
  testCaller,
  type TestGateway,
  type TestGateways,
} from './testing.ts'

const READ = { path: '/clients/1042/w2' }

type Change = (office: TestGateways, caller: TestCaller) => Promise<unknown>

const CHANGES: readonly (readonly [string, Change, unknown])[] = [
  [
    'its delegation is revoked',
    (office, { delegation }) => revoke({ delegation: delegation.id }, office.alice, office),
    ['deny', 'intent', 'The delegation was revoked.'],
  ],
  [
    'its delegation is suspended',
    (office, { delegation }) => suspend({ delegation: delegation.id }, office.alice, office),
    ['deny', 'intent', 'The delegation is suspended.'],
  ],
  [
    'its stage moves on',
    (office, { delegation }) =>
      moveStage({ delegation: delegation.id, stage: 'draft' }, office.alice, office),
    [
      'deny',
      'intent',
      'This is not part of the work that was delegated, or not of its current stage. Do not retry; ask the person who delegated it.',
    ],
  ],
  [
    'its agent is suspended',
    (office, { agent }) => suspendAgent({ agent: agent.id, reason: 'odd' }, testActor, office),
    ['deny', 'agent', 'An agent of this kind may not do this. Do not retry; leave it to a person.'],
  ],
  [
    'its person is deactivated',
    (office) => deactivatePerson({ person: office.alice.person }, testActor, office),
    ['deny', 'intent', undefined],
  ],
  [
    'another policy is activated',
    async (office) => {
      const agent = '@id("none") permit (principal, action in Action::"browse", resource);'
      must(await activatePolicies({ agent }, testActor, office))
    },
    ['deny', 'agent', 'An agent of this kind may not do this. Do not retry; leave it to a person.'],
  ],
  [
    'its server drifts',
    (office) => observeListing('documents', testListing([]), office),
    'the server is in quarantine',
  ],
]

for (const [name, change, want] of CHANGES) {
  test(`at a gateway that heard nothing a call is refused once ${name}`, async (t) => {
    const office = await openTestGateways(t)
    const deaf = await office.open({ deaf: true })
    const caller = testCaller(office.agent, await testDelegation(office), office)
    assert.deepEqual(said(await call(deaf, caller, 'read', READ)), 'done')
    await change(office, caller)
    assert.deepEqual(said(await call(deaf, caller, 'read', READ)), want)
    assert.equal(deaf.upstreams.made.length, 1)
    await office.check()
  })
}

test('facts that are younger than what is known of the server do not hide its quarantine', async (t) => {
  const office = await openTestGateways(t)
  const deaf = await office.open({ deaf: true })
  const [first, second] = [
    testCaller(office.agent, await testDelegation(office), office),
    await another(office),
  ]
  await call(deaf, first, 'read', READ)
  await observeListing('documents', testListing([]), office)
  // The deaf gateway knows the server from before, and reads all facts about this caller now.
  assert.equal(said(await call(deaf, second, 'read', READ)), 'the server is in quarantine')
  await office.check()
})

test('a token that was given up at one gateway is worth nothing at the other', async (t) => {
  const office = await openTestGateways(t)
  const [one, other] = [await office.open(), await office.open({ deaf: true })]
  const caller = testCaller(office.agent, await testDelegation(office), office)
  assert.equal(said(await call(other, caller, 'read', READ)), 'done')
  const assertion = must(await issueJwtSvid({ id: caller.agent.id }, [office.issuer], one.env))
  const form = formOf({
    token: await caller.token(one),
    client_assertion_type: JWT_SPIFFE,
    client_assertion: assertion,
  })
  must(await revokeToken(form, one.env))
  // Deaf, it accepts the token as genuine, and the commit refuses what is called with it: also on facts
  // that are younger than the revocation.
  for (let i = 0; i < 2; i++) {
    assert.equal(said(await call(other, caller, 'read', READ)), 'the token is no longer valid')
  }
  assert.equal((await call(one, caller, 'read', READ)).status, 401)
  assert.equal(other.upstreams.made.length, 1)
  await office.check()
})

test('a consequential call at one gateway voids what waits for approval at the other', async (t) => {
  const office = await openTestGateways(t)
  const [one, other] = [await office.open(), await office.open({ deaf: true })]
  const details = ['1042', '2077'].map((client) => ({
    type: 'mcp_call',
    locations: [office.location],
    actions: ['tools/call:file'],
    arguments: { file: { client: { equals: client } } },
    approval: { by: office.partners.id },
  }))
  const delegation = await testDelegation(office, { details, stages: [] })
  const caller = testCaller(office.agent, delegation, office)
  for (const client of ['1042', '2077']) {
    const asked = said(await call(client === '1042' ? one : other, caller, 'file', { client }))
    assert.equal((asked as string[])[0], 'approval_required')
  }
  const approvals = await office.store.snapshot(allApprovals)
  for (const { id, shownDigest } of approvals) {
    must(await decideApproval({ id, decision: 'approve', shownDigest }, office.paul, office))
  }
  assert.equal(said(await call(one, caller, 'file', { client: '1042' })), 'done')
  const again = said(await call(other, caller, 'file', { client: '2077' }))
  assert.equal((again as string[])[0], 'approval_required')
  const states = (await office.store.snapshot(allApprovals)).map(({ state }) => state)
  assert.deepEqual(states.toSorted(), ['consumed', 'pending', 'voided'])
  await office.check()
})

test('a gateway that hears forgets what it knew, and refuses by itself', async (t) => {
  const office = await openTestGateways(t)
  const hearing = await office.open()
  const caller = testCaller(office.agent, await testDelegation(office), office)
  await call(hearing, caller, 'read', READ)
  const known = must(await authenticated(hearing, caller))
  await suspendAgent({ agent: caller.agent.id, reason: 'odd' }, testActor, office)
  // INVARIANT (revocation): within a second; here, as soon as the notification has come.
  for (let active = true; active;) {
    const { facts } = await hearing.env.facts.of(known)
    active = facts.agents[0]?.state === 'active'
    await new Promise((resolve) => setImmediate(resolve))
  }
  await office.check()
})

/** Who the gateway takes the caller for. */
async function authenticated(
  gateway: TestGateway,
  caller: TestCaller,
): ReturnType<typeof authenticateToken> {
  const { env } = gateway
  const url = `${env.issuer}/mcp/documents`
  const token = await caller.token(gateway)
  const dpop = await caller.holder.prove('POST', url, token)
  const request = { authorization: `DPoP ${token}`, dpop, method: 'POST', url, audience: url }
  return await authenticateToken(request, env)
}

async function another(office: TestGateways): Promise<TestCaller> {
  const agent = await testAgent(office)
  const to = { archetype: agent.archetype, agent: agent.id }
  return testCaller(agent, await testDelegation(office, { delegate: to }), office)
}

/** What the caller was told: `done`, the decision, or the error. */
function said({ answer }: { readonly answer: JsonObject }): unknown {
  const { error, result } = answer as {
    error?: { message: string }
    result?: {
      _meta?: { 'behalf/decision'?: { outcome: string; constraint: string; remedy?: string } }
    }
  }
  const told = result?._meta?.['behalf/decision']
  if (told !== undefined) return [told.outcome, told.constraint, told.remedy]
  return error?.message ?? 'done'
}
