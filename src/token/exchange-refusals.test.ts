import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testActor } from '../audit/testing.ts'
import { must } from '../base/result.ts'
import { suspendAgent } from '../identity/agent-state.ts'
import { testAgent } from '../identity/testing.ts'
import { signJws } from '../keys/jws.ts'
import { errorBody } from './errors.ts'
import { exchange } from './exchange.ts'
import {
  entriesOf,
  openTestTokens,
  TEST_DETAILS,
  TEST_ISSUER,
  testHolder,
  TOKEN_ENDPOINT,
} from './testing.ts'

const [READ] = TEST_DETAILS
const DOCUMENTS = `${TEST_ISSUER}/mcp/documents`

test('requests that are refused: what the caller is told, and what the log says', async (t) => {
  const world = await openTestTokens(t)
  const { env } = world
  const agent = await testAgent(env)
  const holder = testHolder(env)
  const other = await testAgent(env)
  const delegation = await world.delegation({ agent: agent.id })
  const ofOther = await world.delegation({ agent: other.id })
  const forged = signJws(env.keyring.active('svid_jwt'), { typ: 'delegation+jwt' }, {})
  const token = must(await world.exchange({ agent, holder }, delegation)).access_token
  const wide = [{ ...READ, actions: ['tools/call:write_file'], arguments: {} }]

  const INVALID = 'a parameter or token of the request is missing, malformed or not acceptable'
  const TARGET = 'the resource is unknown or not part of the delegation'
  const DETAILS = 'the authorization details are malformed or exceed the delegation'
  const jwt = 'urn:ietf:params:oauth:token-type:jwt'
  const otherSvid = await world.svid(other.id)
  const cases: [string, Record<string, string | undefined>, string, string, string][] = [
    [
      'another grant type',
      { grant_type: 'client_credentials' },
      'unsupported_grant_type',
      'the grant type is not offered here',
      'grant_type_unsupported',
    ],
    [
      'no grant type',
      { grant_type: undefined },
      'unsupported_grant_type',
      'the grant type is not offered here',
      'grant_type_unsupported',
    ],
    [
      'no subject token',
      { subject_token: undefined },
      'invalid_request',
      INVALID,
      'parameter_missing',
    ],
    [
      'an empty subject token',
      { subject_token: '' },
      'invalid_request',
      INVALID,
      'parameter_missing',
    ],
    [
      'no subject token type',
      { subject_token_type: undefined },
      'invalid_request',
      INVALID,
      'parameter_missing',
    ],
    [
      'no actor token',
      { actor_token: undefined, actor_token_type: undefined },
      'invalid_request',
      INVALID,
      'parameter_missing',
    ],
    [
      'no actor token type',
      { actor_token_type: undefined },
      'invalid_request',
      INVALID,
      'parameter_missing',
    ],
    [
      'an access token as subject',
      { subject_token: token, subject_token_type: 'urn:ietf:params:oauth:token-type:access_token' },
      'invalid_request',
      INVALID,
      'token_type_unsupported',
    ],
    [
      'an access token as delegation',
      { subject_token: token },
      'invalid_request',
      INVALID,
      'delegation_invalid:wrong_type',
    ],
    [
      'a saml actor',
      { actor_token_type: 'urn:ietf:params:oauth:token-type:saml2' },
      'invalid_request',
      INVALID,
      'token_type_unsupported',
    ],
    [
      'a refresh token asked for',
      { requested_token_type: 'urn:ietf:params:oauth:token-type:refresh_token' },
      'invalid_request',
      INVALID,
      'token_type_unsupported',
    ],
    [
      'a jwt asked for',
      { requested_token_type: jwt },
      'invalid_request',
      INVALID,
      'token_type_unsupported',
    ],
    [
      'another actor',
      { actor_token: otherSvid },
      'invalid_request',
      INVALID,
      'actor_token_mismatch',
    ],
    [
      'an unknown scope',
      { scope: 'admin' },
      'invalid_scope',
      'the scope is not offered here',
      'scope_unknown',
    ],
    [
      'no delegation at all',
      { subject_token: 'x' },
      'invalid_request',
      INVALID,
      'delegation_invalid:malformed',
    ],
    [
      'a delegation by another key of ours',
      { subject_token: forged },
      'invalid_request',
      INVALID,
      'delegation_invalid:unknown_key',
    ],
    [
      'a delegation without its signature',
      { subject_token: delegation.signed.replace(/\.[^.]*$/, '.') },
      'invalid_request',
      INVALID,
      'delegation_invalid:bad_signature',
    ],
    [
      'a delegation to another agent',
      { subject_token: ofOther.signed },
      'invalid_request',
      INVALID,
      'delegation_not_for_actor',
    ],
    [
      'a server that is not delegated',
      { resource: `${TEST_ISSUER}/mcp/mail` },
      'invalid_target',
      TARGET,
      'resource_not_delegated',
    ],
    [
      'another origin',
      { resource: 'https://attacker.example/mcp' },
      'invalid_target',
      TARGET,
      'resource_not_delegated',
    ],
    [
      'a resource below a server',
      { resource: `${DOCUMENTS}/x` },
      'invalid_target',
      TARGET,
      'resource_not_delegated',
    ],
    [
      'a resource with a slash more',
      { resource: `${TEST_ISSUER}/mcp/` },
      'invalid_target',
      TARGET,
      'resource_not_delegated',
    ],
    [
      'the issuer itself',
      { resource: TEST_ISSUER },
      'invalid_target',
      TARGET,
      'resource_not_delegated',
    ],
    [
      'an audience beside another resource',
      { resource: DOCUMENTS, audience: `${TEST_ISSUER}/mcp` },
      'invalid_target',
      TARGET,
      'resource_not_delegated',
    ],
    [
      'details that are no JSON',
      { authorization_details: '[' },
      'invalid_authorization_details',
      DETAILS,
      'details_malformed',
    ],
    [
      'details of another type',
      { authorization_details: '[{"type":"payment"}]' },
      'invalid_authorization_details',
      DETAILS,
      'details_malformed',
    ],
    [
      'details that say a member twice',
      { authorization_details: JSON.stringify([READ]).replace('"type"', '"type":"x","type"') },
      'invalid_authorization_details',
      DETAILS,
      'details_malformed',
    ],
    [
      'details that exceed the delegation',
      { authorization_details: JSON.stringify(wide) },
      'invalid_authorization_details',
      DETAILS,
      'details_not_contained',
    ],
    [
      'no details',
      { authorization_details: '[]' },
      'invalid_authorization_details',
      DETAILS,
      'details_malformed',
    ],
  ]
  for (const [name, form, error, text, reason] of cases) {
    await t.test(name, async () => {
      const before = (await entriesOf(world)).length
      const answer = await world.exchange({ agent, holder }, delegation, form)
      assert.ok(!answer.ok)
      assert.deepEqual(errorBody(answer.error), { error, error_description: text })
      assert.equal(answer.error.status, 400)
      const refused = (await entriesOf(world))
        .slice(before)
        .filter(({ kind }) => kind !== 'svid_issued')
      assert.deepEqual(
        refused.map((entry) => entry.kind === 'token_refused' && [entry.agent, entry.reason]),
        [[agent.id, reason]],
      )
    })
  }
})

test('strangers are counted, not recorded, and learn nothing', async (t) => {
  const world = await openTestTokens(t)
  const { env } = world
  const agent = await testAgent(env)
  const holder = testHolder(env)
  const delegation = await world.delegation({ agent: agent.id })
  const expired = await world.svid(agent.id)
  await env.clock.advance(300_000)
  const suspended = await testAgent(env)
  const suspendedSvid = await world.svid(suspended.id)
  must(await suspendAgent({ agent: suspended.id, reason: 'test' }, testActor, env))
  const forged = signJws(
    env.keyring.active('issuer'),
    { typ: 'JWT' },
    { sub: agent.spiffeId, aud: TEST_ISSUER, exp: 9e9 },
  )
  const cases: [string, Record<string, string | undefined>, string][] = [
    ['no assertion', { client_assertion: undefined }, 'client_assertion_missing'],
    ['no assertion type', { client_assertion_type: undefined }, 'client_assertion_missing'],
    [
      'another assertion type',
      { client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer' },
      'client_assertion_missing',
    ],
    ['a second way to authenticate', { client_secret: 'x' }, 'client_assertion_missing'],
    ['no token', both('x'), 'client_assertion_invalid'],
    [
      'an SVID for somebody else',
      both(await world.svid(agent.id, ['https://other.example'])),
      'client_assertion_invalid',
    ],
    [
      'an SVID for us and somebody else',
      both(await world.svid(agent.id, [TEST_ISSUER, 'https://other.example'])),
      'client_assertion_invalid',
    ],
    [
      'an SVID for the token endpoint',
      both(await world.svid(agent.id, [TOKEN_ENDPOINT])),
      'client_assertion_invalid',
    ],
    ['an SVID by another key of ours', both(forged), 'client_assertion_invalid'],
    ['an expired SVID', both(expired), 'client_assertion_invalid'],
    ['an SVID of a suspended agent', both(suspendedSvid), 'client_inactive'],
    ['the name of another client', { client_id: suspended.spiffeId }, 'client_id_mismatch'],
  ]
  for (const [name, form, reason] of cases) {
    await t.test(name, async () => {
      const answer = await world.exchange({ agent, holder }, delegation, form)
      assert.ok(!answer.ok)
      assert.equal(answer.error.reason, reason)
      assert.equal(answer.error.status, 401)
      assert.deepEqual(errorBody(answer.error), {
        error: 'invalid_client',
        error_description: 'the client is not authenticated',
      })
    })
  }
  const refused = (await entriesOf(world)).filter(({ kind }) => kind === 'token_refused')
  assert.deepEqual(refused, [])
})

test('a parameter that stands twice is refused before anything is believed', async (t) => {
  const world = await openTestTokens(t)
  const headers = { method: 'POST', htu: TOKEN_ENDPOINT }
  for (const name of ['grant_type', 'subject_token', 'client_assertion', 'audience', 'unknown']) {
    const answer = await exchange(
      [
        [name, 'a'],
        [name, 'a'],
      ],
      headers,
      world.env,
    )
    assert.equal(answer.ok ? '' : answer.error.error, 'invalid_request')
  }
  const twoResources = await exchange(
    [
      ['resource', 'a'],
      ['resource', 'b'],
    ],
    headers,
    world.env,
  )
  assert.equal(twoResources.ok ? '' : twoResources.error.error, 'invalid_target')
  const many = Array.from({ length: 51 }, (_, i) => [`p${i}`, ''] as const)
  assert.equal((await exchange(many, headers, world.env)).ok, false)
  const long = await exchange([['subject_token', 'x'.repeat(65_537)]], headers, world.env)
  assert.equal(long.ok ? '' : long.error.reason, 'parameter_too_long')
})

function both(svid: string): { client_assertion: string; actor_token: string } {
  return { client_assertion: svid, actor_token: svid }
}
