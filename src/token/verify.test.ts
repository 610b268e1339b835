import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRemoteJWKSet, decodeJwt, type JSONWebKeySet } from 'jose'
import type { JsonObject } from '../base/canonical-json.ts'
import { must } from '../base/result.ts'
import { testAgent } from '../identity/testing.ts'
import { signJws } from '../keys/jws.ts'
import { jwks } from './metadata.ts'
import { openTestTokens, TEST_ISSUER, testHolder } from './testing.ts'
import { type TokenExpectation, type TokenRequest, verifyAccessToken } from './verify.ts'

const MCP = `${TEST_ISSUER}/mcp`

test('a resource server accepts our token with its proof, and nothing near it', async (t) => {
  const world = await openTestTokens(t)
  const { env, alice } = world
  const agent = await testAgent(env)
  const [holder, thief] = [testHolder(env), testHolder(env)]
  const delegation = await world.delegation({ agent: agent.id })
  const token = must(await world.exchange({ agent, holder }, delegation)).access_token
  const keys = jwks(env) as unknown as JSONWebKeySet
  const expect: TokenExpectation = {
    issuer: TEST_ISSUER,
    audience: MCP,
    keys,
    nowMilliseconds: env.clock.nowMilliseconds(),
  }
  const good: TokenRequest = {
    authorization: `DPoP ${token}`,
    dpop: await holder.prove('POST', MCP, token),
    method: 'POST',
    url: MCP,
  }
  const verified = must(await verifyAccessToken(good, expect))
  assert.deepEqual(verified.claims, decodeJwt(token))
  assert.equal(verified.person, alice.person)
  assert.deepEqual(verified.agents, [agent.spiffeId])
  assert.equal(typeof verified.proofId, 'string')

  const claims = decodeJwt(token) as JsonObject
  const signed = (changed: JsonObject, typ = 'at+jwt'): string =>
    `DPoP ${signJws(env.keyring.active('issuer'), { typ }, { ...claims, ...changed })}`
  const late = { nowMilliseconds: expect.nowMilliseconds + 300_000 }
  const { dpop: _, ...unproven } = good
  const [head = '', body = ''] = token.split('.')
  const cases: [string, Partial<TokenRequest>, Partial<TokenExpectation>, string][] = [
    ['no token', { authorization: '' }, {}, 'no_token'],
    ['basic credentials', { authorization: 'Basic YTpi' }, {}, 'no_token'],
    ['a bound token as bearer', { authorization: `Bearer ${token}` }, {}, 'proof_missing'],
    ['no proof', { dpop: undefined as never }, {}, 'proof_missing'],
    ['another issuer expected', {}, { issuer: 'https://other.example' }, 'token_invalid'],
    ['another audience expected', {}, { audience: `${MCP}/documents` }, 'token_invalid'],
    ['keys of somebody else', {}, { keys: { keys: [] } }, 'token_invalid'],
    ['expired', {}, late, 'token_expired'],
    ['another type', { authorization: signed({}, 'JWT') }, {}, 'token_invalid'],
    ['no delegation', { authorization: signed({ grant_id: undefined }) }, {}, 'token_invalid'],
    ['a list of audiences', { authorization: signed({ aud: [MCP, 'x'] }) }, {}, 'token_invalid'],
    [
      'a binding that cannot be checked',
      { authorization: signed({ cnf: { 'x5t#S256': 'x'.repeat(43) } }) },
      {},
      'proof_missing',
    ],
    [
      'a binding of an unknown kind',
      { authorization: signed({ cnf: { kid: 'x' } }) },
      {},
      'token_invalid',
    ],
    [
      'an unbound token by the scheme that proves',
      { authorization: signed({ cnf: undefined }) },
      {},
      'token_invalid',
    ],
    ['no signature', { authorization: `DPoP ${head}.${body}.` }, {}, 'token_invalid'],
    [
      'a proof by another key',
      { dpop: await thief.prove('POST', MCP, token) },
      {},
      'proof_invalid',
    ],
    ['a proof for another method', { method: 'GET' }, {}, 'proof_invalid'],
    ['a proof for another URL', { url: `${MCP}/documents` }, {}, 'proof_invalid'],
    [
      'a proof for another token',
      { dpop: await holder.prove('POST', MCP, 'x') },
      {},
      'proof_invalid',
    ],
    ['a proof without a token', { dpop: await holder.prove('POST', MCP) }, {}, 'proof_invalid'],
    ['no proof but a token', { dpop: token }, {}, 'proof_invalid'],
  ]
  for (const [name, request, expectation, want] of cases) {
    await t.test(name, async () => {
      const given =
        'dpop' in request && request.dpop === undefined ? unproven : { ...good, ...request }
      const answer = await verifyAccessToken(given, { ...expect, ...expectation })
      assert.equal(answer.ok ? 'accepted' : answer.error.reason, want)
    })
  }

  await t.test('a stale proof', async () => {
    const stale = { ...expect, nowMilliseconds: expect.nowMilliseconds + 61_000 }
    const answer = await verifyAccessToken(good, stale)
    assert.equal(answer.ok ? 'accepted' : answer.error.reason, 'proof_invalid')
  })
  await t.test('keys that cannot be fetched are a fault, not a refusal', async () => {
    const unreachable = createRemoteJWKSet(new URL('http://127.0.0.1:1/jwks'))
    await assert.rejects(
      verifyAccessToken(good, { ...expect, keys: unreachable }),
      /keys of the issuer/,
    )
  })
})
