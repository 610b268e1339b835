import assert from 'node:assert/strict'
import { generateKeyPairSync, type KeyObject, sign, webcrypto, X509Certificate } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { testActor } from '../audit/testing.ts'
import { base64url } from '../base/bytes.ts'
import type { JsonObject } from '../base/canonical-json.ts'
import { must } from '../base/result.ts'
import { signJws } from '../keys/jws.ts'
import { testKeyring } from '../keys/testing.ts'
import type { Agent } from './agent.ts'
import { endAgent, suspendAgent } from './agent-state.ts'
import { signingAuthority } from './authority.ts'
import { issueJwtSvid, issueX509Svid } from './issue-svid.ts'
import { parseTrustDomain } from './spiffe-id.ts'
import { openTestIdentity, testAgent, type TestIdentity } from './testing.ts'
import { x509 } from './testing-x509.ts'
import { validateJwtSvid, verifyJwtSvid, verifyX509Svid } from './verify-svid.ts'

const AUDIENCE = 'https://behalf.example'

interface World {
  readonly env: TestIdentity
  readonly agent: Agent
}

async function open(t: TestContext): Promise<World> {
  const env = await openTestIdentity(t)
  return { env, agent: await testAgent(env) }
}

/** A token as an attacker with some power would make it. */
function token(
  { env, agent }: World,
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
  const { env, agent } = await open(t)
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
  const world = await open(t)
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
  const world = await open(t)
  for (const [name, change, reason] of REFUSED_TOKENS) {
    await t.test(name, async () => {
      const verified = await verifyJwtSvid(token(world, change), AUDIENCE, world.env)
      assert.deepEqual(verified, { ok: false, error: { reason } })
    })
  }
})

test('refuses an agent under the archetype of another', async (t) => {
  const world = await open(t)
  const sub = world.agent.spiffeId.replace('tax-preparer', 'operator')
  assert.deepEqual(await verifyJwtSvid(token(world, { claims: { sub } }), AUDIENCE, world.env), {
    ok: false,
    error: { reason: 'unknown_agent' },
  })
})

test('refuses what another key of ours signed: powers are separate', async (t) => {
  const world = await open(t)
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
  const { env, agent } = await open(t)
  const svid = must(await issueJwtSvid(agent, [AUDIENCE], env))
  for (let at = 0; at < svid.length; at++) {
    const bent = `${svid.slice(0, at)}${svid[at] === 'A' ? 'B' : 'A'}${svid.slice(at + 1)}`
    assert.equal((await verifyJwtSvid(bent, AUDIENCE, env)).ok, false, `character ${at}`)
  }
})

test('refuses junk as a token', async (t) => {
  const { env } = await open(t)
  for (const junk of ['', '.', '..', 'a.b.c', 'a'.repeat(100_000), '{}']) {
    const verified = await verifyJwtSvid(junk, AUDIENCE, env)
    assert.deepEqual(verified, { ok: false, error: { reason: 'malformed' } })
  }
})

test('an SVID is worth nothing once its agent is suspended or ended', async (t) => {
  const { env, agent } = await open(t)
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
  const { env, agent } = await open(t)
  const svid = must(await issueJwtSvid(agent, ['a', 'b'], env))
  assert.equal(must(await validateJwtSvid(svid, 'b', env)).spiffeId, agent.spiffeId)
  assert.equal((await validateJwtSvid(svid, 'c', env)).ok, false)
  assert.equal((await verifyJwtSvid(svid, 'b', env)).ok, false)
})

test('SVIDs outlive a rotation of keys, and no longer than themselves', async (t) => {
  const { env, agent } = await open(t)
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

test('accepts the X.509-SVID of an active agent', async (t) => {
  const { env, agent } = await open(t)
  const { svid, expiresAt } = must(await issueX509Svid(agent, env))
  assert.deepEqual(await verifyX509Svid([svid], env), {
    ok: true,
    value: { spiffeId: agent.spiffeId, agentId: agent.id, expiresAt },
  })
})

const CURVE = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }

type Extension = InstanceType<typeof x509.Extension>

/** What a leaf has, by name, so that a case can replace or drop one. */
async function leafExtensions({ env, agent }: World): Promise<Record<string, Extension>> {
  const { privateKey } = env.keyring.active('svid_ca')
  const publicKey = await webcryptoKey(privateKey, 'verify')
  return {
    constraints: new x509.BasicConstraintsExtension(false, undefined, true),
    usage: new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
    extended: new x509.ExtendedKeyUsageExtension([
      x509.ExtendedKeyUsage.serverAuth,
      x509.ExtendedKeyUsage.clientAuth,
    ]),
    names: new x509.SubjectAlternativeNameExtension([{ type: 'url', value: agent.spiffeId }], true),
    authority: new x509.AuthorityKeyIdentifierExtension(await rootKeyId(env), false),
    key: await x509.SubjectKeyIdentifierExtension.create(publicKey),
  }
}

async function rootKeyId(env: TestIdentity): Promise<string> {
  const { keyId } = await signingAuthority(env)
  return keyId.toString('hex')
}

async function webcryptoKey(key: KeyObject, use: 'sign' | 'verify'): Promise<webcrypto.CryptoKey> {
  const jwk = key.export({ format: 'jwk' })
  const { d: _, ...publicJwk } = jwk
  return await webcrypto.subtle.importKey(
    'jwk',
    (use === 'sign' ? jwk : publicJwk) as webcrypto.JsonWebKey,
    CURVE,
    true,
    [use],
  )
}

interface LeafChange {
  readonly extensions?: Readonly<Partial<Record<string, Extension | undefined>>>
  readonly notBefore?: number
  readonly notAfter?: number
  readonly issuer?: string
  /** Signs with a key that is not ours. */
  readonly stranger?: boolean
}

/** A leaf that the general library makes, under our root's key unless told. */
async function leaf(world: World, change: LeafChange): Promise<Buffer> {
  const { env } = world
  const now = env.clock.nowMilliseconds()
  const { name } = await signingAuthority(env)
  const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  const keys = await webcrypto.subtle.generateKey(CURVE, true, ['sign', 'verify'])
  const extensions = { ...(await leafExtensions(world)), ...change.extensions }
  const made = await x509.X509CertificateGenerator.create({
    serialNumber: '41',
    subject: '',
    issuer: change.issuer ?? new x509.Name(name),
    notBefore: new Date(now + (change.notBefore ?? -1_000)),
    notAfter: new Date(now + (change.notAfter ?? 60_000)),
    signingKey: await webcryptoKey(
      change.stranger === true ? stranger : env.keyring.active('svid_ca').privateKey,
      'sign',
    ),
    publicKey: keys.publicKey,
    signingAlgorithm: CURVE,
    extensions: Object.values(extensions).filter((one) => one !== undefined),
  })
  return Buffer.from(made.rawData)
}

const { digitalSignature, keyCertSign, cRLSign, keyAgreement } = x509.KeyUsageFlags

const ACCEPTED_LEAVES = [
  ['as it should be', {}],
  ['without extended usage', { extensions: { extended: undefined } }],
  [
    'with more usages than it needs',
    { extensions: { usage: new x509.KeyUsagesExtension(digitalSignature | keyAgreement, true) } },
  ],
] as const

test('accepts a leaf of another library', async (t) => {
  const world = await open(t)
  for (const [name, change] of ACCEPTED_LEAVES) {
    await t.test(name, async () => {
      must(await verifyX509Svid([await leaf(world, change)], world.env))
    })
  }
})

const names = (...uris: string[]) =>
  new x509.SubjectAlternativeNameExtension(
    uris.map((value) => ({ type: 'url' as const, value })),
    true,
  )

const REFUSED_LEAVES = [
  ['of a stranger', { stranger: true }, 'bad_signature'],
  ['of another issuer', { issuer: 'CN=other' }, 'unknown_authority'],
  ['without an authority', { extensions: { authority: undefined } }, 'unknown_authority'],
  ['from tomorrow', { notBefore: 1_000 }, 'not_yet_valid'],
  ['from yesterday', { notAfter: -1_000, notBefore: -2_000 }, 'expired'],
  [
    'that is an authority',
    { extensions: { constraints: new x509.BasicConstraintsExtension(true, undefined, true) } },
    'not_a_leaf',
  ],
  [
    'that may sign certificates',
    { extensions: { usage: new x509.KeyUsagesExtension(digitalSignature | keyCertSign, true) } },
    'not_a_leaf',
  ],
  [
    'that may sign revocations',
    { extensions: { usage: new x509.KeyUsagesExtension(digitalSignature | cRLSign, true) } },
    'not_a_leaf',
  ],
  ['without usage', { extensions: { usage: undefined } }, 'wrong_usage'],
  [
    'whose usage is not critical',
    { extensions: { usage: new x509.KeyUsagesExtension(digitalSignature, false) } },
    'wrong_usage',
  ],
  [
    'that may not sign',
    { extensions: { usage: new x509.KeyUsagesExtension(keyAgreement, true) } },
    'wrong_usage',
  ],
  [
    'for servers only',
    {
      extensions: {
        extended: new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      },
    },
    'wrong_usage',
  ],
  ['without a name', { extensions: { names: undefined } }, 'bad_spiffe_id'],
  [
    'with a DNS name alone',
    {
      extensions: {
        names: new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: 'a.example' }]),
      },
    },
    'bad_spiffe_id',
  ],
  [
    'with a URL for a name',
    { extensions: { names: names('https://a.example/') } },
    'bad_spiffe_id',
  ],
  [
    'named as the trust domain',
    { extensions: { names: names('spiffe://acme.example') } },
    'not_an_agent',
  ],
  [
    'of a foreign trust domain',
    { extensions: { names: names('spiffe://other.example/agent/a/0b1f') } },
    'foreign_trust_domain',
  ],
  [
    'with a critical extension that nobody knows',
    { extensions: { more: new x509.Extension('1.2.3.4', true, Buffer.from('0500', 'hex')) } },
    'malformed',
  ],
  [
    'with one extension twice',
    { extensions: { more: new x509.KeyUsagesExtension(digitalSignature, true) } },
    'malformed',
  ],
] as const

test('refuses a leaf', async (t) => {
  const world = await open(t)
  for (const [name, change, reason] of REFUSED_LEAVES) {
    await t.test(name, async () => {
      const verified = await verifyX509Svid([await leaf(world, change)], world.env)
      assert.deepEqual(verified, { ok: false, error: { reason } })
    })
  }
})

test('refuses a leaf with two SPIFFE IDs, both of them good', async (t) => {
  const world = await open(t)
  const { spiffeId } = await testAgent(world.env)
  const both = { names: names(world.agent.spiffeId, spiffeId) }
  assert.deepEqual(await verifyX509Svid([await leaf(world, { extensions: both })], world.env), {
    ok: false,
    error: { reason: 'bad_spiffe_id' },
  })
})

test('refuses chains that are none of ours', async (t) => {
  const { env, agent } = await open(t)
  const { svid } = must(await issueX509Svid(agent, env))
  const { certificate } = await signingAuthority(env)
  for (const chain of [
    [],
    [Buffer.of()],
    [svid, svid],
    [svid, certificate],
    [Buffer.concat([svid, Buffer.of(0)])],
    [svid.subarray(1)],
    [Buffer.alloc(20_000)],
  ]) {
    assert.deepEqual(await verifyX509Svid(chain, env), {
      ok: false,
      error: { reason: 'malformed' },
    })
  }
  assert.equal((await verifyX509Svid([certificate], env)).ok, false)
})

test('refuses the same names under the roots of another installation', async (t) => {
  const { env, agent } = await open(t)
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
