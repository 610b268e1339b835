import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { decodeJwt } from 'jose'
import { testActor } from '../audit/testing.ts'
import { must, type Result } from '../base/result.ts'
import type { Delegation } from '../delegation/delegation.ts'
import { revoke as revokeDelegation } from '../delegation/end.ts'
import type { Agent, AgentId } from '../identity/agent.ts'
import { suspendAgent } from '../identity/agent-state.ts'
import { testAgent } from '../identity/testing.ts'
import { entriesFrom } from '../people/testing.ts'
import { JWT_SPIFFE } from './authenticate-client.ts'
import { authenticateToken } from './authenticate-token.ts'
import type { OAuthError } from './errors.ts'
import { introspect } from './introspect.ts'
import { revoke } from './revoke.ts'
import { RevokedTokens, tokenSubject } from './revoked-tokens.ts'
import {
  formOf,
  openTestTokens,
  TEST_ISSUER,
  type TestHolder,
  testHolder,
  type TestTokenEnv,
  type TestTokens,
} from './testing.ts'

const MCP = `${TEST_ISSUER}/mcp`

test('introspection says what a token is worth now, the act chain included', async (t) => {
  const { agent, token, ask, env, delegation } = await openScene(t)
  assert.deepEqual(must(await ask(introspect, agent.id, token)), {
    active: true,
    token_type: 'DPoP',
    ...decodeJwt(token),
  })
  const other = await testAgent(env)
  const inactive = { active: false }
  assert.deepEqual(must(await ask(introspect, other.id, token)), inactive)
  assert.deepEqual(must(await ask(introspect, agent.id, 'x')), inactive)
  assert.deepEqual(must(await ask(introspect, agent.id, delegation.signed)), inactive)
  await env.clock.advance(300_000)
  assert.deepEqual(must(await ask(introspect, agent.id, token)), inactive)
})

test('introspection sees a revoked delegation', async (t) => {
  const { agent, token, ask, env, alice, delegation } = await openScene(t)
  must(await revokeDelegation({ delegation: delegation.id }, alice, env))
  assert.deepEqual(must(await ask(introspect, agent.id, token)), { active: false })
})

test('a client gives up its token, and everybody hears of it', async (t) => {
  const { agent, holder, token, ask, env } = await openScene(t)
  const elsewhere = new RevokedTokens(env)
  await elsewhere.load()
  const jti = decodeJwt(token).jti ?? ''
  const size = (await entriesFrom(0, env.store)).length

  assert.equal((await ask(revoke, agent.id, token)).ok, true)
  assert.equal((await ask(revoke, agent.id, token)).ok, true)
  const recorded = (await entriesFrom(size, env.store)).filter(({ kind }) => kind !== 'svid_issued')
  assert.deepEqual(
    recorded.map(({ kind, touches }) => [kind, touches]),
    [['token_revoked', [`jti:${jti}`]]],
  )
  const authorization = `DPoP ${token}`
  const dpop = await holder.prove('POST', MCP, token)
  const request = { authorization, dpop, method: 'POST', url: MCP, audience: MCP }
  const here = await authenticateToken(request, env)
  assert.equal(here.ok ? '' : here.error.reason, 'token_revoked')

  // Another replica that follows the change feed, and one that starts now.
  assert.equal(elsewhere.has(jti), false)
  elsewhere.onTouched(new Map([[tokenSubject(jti), size]]))
  const later = new RevokedTokens(env)
  await later.load()
  for (const revoked of [elsewhere, later]) {
    const there = await authenticateToken(request, { ...env, revokedTokens: revoked })
    assert.equal(there.ok ? '' : there.error.reason, 'token_revoked')
  }
  assert.deepEqual(must(await ask(introspect, agent.id, token)), { active: false })
})

test('a revocation is forgotten when its token has expired anyway', async (t) => {
  const { agent, token, ask, env } = await openScene(t)
  must(await ask(revoke, agent.id, token))
  const jti = decodeJwt(token).jti ?? ''
  assert.equal(env.revokedTokens.has(jti), true)
  await env.clock.advance(361_000)
  env.revokedTokens.onTouched(new Map([['dlg_x', 1]]))
  assert.equal(env.revokedTokens.has(jti), false)
})

test('only its own client revokes a token; what is no token is no error', async (t) => {
  const { agent, token, ask, env } = await openScene(t)
  const other = await testAgent(env)
  const refused = await ask(revoke, other.id, token)
  assert.equal(refused.ok ? '' : refused.error.error, 'unauthorized_client')
  assert.equal(env.revokedTokens.has(decodeJwt(token).jti ?? ''), false)
  assert.equal((await ask(revoke, agent.id, 'x.y.z')).ok, true)
  const missing = await ask(revoke, agent.id, '')
  assert.equal(missing.ok ? '' : missing.error.error, 'invalid_request')
})

test('who is not authenticated learns and revokes nothing', async (t) => {
  const { agent, token, env, ...world } = await openScene(t)
  const assertion = await world.svid(agent.id)
  must(await suspendAgent({ agent: agent.id, reason: 'test' }, testActor, env))
  for (const form of [
    { token },
    { token, client_assertion_type: JWT_SPIFFE, client_assertion: 'x' },
    { token, client_assertion_type: JWT_SPIFFE, client_assertion: assertion },
  ]) {
    for (const endpoint of [introspect, revoke]) {
      const answer = await endpoint(formOf(form), env)
      assert.equal(answer.ok ? '' : answer.error.error, 'invalid_client')
    }
  }
})

test('a memory that was not loaded lets nothing pass', async (t) => {
  const { env } = await openScene(t)
  assert.throws(
    () => new RevokedTokens(env).has('tok_x'),
    /expected the revoked tokens to be loaded/,
  )
})

test('no token is recorded after the end of what it rests on', async (t) => {
  const world = await openTestTokens(t)
  const { env, alice } = world
  for (let round = 0; round < 8; round++) {
    const agent = await testAgent(env)
    const holder = testHolder(env)
    const delegation = await world.delegation({ agent: agent.id })
    const ending = [
      () => revokeDelegation({ delegation: delegation.id }, alice, env),
      () => suspendAgent({ agent: agent.id, reason: 'test' }, testActor, env),
    ][round % 2]
    const asking = Array.from({ length: 4 }, () =>
      world.exchange({ agent, holder }, delegation).catch(() => undefined),
    )
    await Promise.all([...asking, ending?.()])
    const kinds = (await entriesFrom(0, env.store))
      .filter(
        (entry) =>
          ('agent' in entry && entry.agent === agent.id) ||
          ('delegation' in entry && entry.delegation === delegation.id),
      )
      .map(({ kind }) => kind)
    const ended = kinds.findIndex(
      (kind) => kind === 'delegation_revoked' || kind === 'agent_suspended',
    )
    assert.notEqual(ended, -1)
    assert.equal(kinds.indexOf('token_issued', ended), -1)
  }
})

type Endpoint<T> = (form: URLSearchParams, env: TestTokenEnv) => Promise<Result<T, OAuthError>>

interface Scene extends Omit<TestTokens, 'delegation'> {
  readonly agent: Agent
  readonly holder: TestHolder
  readonly delegation: Delegation
  readonly token: string
  /** What an endpoint answers to an agent about a token. */
  readonly ask: <T>(
    endpoint: Endpoint<T>,
    asker: AgentId,
    about: string,
  ) => Promise<Result<T, OAuthError>>
}

async function openScene(t: TestContext): Promise<Scene> {
  const world = await openTestTokens(t)
  const { env } = world
  const agent = await testAgent(env)
  const holder = testHolder(env)
  const delegation = await world.delegation({ agent: agent.id })
  const token = must(await world.exchange({ agent, holder }, delegation)).access_token
  return {
    ...world,
    agent,
    holder,
    delegation,
    token,
    ask: async (endpoint, asker, about) => {
      const svid = await world.svid(asker)
      const client = { client_assertion_type: JWT_SPIFFE, client_assertion: svid }
      return await endpoint(formOf({ ...client, token: about }), env)
    },
  }
}
