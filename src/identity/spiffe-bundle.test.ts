import assert from 'node:assert/strict'
import { createPublicKey, X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import { must } from '../base/result.ts'
import { issueX509Svid } from './issue-svid.ts'
import { jwtBundle, spiffeBundle, x509Bundle } from './spiffe-bundle.ts'
import { openTestIdentity, testAgent } from './testing.ts'

test('the bundle holds the keys of today and of tomorrow, as SPIFFE spells them', async (t) => {
  const env = await openTestIdentity(t)
  const bundle = await spiffeBundle(env)

  assert.deepEqual([bundle.spiffe_sequence, bundle.spiffe_refresh_hint], [1, 60])
  assert.deepEqual(
    bundle.keys.map((key) => [key['use'], Object.keys(key)]),
    [
      ['x509-svid', ['use', 'kty', 'crv', 'x', 'y', 'x5c']],
      ['x509-svid', ['use', 'kty', 'crv', 'x', 'y', 'x5c']],
      ['jwt-svid', ['use', 'kid', 'kty', 'crv', 'x', 'y']],
      ['jwt-svid', ['use', 'kid', 'kty', 'crv', 'x', 'y']],
    ],
  )
  for (const key of bundle.keys.filter(({ use }) => use === 'x509-svid')) {
    const [der = '', ...more] = key['x5c'] as string[]
    assert.deepEqual(more, [])
    const certificate = new X509Certificate(Buffer.from(der, 'base64'))
    assert.equal(certificate.subjectAltName, 'URI:spiffe://acme.example')
    const { x5c: _, use: __, ...jwk } = key
    assert.ok(certificate.publicKey.equals(createPublicKey({ key: jwk, format: 'jwk' })))
  }
  assert.deepEqual(jwtBundle(env).keys, bundle.keys.slice(2))
  assert.deepEqual(
    await x509Bundle(env),
    Buffer.concat(
      bundle.keys.slice(0, 2).map(({ x5c }) => Buffer.from((x5c as string[])[0] ?? '', 'base64')),
    ),
  )
})

test('the sequence number grows exactly when the keys are others', async (t) => {
  const env = await openTestIdentity(t)
  const sequence = async (): Promise<number> => (await spiffeBundle(env)).spiffe_sequence
  assert.deepEqual([await sequence(), await sequence()], [1, 1])
  await env.keyring.rotate('svid_jwt')
  assert.deepEqual([await sequence(), await sequence()], [2, 2])
  await env.keyring.rotate('issuer')
  assert.equal(await sequence(), 2)
  // The retired key goes when what it signed has expired: five minutes, and one for those who are late.
  await env.clock.advance(360_000)
  assert.deepEqual([await sequence(), await sequence()], [3, 3])
})

test('a root is in the bundle before it signs', async (t) => {
  const env = await openTestIdentity(t)
  const { keys } = await spiffeBundle(env)
  await env.keyring.rotate('svid_ca')
  await env.clock.advance(300_000)
  const svid = must(await issueX509Svid(await testAgent(env), env))
  const leaf = new X509Certificate(svid.svid)
  const signed = keys.map(({ x5c }) => {
    const [der] = (x5c ?? []) as string[]
    return der !== undefined && leaf.checkIssued(new X509Certificate(Buffer.from(der, 'base64')))
  })
  assert.deepEqual(signed, [false, true, false, false])
})
