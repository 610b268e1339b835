/** Leaves and chains that are not as ours are, made by the general library. */

import assert from 'node:assert/strict'
import { generateKeyPairSync, type KeyObject, webcrypto } from 'node:crypto'
import { test } from 'node:test'
import { must } from '../base/result.ts'
import { signingAuthority } from './authority.ts'
import { issueX509Svid } from './issue-svid.ts'
import { x509 } from './testing-x509.ts'
import { openTestAgent, testAgent, type TestAgent, type TestIdentity } from './testing.ts'
import { verifyX509Svid } from './verify-svid.ts'

test('accepts the X.509-SVID of an active agent', async (t) => {
  const { env, agent } = await openTestAgent(t)
  const { svid, expiresAt } = must(await issueX509Svid(agent, env))
  assert.deepEqual(await verifyX509Svid([svid], env), {
    ok: true,
    value: { spiffeId: agent.spiffeId, agentId: agent.id, expiresAt },
  })
})

const CURVE = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }

type Extension = InstanceType<typeof x509.Extension>

/** What a leaf has, by name, so that a case can replace or drop one. */
async function leafExtensions({ env, agent }: TestAgent): Promise<Record<string, Extension>> {
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
async function leaf(world: TestAgent, change: LeafChange): Promise<Buffer> {
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
  const world = await openTestAgent(t)
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
  const world = await openTestAgent(t)
  for (const [name, change, reason] of REFUSED_LEAVES) {
    await t.test(name, async () => {
      const verified = await verifyX509Svid([await leaf(world, change)], world.env)
      assert.deepEqual(verified, { ok: false, error: { reason } })
    })
  }
})

test('refuses a leaf with two SPIFFE IDs, both of them good', async (t) => {
  const world = await openTestAgent(t)
  const { spiffeId } = await testAgent(world.env)
  const both = { names: names(world.agent.spiffeId, spiffeId) }
  assert.deepEqual(await verifyX509Svid([await leaf(world, { extensions: both })], world.env), {
    ok: false,
    error: { reason: 'bad_spiffe_id' },
  })
})

test('refuses chains that are none of ours', async (t) => {
  const { env, agent } = await openTestAgent(t)
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
