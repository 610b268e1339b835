import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { calculateJwkThumbprint, exportJWK, generateKeyPair, SignJWT } from 'jose'
import * as z from 'zod'
import { FakeClock } from '../base/clock.ts'
import { type ProofEnv, type ProofExpectation, verifyDpopProof } from './dpop.ts'
import { Recent } from './recent.ts'
import { SeenProofs } from './seen-proofs.ts'

const VECTORS = new URL('../../vectors/dpop/', import.meta.url)
const NOW = 1_767_225_600

const vector = z.strictObject({
  about: z.string(),
  now: z.int(),
  expect: z.strictObject({
    htm: z.string(),
    htu: z.string(),
    ath: z.string().exactOptional(),
    jkt: z.string().exactOptional(),
  }),
  proof: z.string(),
  want: z.union([z.string(), z.strictObject({ jkt: z.string() })]),
})

for (const file of readdirSync(VECTORS).filter((name) => name.endsWith('.json'))) {
  test(`vector ${file}`, async () => {
    const { now, expect, proof, want } = vector.parse(
      JSON.parse(readFileSync(new URL(file, VECTORS), 'utf8')),
    )
    const env = proofEnv(new FakeClock(now * 1_000))
    const verified = await verifyDpopProof(proof, expect, env)
    assert.deepEqual(verified.ok ? verified.value : verified.error.reason, want)
    if (!verified.ok) return
    const again = await verifyDpopProof(proof, expect, env)
    assert.deepEqual(again, { ok: false, error: { reason: 'proof_replayed' } })
  })
}

const expect: ProofExpectation = { htm: 'GET', htu: 'https://issuer.example/mcp' }

test('we accept the proofs of jose, once, and say their thumbprint', async () => {
  const env = proofEnv(new FakeClock(NOW * 1_000))
  const { proof, jkt } = await joseProof({ jti: 'one' })
  assert.deepEqual(await verifyDpopProof(proof, expect, env), { ok: true, value: { jkt } })
  assert.deepEqual(await verifyDpopProof(proof, expect, env), {
    ok: false,
    error: { reason: 'proof_replayed' },
  })
})

test('a proof is refused as long as its time would let it pass', async () => {
  const clock = new FakeClock((NOW - 60) * 1_000)
  const env = proofEnv(clock)
  const { proof } = await joseProof({ jti: 'one' })
  assert.equal((await verifyDpopProof(proof, expect, env)).ok, true)
  for (const [seconds, want] of [
    [0, 'proof_replayed'],
    [119, 'proof_replayed'],
    [1, 'proof_replayed'],
    [1, 'proof_stale'],
  ] as const) {
    await clock.advance(seconds * 1_000)
    const again = await verifyDpopProof(proof, expect, env)
    assert.equal(again.ok ? 'accepted' : again.error.reason, want)
  }
})

test('of many that use one proof at once, one passes', async () => {
  const env = proofEnv(new FakeClock(NOW * 1_000))
  const { proof } = await joseProof({ jti: 'one' })
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => verifyDpopProof(proof, expect, env)),
  )
  assert.equal(answers.filter((answer) => answer.ok).length, 1)
})

test('proofs that fail leave no trace in the memory', async () => {
  const env = proofEnv(
    new FakeClock(NOW * 1_000),
    new SeenProofs({ clock: new FakeClock() }, { capacity: 1 }),
  )
  for (let i = 0; i < 3; i++) {
    const { proof } = await joseProof({ jti: `bad-${i}`, htm: 'PUT' })
    assert.equal((await verifyDpopProof(proof, expect, env)).ok, false)
  }
  const { proof } = await joseProof({ jti: 'good' })
  assert.equal((await verifyDpopProof(proof, expect, env)).ok, true)
})

function proofEnv(clock: FakeClock, seenProofs = new SeenProofs({ clock })): ProofEnv {
  return { clock, seenProofs, proofKeys: new Recent(10) }
}

async function joseProof(claims: Record<string, string>): Promise<{ proof: string; jkt: string }> {
  const { publicKey, privateKey } = await generateKeyPair('ES256')
  const jwk = await exportJWK(publicKey)
  const proof = await new SignJWT({ htm: expect.htm, htu: expect.htu, ...claims })
    .setProtectedHeader({ typ: 'dpop+jwt', alg: 'ES256', jwk })
    .setIssuedAt(NOW)
    .sign(privateKey)
  return { proof, jkt: await calculateJwkThumbprint(jwk) }
}
