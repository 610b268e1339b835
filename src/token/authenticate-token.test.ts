import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import type { JsonObject } from '../base/canonical-json.ts'
import { must } from '../base/result.ts'
import type { Agent } from '../identity/agent.ts'
import { testAgent } from '../identity/testing.ts'
import { signJws } from '../keys/jws.ts'
import { authenticateToken, type TokenRequest } from './authenticate-token.ts'
import {
  openTestTokens,
  TEST_DETAILS,
  TEST_ISSUER,
  type TestHolder,
  testHolder,
  type TestTokens,
} from './testing.ts'

const MCP = `${TEST_ISSUER}/mcp`
const METADATA =
  'resource_metadata="https://behalf.example/.well-known/oauth-protected-resource/mcp"'

interface Scene extends TestTokens {
  readonly agent: Agent
  readonly holder: TestHolder
  readonly token: string
  /** What a request comes to: `accepted`, or the reason of the refusal. */
  readonly outcome: (request: Partial<TokenRequest>) => Promise<string>
  /** The header values of a good request. */
  readonly good: (token?: string) => Promise<Partial<TokenRequest>>
}

test('a token with its proof says who calls, for whom, under what', async (t) => {
  const { env, alice, agent, token, good } = await openScene(t)
  const caller = await authenticateToken(request(await good()), env)
  const claims = decodeJwt(token)
  assert.deepEqual(must(caller), {
    delegation: claims['grant_id'],
    person: alice.person,
    agents: [agent.id],
    spiffeIds: [agent.spiffeId],
    clientId: agent.spiffeId,
    boundBy: 'dpop',
    acr: 'session',
    authTime: claims['auth_time'],
    details: TEST_DETAILS,
    expiresAt: claims.exp,
    jti: claims.jti,
    audience: MCP,
  })
})

test('a token is remembered, its proof is not', async (t) => {
  const { outcome, good, token, holder } = await openScene(t)
  const first = await good()
  assert.equal(await outcome(first), 'accepted')
  assert.equal(await outcome(first), 'proof_replayed')
  assert.equal(await outcome(await good()), 'accepted')
  const post = await holder.prove('POST', MCP, token)
  assert.equal(
    await outcome({ ...first, dpop: await holder.prove('GET', MCP, token) }),
    'proof_wrong_request',
  )
  assert.equal(await outcome({ ...first, dpop: post }), 'accepted')
})

test('credentials that do not do', async (t) => {
  const { env, token, holder, good, outcome, alice } = await openScene(t)
  const { dpop } = await good()
  const claims = decodeJwt(token) as JsonObject
  const signed = (changed: JsonObject, typ = 'at+jwt'): string =>
    signJws(env.keyring.active('issuer'), { typ }, { ...claims, ...changed })
  const [head = '', body = ''] = token.split('.')
  const thief = testHolder(env)
  const { cnf: _, ...unbound } = claims
  const bearer = signJws(env.keyring.active('issuer'), { typ: 'at+jwt' }, unbound)
  const cases: [string, Partial<TokenRequest>, string][] = [
    ['nothing', { authorization: undefined, dpop: undefined }, 'no_token'],
    ['a proof alone', { dpop }, 'no_token'],
    ['an empty header', { authorization: '' }, 'no_token'],
    ['a scheme alone', { authorization: 'DPoP' }, 'no_token'],
    ['basic credentials', { authorization: 'Basic YTpi' }, 'no_token'],
    ['two tokens', { authorization: `DPoP ${token}, DPoP ${token}` }, 'no_token'],
    ['a token in the URL', { url: `${MCP}?access_token=${token}` }, 'no_token'],
    ['a bound token as bearer', { authorization: `Bearer ${token}`, dpop }, 'wrong_scheme'],
    ['a bound token as bearer without proof', { authorization: `Bearer ${token}` }, 'wrong_scheme'],
    ['an unbound token with a proof', { authorization: `DPoP ${bearer}`, dpop }, 'wrong_scheme'],
    ['no proof', { authorization: `DPoP ${token}` }, 'proof_missing'],
    [
      'a proof without the token’s hash',
      { authorization: `DPoP ${token}`, dpop: await holder.prove('POST', MCP) },
      'proof_wrong_token',
    ],
    [
      'a proof for another token',
      { authorization: `DPoP ${token}`, dpop: await holder.prove('POST', MCP, 'x') },
      'proof_wrong_token',
    ],
    [
      'a proof by another key',
      { authorization: `DPoP ${token}`, dpop: await thief.prove('POST', MCP, token) },
      'proof_wrong_key',
    ],
    [
      'a proof for another URL',
      {
        authorization: `DPoP ${token}`,
        dpop: await holder.prove('POST', `${MCP}/documents`, token),
      },
      'proof_wrong_request',
    ],
    ['no signature', { authorization: `DPoP ${head}.${body}.`, dpop }, 'token_invalid'],
    [
      'a signature cut short',
      { authorization: `DPoP ${token.slice(0, -4)}`, dpop },
      'token_invalid',
    ],
    [
      'another issuer',
      { authorization: `DPoP ${signed({ iss: 'https://other.example' })}`, dpop },
      'token_invalid',
    ],
    [
      'another type',
      { authorization: `DPoP ${signed({}, 'delegation+jwt')}`, dpop },
      'token_invalid',
    ],
    [
      'another audience',
      { authorization: `DPoP ${signed({ aud: `${MCP}/documents` })}`, dpop },
      'wrong_audience',
    ],
    [
      'a list of audiences',
      { authorization: `DPoP ${signed({ aud: [MCP] })}`, dpop },
      'token_invalid',
    ],
    [
      'nobody who acts',
      { authorization: `DPoP ${signed({ act: undefined })}`, dpop },
      'token_invalid',
    ],
    [
      'an actor of elsewhere',
      {
        authorization: `DPoP ${signed({ act: { sub: 'spiffe://other.example/agent/a/00000000-0000-4000-8000-000000000000' } })}`,
        dpop,
      },
      'token_invalid',
    ],
    [
      'an actor inside who is none',
      {
        authorization: `DPoP ${signed({ act: { ...(claims['act'] as JsonObject), act: { sub: alice.person } } })}`,
        dpop,
      },
      'token_invalid',
    ],
    [
      'a person who is none',
      { authorization: `DPoP ${signed({ sub: 'alice' })}`, dpop },
      'token_invalid',
    ],
    [
      'details we do not understand',
      { authorization: `DPoP ${signed({ authorization_details: [{ type: 'x' }] })}`, dpop },
      'token_invalid',
    ],
    [
      'a certificate’s binding, which nobody checks here',
      { authorization: `Bearer ${signed({ cnf: { 'x5t#S256': 'x'.repeat(43) } })}` },
      'token_invalid',
    ],
    [
      'a token too long',
      { authorization: `DPoP ${signed({ pad: 'x'.repeat(24_576) })}`, dpop },
      'token_invalid',
    ],
    [
      'a token of another server',
      { authorization: `DPoP ${token}`, dpop, audience: `${MCP}/documents` },
      'wrong_audience',
    ],
    [
      'a token for tools at the administration API',
      { authorization: `DPoP ${token}`, dpop, audience: `${TEST_ISSUER}/api/v1` },
      'wrong_audience',
    ],
  ]
  for (const [name, given, want] of cases) {
    await t.test(name, async () => assert.equal(await outcome(given), want))
  }
  await t.test('a token that no key binds passes as bearer, and says so', async () => {
    const caller = await authenticateToken(request({ authorization: `Bearer ${bearer}` }), env)
    assert.equal(must(caller).boundBy, 'none')
  })
})

test('challenges lead to the issuer and do not say which check failed', async (t) => {
  const { env, token, good, holder } = await openScene(t)
  const answerTo = async (given: Partial<TokenRequest>): Promise<unknown> => {
    const answer = await authenticateToken(request(given), env)
    return answer.ok ? 'accepted' : [answer.error.status, ...answer.error.wwwAuthenticate]
  }
  assert.deepEqual(await answerTo({}), [
    401,
    `Bearer ${METADATA}`,
    `DPoP algs="ES256", ${METADATA}`,
  ])
  const invalid = [
    401,
    `Bearer error="invalid_token", ${METADATA}`,
    `DPoP error="invalid_token", algs="ES256", ${METADATA}`,
  ]
  assert.deepEqual(await answerTo({ authorization: 'DPoP x.y.z' }), invalid)
  assert.deepEqual(
    await answerTo({ ...(await good()), audience: MCP, authorization: `Bearer ${token}` }),
    invalid,
  )
  const badProof = [
    401,
    `Bearer error="invalid_token", ${METADATA}`,
    `DPoP error="invalid_dpop_proof", algs="ES256", ${METADATA}`,
  ]
  const authorization = `DPoP ${token}`
  assert.deepEqual(await answerTo({ authorization }), badProof)
  assert.deepEqual(await answerTo({ authorization, dpop: 'x' }), badProof)
  assert.deepEqual(
    await answerTo({ authorization, dpop: await holder.prove('PUT', MCP, token) }),
    badProof,
  )
})

test('a token expires on the second, also one that is remembered', async (t) => {
  const { env, good, outcome } = await openScene(t)
  assert.equal(await outcome(await good()), 'accepted')
  await env.clock.advance(299_000)
  assert.equal(await outcome(await good()), 'accepted')
  await env.clock.advance(1_000)
  assert.equal(await outcome(await good()), 'token_expired')
})

test('a token outlives the rotation of its key, not the withdrawal', async (t) => {
  const { env, token, good, outcome } = await openScene(t)
  await env.keyring.rotate('issuer')
  assert.equal(await outcome(await good()), 'accepted')
  const { kid } = decodeProtectedHeader(token)
  const keyring = {
    ...env.keyring,
    find: (purpose: never, other: string) =>
      other === kid ? undefined : env.keyring.find(purpose, other),
  }
  const after = await authenticateToken(request(await good()), { ...env, keyring })
  assert.equal(after.ok ? 'accepted' : after.error.reason, 'token_invalid')
})

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
    token,
    good: async (other = token) => ({
      authorization: `DPoP ${other}`,
      dpop: await holder.prove('POST', MCP, other),
    }),
    outcome: async (given) => {
      const caller = await authenticateToken(request(given), env)
      return caller.ok ? 'accepted' : caller.error.reason
    },
  }
}

function request(given: Partial<TokenRequest>): TokenRequest {
  return { method: 'POST', url: MCP, audience: MCP, ...given }
}
