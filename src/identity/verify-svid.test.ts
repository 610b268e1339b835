/** JWT-SVIDs that are not as ours are; and what ends the life of either kind. */

import assert from 'node:assert/strict'
import { sign, X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import { testActor } from '../audit/testing.ts'
import { base64url } from '../base/bytes.ts'
import type { JsonObject } from '../base/canonical-json.ts'
import { must } from '../base/result.ts'
import { signJws } from '../keys/jws.ts'
import { testKeyring } from '../keys/testing.ts'
import { endAgent, suspendAgent } from './agent-state.ts'
import { issueJwtSvid, issueX509Svid } from './issue-svid.ts'
import { parseTrustDomain } from './spiffe-id.ts'
import { openTestAgent, type TestAgent } from './testing.ts'
import { validateJwtSvid, verifyJwtSvid, verifyX509Svid } from './verify-svid.ts'

const AUDIENCE = 'https://behalf.example'

/** A token as an attacker with some power would make it. */
function token(
  { env, agent }: TestAgent,
  change: { header?: JsonObject; claims?: JsonObject },
): string {
  const { privateKey, kid } = env.keyring.active('svid_jwt')
  const now = env.clock.nowMilliseconds() / 1000
  const header = { alg: 'ES256', kid, typ: 'JWT', ...change.header }
  const claims = { sub: agent.spiffeId, aud: [AUDIENCE], exp: now + 60, ...change.claims }
  const signed = `${base64url(JSON.stringify(header))}.${base64url(JSON.stringify(claims))}`
  const signature = sign('sha256', Buffer.from(signed), {
    key: privateKey,
    dsaEncoding: 'ieee-p1363',
  })
  return `${signed}.${base64url(signature)}`
}

test('accepts the JWT-SVID of an active agent, for its audience', async (t) => {
  const { env, agent } = await openTestAgent(t)
  const svid = must(await issueJwtSvid(agent, [AUDIENCE], env))
  const { claims, ...rest } = must(await verifyJwtSvid(svid, AUDIENCE, env))
  assert.deepEqual(rest, {
    spiffeId: agent.spiffeId,
    agentId: agent.id,
    expiresAt: env.clock.nowMilliseconds() / 1000 + 300,
  })
  assert.deepEqual(claims['aud'], [AUDIENCE])
})

const ACCEPTED_TOKENS = [
  ['a list with us', { claims: { aud: [AUDIENCE] } }],
  ['us as a string', { claims: { aud: AUDIENCE } }],
  ['typ JOSE', { header: { typ: 'JOSE' } }],
  ['no typ', { header: { typ: undefined } }],
] as const

test('accepts a JWT-SVID with', async (t) => {
  const world = await openTestAgent(t)
  for (const [name, change] of ACCEPTED_TOKENS) {
    await t.test(name, async () => {
      must(await verifyJwtSvid(token(world, change), AUDIENCE, world.env))
    })
  }
})

const REFUSED_TOKENS = [
  ['another audience', { claims: { aud: ['https://other.example'] } }, 'wrong_audience'],
  ['another audience besides us', { claims: { aud: [AUDIENCE, 'b'] } }, 'wrong_audience'],
  ['us twice', { claims: { aud: [AUDIENCE, AUDIENCE] } }, 'wrong_audience'],
  ['a prefix of us', { claims: { aud: ['https://behalf.exampl'] } }, 'wrong_audience'],
  ['no audience', { claims: { aud: undefined } }, 'bad_claims'],
  ['an empty audience', { claims: { aud: [] } }, 'bad_claims'],
  ['no expiry', { claims: { exp: undefined } }, 'bad_claims'],
  ['an expiry in words', { claims: { exp: '2099' } }, 'bad_claims'],
  ['expired this very second', { claims: { exp: 1_767_225_600 } }, 'expired'],
  ['no subject', { claims: { sub: undefined } }, 'bad_claims'],
  ['a subject that is no SPIFFE ID', { claims: { sub: 'alice' } }, 'bad_spiffe_id'],
  [
    'a foreign trust domain',
    { claims: { sub: 'spiffe://other.example/agent/a/0b1f' } },
    'foreign_trust_domain',
  ],
  ['the trust domain itself', { claims: { sub: 'spiffe://acme.example' } }, 'not_an_agent'],
  ['a workload that is no agent', { claims: { sub: 'spiffe://acme.example/db' } }, 'not_an_agent'],
  [
    'an agent that does not exist',
    {
      claims: {
        sub: 'spiffe://acme.example/agent/tax-preparer/00000000-0000-4000-8000-000000000000',
      },
    },
    'unknown_agent',
  ],
  ['an access token', { header: { typ: 'at+jwt' } }, 'wrong_type'],
  ['alg none', { header: { alg: 'none' } }, 'wrong_algorithm'],
  ['alg EdDSA', { header: { alg: 'EdDSA' } }, 'wrong_algorithm'],
  ['alg HS256', { header: { alg: 'HS256' } }, 'wrong_algorithm'],
  ['no kid', { header: { kid: undefined } }, 'unknown_key'],
  ['an unknown kid', { header: { kid: 'x' } }, 'unknown_key'],
  ['a header of its own', { header: { cty: 'JWT' } }, 'forbidden_header'],
  ['a key in the header', { header: { jwk: {} } }, 'malformed'],
] as const

test('refuses a JWT-SVID with', async (t) => {
  const world = await openTestAgent(t)
  for (const [name, change, reason] of REFUSED_TOKENS) {
    await t.test(name, async () => {
      const verified = await verifyJwtSvid(token(world, change), AUDIENCE, world.env)
      assert.deepEqual(verified, { ok: false, error: { reason } })
    })
  }
})

test('refuses an agent under the archetype of another', async (t) => {
  const world = await openTestAgent(t)
  const sub = world.agent.spiffeId.replace('tax-preparer', 'operator')
  assert.deepEqual(await verifyJwtSvid(token(world, { claims: { sub } }), AUDIENCE, world.env), {
    ok: false,
    error: { reason: 'unknown_agent' },
  })
})

test('refuses what another key of ours signed: powers are separate', async (t) => {
  const world = await openTestAgent(t)
  for (const purpose of ['issuer', 'svid_ca'] as const) {
    const now = world.env.clock.nowMilliseconds() / 1000
    const forged = signJws(
      world.env.keyring.active(purpose),
      { typ: 'JWT' },
      { sub: world.agent.spiffeId, aud: [AUDIENCE], exp: now + 60 },
    )
    assert.deepEqual(await verifyJwtSvid(forged, AUDIENCE, world.env), {
      ok: false,
      error: { reason: 'unknown_key' },
    })
  }
})

test('refuses a changed token, at every character', async (t) => {
  const { env, agent } = await openTestAgent(t)
  const svid = must(await issueJwtSvid(agent, [AUDIENCE], env))
  for (let at = 0; at < svid.length; at++) {
    const bent = `${svid.slice(0, at)}${svid[at] === 'A' ? 'B' : 'A'}${svid.slice(at + 1)}`
    assert.equal((await verifyJwtSvid(bent, AUDIENCE, env)).ok, false, `character ${at}`)
  }
})

test('refuses junk as a token', async (t) => {
  const { env } = await openTestAgent(t)
  for (const junk of ['', '.', '..', 'a.b.c', 'a'.repeat(100_000), '{}']) {
    const verified = await verifyJwtSvid(junk, AUDIENCE, env)
    assert.deepEqual(verified, { ok: false, error: { reason: 'malformed' } })
  }
})

test('an SVID is worth nothing once its agent is suspended or ended', async (t) => {
  const { env, agent } = await openTestAgent(t)
  const jwt = must(await issueJwtSvid(agent, [AUDIENCE], env))
  const { svid } = must(await issueX509Svid(agent, env))
  const refused = { ok: false, error: { reason: 'agent_not_active' } }
  must(await suspendAgent({ agent: agent.id, reason: 'test' }, testActor, env))
  assert.deepEqual(await verifyJwtSvid(jwt, AUDIENCE, env), refused)
  assert.deepEqual(await verifyX509Svid([svid], env), refused)
  must(await endAgent({ agent: agent.id }, testActor, env))
  assert.deepEqual(await verifyJwtSvid(jwt, AUDIENCE, env), refused)
})

test('validates for a workload that is one of several audiences', async (t) => {
  const { env, agent } = await openTestAgent(t)
  const svid = must(await issueJwtSvid(agent, ['a', 'b'], env))
  assert.equal(must(await validateJwtSvid(svid, 'b', env)).spiffeId, agent.spiffeId)
  assert.equal((await validateJwtSvid(svid, 'c', env)).ok, false)
  assert.equal((await verifyJwtSvid(svid, 'b', env)).ok, false)
})

test('SVIDs outlive a rotation of keys, and no longer than themselves', async (t) => {
  const { env, agent } = await openTestAgent(t)
  const jwt = must(await issueJwtSvid(agent, [AUDIENCE], env))
  const { svid } = must(await issueX509Svid(agent, env))
  await env.keyring.rotate('svid_jwt')
  await env.keyring.rotate('svid_ca')
  await env.clock.advance(299_000)
  must(await verifyJwtSvid(jwt, AUDIENCE, env))
  await env.clock.advance(1_000)
  assert.equal((await verifyJwtSvid(jwt, AUDIENCE, env)).ok, false)

  await env.clock.advance(3_299_000)
  assert.equal(must(await verifyX509Svid([svid], env)).agentId, agent.id)
  const renewed = must(await issueX509Svid(agent, env))
  assert.equal(must(await verifyX509Svid([renewed.svid], env)).agentId, agent.id)
  await env.clock.advance(1_001)
  assert.deepEqual(await verifyX509Svid([svid], env), { ok: false, error: { reason: 'expired' } })
})

test('refuses the same names under the roots of another installation', async (t) => {
  const { env, agent } = await openTestAgent(t)
  const { svid } = must(await issueX509Svid(agent, env))
  const other = { ...env, keyring: testKeyring(env) }
  assert.deepEqual(await verifyX509Svid([svid], other), {
    ok: false,
    error: { reason: 'unknown_authority' },
  })
  const trustDomain = must(parseTrustDomain('other.example'))
  const elsewhere = { ...other, trustDomain }
  const jwt = must(await issueJwtSvid(agent, [AUDIENCE], env))
  assert.equal((await verifyJwtSvid(jwt, AUDIENCE, elsewhere)).ok, false)
  assert.ok(new X509Certificate(svid))
})
