import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { sql } from 'kysely'
import { assignOwner } from '../accountability/assign-owner.ts'
import { testActor } from '../audit/testing.ts'
import type { Json } from '../base/canonical-json.ts'
import { nowSeconds } from '../base/clock.ts'
import { must } from '../base/result.ts'
import type { Delegation } from '../delegation/delegation.ts'
import { complete, resume, revoke, suspend } from '../delegation/end.ts'
import { subDelegate } from '../delegation/sub-delegate.ts'
import { testAgent } from '../identity/testing.ts'
import { deactivatePerson } from '../people/person-state.ts'
import { errorBody } from './errors.ts'
import { exchange, type TokenResponse } from './exchange.ts'
import {
  entriesOf,
  formOf,
  openTestTokens,
  TEST_DETAILS,
  TEST_ISSUER,
  testHolder,
  TOKEN_ENDPOINT,
} from './testing.ts'

const [READ] = TEST_DETAILS
const READ_CONDITION = READ.arguments['resources/read']
const DOCUMENTS = `${TEST_ISSUER}/mcp/documents`

test('an agent gets a token with which it acts for a person', async (t) => {
  const world = await openTestTokens(t)
  const { env, alice } = world
  const agent = await testAgent(env)
  const holder = testHolder(env)
  const delegation = await world.delegation({ agent: agent.id })
  const response = must(await world.exchange({ agent, holder }, delegation))
  const { access_token: token, ...rest } = response
  assert.deepEqual(rest, {
    issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    token_type: 'DPoP',
    expires_in: 300,
    scope: 'mcp',
    authorization_details: TEST_DETAILS,
  })
  assert.deepEqual(decodeProtectedHeader(token), {
    alg: 'ES256',
    kid: env.keyring.active('issuer').kid,
    typ: 'at+jwt',
  })
  const now = nowSeconds(env.clock)
  const { jti, ...claims } = decodeJwt(token)
  assert.match(jti ?? '', /^tok_/)
  assert.deepEqual(claims, {
    iss: TEST_ISSUER,
    sub: alice.person,
    aud: `${TEST_ISSUER}/mcp`,
    exp: now + 300,
    iat: now,
    client_id: agent.spiffeId,
    scope: 'mcp',
    act: { sub: agent.spiffeId },
    authorization_details: TEST_DETAILS,
    cnf: { jkt: holder.jkt },
    auth_time: Math.floor(delegation.createdAt / 1_000),
    acr: 'session',
    grant_id: delegation.id,
  })
  assert.deepEqual((await entriesOf(world)).at(-1), {
    v: 1,
    kind: 'token_issued',
    time: env.clock.nowMilliseconds(),
    by: { type: 'agent', agent: agent.id, delegation: delegation.id, person: alice.person },
    delegation: delegation.id,
    agent: agent.id,
    jti,
    audience: `${TEST_ISSUER}/mcp`,
    boundBy: 'dpop',
    jkt: holder.jkt,
    expiresAt: now + 300,
  })
})

test('a token for one server carries the authority for that server alone', async (t) => {
  const world = await openTestTokens(t)
  const agent = await testAgent(world.env)
  const holder = testHolder(world.env)
  const delegation = await world.delegation()
  const ask = async (form: Record<string, string>): Promise<TokenResponse> =>
    must(await world.exchange({ agent, holder }, delegation, form))

  for (const form of [
    { resource: DOCUMENTS },
    { audience: DOCUMENTS },
    { resource: DOCUMENTS, audience: DOCUMENTS },
  ] as Record<string, string>[]) {
    const response = await ask(form)
    assert.equal(decodeJwt(response.access_token).aud, DOCUMENTS)
    assert.deepEqual(response.authorization_details, [READ])
  }
  const administration = await ask({ resource: `${TEST_ISSUER}/api/v1` })
  assert.deepEqual(administration.authorization_details, [])

  const narrower = {
    ...READ,
    actions: ['resources/read'],
    arguments: { 'resources/read': { uri: { prefix: 'file:///clients/1042/2025' } } },
  }
  const narrowed = await ask({ authorization_details: JSON.stringify([narrower]) })
  assert.deepEqual(narrowed.authorization_details, [narrower])
  assert.deepEqual(decodeJwt(narrowed.access_token)['authorization_details'], [narrower])

  const elsewhere = await world.exchange({ agent, holder }, delegation, {
    resource: `${TEST_ISSUER}/mcp/memory`,
    authorization_details: JSON.stringify([narrower]),
  })
  assert.equal(elsewhere.ok ? '' : elsewhere.error.error, 'invalid_target')
})

test('a token outlives neither five minutes, nor the SVID, nor any delegation above it', async (t) => {
  const world = await openTestTokens(t)
  const { env } = world
  const agent = await testAgent(env)
  const holder = testHolder(env)
  const short = await world.delegation({ agent: agent.id, lifetimeSeconds: 120 })
  assert.equal(expiry(must(await world.exchange({ agent, holder }, short))), short.expiresAt)

  const long = await world.delegation({ agent: agent.id })
  const svid = await world.svid(agent.id)
  const svidExpires = decodeJwt(svid).exp
  await env.clock.advance(200_000)
  const late = await world.exchange({ agent, holder }, long, {
    client_assertion: svid,
    actor_token: svid,
  })
  assert.equal(expiry(must(late)), svidExpires)
})

test('the first instance of an archetype claims its delegation', async (t) => {
  const world = await openTestTokens(t)
  const { env } = world
  const askers = await Promise.all(
    Array.from({ length: 4 }, async () => ({
      agent: await testAgent(env),
      holder: testHolder(env),
    })),
  )
  const delegation = await world.delegation()
  const answers = await Promise.all(askers.map((asker) => world.exchange(asker, delegation)))
  assert.equal(answers.filter((answer) => answer.ok).length, 1)
  for (const answer of answers) {
    if (!answer.ok) assert.equal(answer.error.reason, 'delegation_not_for_actor')
  }
  const claimed = (await entriesOf(world)).filter(({ kind }) => kind === 'delegation_claimed')
  assert.equal(claimed.length, 1)
  const [winner] = askers.filter((_, i) => answers[i]?.ok)
  assert.ok(winner)
  assert.equal((await world.exchange(winner, delegation)).ok, true)

  const stranger = { agent: await testAgent(env, { archetype: 'clerk' }), holder: testHolder(env) }
  const refused = await world.exchange(stranger, await world.delegation())
  assert.equal(refused.ok ? '' : refused.error.reason, 'delegation_not_for_actor')
})

test('an agent’s first key is its only one', async (t) => {
  const world = await openTestTokens(t)
  const { env } = world
  const agent = await testAgent(env)
  const [holder, thief] = [testHolder(env), testHolder(env)]
  const delegation = await world.delegation({ agent: agent.id })
  // A request that fails pins nothing.
  const failed = await world.exchange({ agent, holder: thief }, delegation, {
    resource: 'https://x.example',
  })
  assert.equal(failed.ok, false)
  assert.equal((await world.exchange({ agent, holder }, delegation)).ok, true)
  const stolen = await world.exchange({ agent, holder: thief }, delegation)
  assert.ok(!stolen.ok)
  assert.deepEqual(errorBody(stolen.error), {
    error: 'invalid_dpop_proof',
    error_description: 'a fresh DPoP proof by the key of this client is needed',
  })
  assert.equal(stolen.error.reason, 'proof_wrong_key')
  assert.equal((await world.exchange({ agent, holder }, delegation)).ok, true)

  const racer = await testAgent(env)
  const own = await world.delegation({ agent: racer.id })
  const keys = Array.from({ length: 4 }, () => testHolder(env))
  const answers = await Promise.all(
    keys.map((key) => world.exchange({ agent: racer, holder: key }, own)),
  )
  assert.equal(answers.filter((answer) => answer.ok).length, 1)
})

test('without a fresh proof there is no token', async (t) => {
  const world = await openTestTokens(t)
  const { env } = world
  const agent = await testAgent(env)
  const holder = testHolder(env)
  const delegation = await world.delegation({ agent: agent.id })
  const svid = await world.svid(agent.id)
  const form = formOf({
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-spiffe',
    client_assertion: svid,
    subject_token: delegation.signed,
    subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    actor_token: svid,
    actor_token_type: 'urn:ietf:params:oauth:token-type:jwt',
  })
  const ask = async (dpop: string | undefined): Promise<string> => {
    const answer = await exchange(form, { dpop, method: 'POST', htu: TOKEN_ENDPOINT }, env)
    return answer.ok ? 'accepted' : answer.error.reason
  }
  const proof = await holder.prove('POST', TOKEN_ENDPOINT)
  assert.equal(await ask(undefined), 'proof_missing')
  assert.equal(await ask(await holder.prove('GET', TOKEN_ENDPOINT)), 'proof_wrong_request')
  assert.equal(await ask(await holder.prove('POST', `${TEST_ISSUER}/mcp`)), 'proof_wrong_request')
  assert.equal(await ask(proof), 'accepted')
  assert.equal(await ask(proof), 'proof_replayed')
})

test('what no longer stands gives no token', async (t) => {
  const world = await openTestTokens(t)
  const { env, alice } = world
  const agent = await testAgent(env)
  const holder = testHolder(env)
  const outcome = async (delegation: Delegation): Promise<string> => {
    const answer = await world.exchange({ agent, holder }, delegation)
    return answer.ok ? 'accepted' : `${answer.error.reason}:${answer.error.cause ?? ''}`
  }
  const suspended = await world.delegation({ agent: agent.id })
  must(await suspend({ delegation: suspended.id, reason: 'test' }, alice, env))
  assert.equal(await outcome(suspended), 'delegation_not_standing:delegation_suspended')
  must(await resume({ delegation: suspended.id }, alice, env))
  assert.equal(await outcome(suspended), 'accepted')

  const completed = await world.delegation({ agent: agent.id })
  must(await complete({ delegation: completed.id }, alice, env))
  assert.equal(await outcome(completed), 'delegation_not_standing:delegation_completed')

  const revoked = await world.delegation({ agent: agent.id })
  must(await revoke({ delegation: revoked.id }, alice, env))
  assert.equal(await outcome(revoked), 'delegation_not_standing:delegation_revoked')

  const altered = await world.delegation({ agent: agent.id })
  await sql`update delegation set expires_at = expires_at + 1 where id = ${altered.id}`.execute(
    env.store.db,
  )
  assert.equal(await outcome(altered), 'delegation_invalid:altered')

  const standing = await world.delegation({ agent: agent.id })
  must(await assignOwner({ owned: 'archetype:tax-preparer', owner: null }, testActor, env))
  assert.equal(await outcome(standing), 'nobody_accountable:')
  must(await assignOwner({ owned: 'archetype:tax-preparer', owner: alice.person }, testActor, env))
  assert.equal(await outcome(standing), 'accepted')
  must(await deactivatePerson({ person: alice.person }, testActor, env))
  assert.equal(await outcome(standing), 'delegation_not_standing:person_inactive')
})

test('what was remembered of a delegation is checked against the log again', async (t) => {
  const world = await openTestTokens(t)
  const { env, alice } = world
  const asker = { agent: await testAgent(env), holder: testHolder(env) }
  const changes: [string, (delegation: Delegation) => Promise<unknown>][] = [
    ['delegation_not_standing', (to) => revoke({ delegation: to.id }, alice, env)],
    ['delegation_not_standing', (to) => suspend({ delegation: to.id, reason: 'test' }, alice, env)],
    [
      'nobody_accountable',
      () => assignOwner({ owned: 'archetype:tax-preparer', owner: null }, testActor, env),
    ],
  ]
  for (const [reason, change] of changes) {
    const delegation = await world.delegation({ agent: asker.agent.id })
    for (let i = 0; i < 3; i++) must(await world.exchange(asker, delegation))
    assert.notEqual(env.issueFacts.get(delegation.id), undefined)
    await change(delegation)
    const answer = await world.exchange(asker, delegation)
    assert.equal(answer.ok ? 'accepted' : answer.error.reason, reason)
  }
})

test('an agent that acts for an agent names it inside its own act', async (t) => {
  const world = await openTestTokens(t)
  const { env, alice } = world
  const [outer, inner] = [await testAgent(env), await testAgent(env)]
  const [outerKey, innerKey] = [testHolder(env), testHolder(env)]
  const root = await world.delegation({ agent: outer.id })
  must(await world.exchange({ agent: outer, holder: outerKey }, root))
  const details: Json = [
    {
      ...READ,
      actions: ['resources/read'],
      arguments: { 'resources/read': READ_CONDITION },
    },
  ]
  const below = must(
    await subDelegate(
      { purpose: 'read', delegate: { archetype: 'tax-preparer', agent: inner.id }, details },
      { agent: outer.id, delegation: root.id },
      env,
    ),
  )
  const response = must(await world.exchange({ agent: inner, holder: innerKey }, below))
  const {
    sub,
    act,
    client_id: client,
    authorization_details: granted,
  } = decodeJwt(response.access_token)
  assert.equal(sub, alice.person)
  assert.equal(client, inner.spiffeId)
  assert.deepEqual(act, { sub: inner.spiffeId, act: { sub: outer.spiffeId } })
  assert.deepEqual(granted, details)

  const borrowed = await world.exchange({ agent: outer, holder: outerKey }, below)
  assert.equal(borrowed.ok ? '' : borrowed.error.reason, 'delegation_not_for_actor')
  must(await revoke({ delegation: root.id }, alice, env))
  const after = await world.exchange({ agent: inner, holder: innerKey }, below)
  assert.equal(after.ok ? '' : after.error.cause, 'delegation_revoked')
})

test('delegations signed before the issuer’s key was rotated are honoured', async (t: TestContext) => {
  const world = await openTestTokens(t)
  const agent = await testAgent(world.env)
  const holder = testHolder(world.env)
  const delegation = await world.delegation({ agent: agent.id })
  const { kid } = await world.env.keyring.rotate('issuer')
  const response = must(await world.exchange({ agent, holder }, delegation))
  assert.equal(decodeProtectedHeader(response.access_token).kid, kid)
})

function expiry(response: TokenResponse): number {
  return decodeJwt(response.access_token).exp ?? 0
}
