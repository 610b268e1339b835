import assert from 'node:assert/strict'
import { createPublicKey, type KeyObject } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { exportJWK, importJWK, jwtVerify, SignJWT } from 'jose'
import * as z from 'zod'
import type { JsonObject } from '../base/canonical-json.ts'
import { signJws, verifyJws } from './jws.ts'
import { generateSigningKey } from './signing-key.ts'

const VECTORS = new URL('../../vectors/jws/', import.meta.url)

const vector = z.strictObject({
  about: z.string(),
  keys: z.record(z.string(), z.record(z.string(), z.string())),
  typ: z.string(),
  token: z.string(),
  want: z.string(),
})

for (const file of readdirSync(VECTORS).filter((name) => name.endsWith('.json'))) {
  test(`vector ${file}`, () => {
    const { keys, typ, token, want } = vector.parse(
      JSON.parse(readFileSync(new URL(file, VECTORS), 'utf8')),
    )
    const find = (kid: string): KeyObject | undefined => {
      const key = Object.hasOwn(keys, kid) ? keys[kid] : undefined
      return key && createPublicKey({ key, format: 'jwk' })
    }
    const verified = verifyJws(token, find, { typ })
    assert.equal(verified.ok ? 'accepted' : verified.error.reason, want)
  })
}

const key = generateSigningKey('issuer', 0)
const find = (kid: string): KeyObject | undefined => (kid === key.kid ? key.publicKey : undefined)

test('what was signed is what verifies, for any claims', () => {
  const claims = fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue())
  fc.assert(
    fc.property(claims, (made) => {
      const payload = JSON.parse(JSON.stringify(made)) as JsonObject
      const verified = verifyJws(signJws(key, { typ: 'x' }, payload), find, { typ: 'x' })
      const header = { alg: 'ES256', kid: key.kid, typ: 'x' }
      assert.deepEqual(verified, { ok: true, value: { header, payload, kid: key.kid } })
    }),
    { numRuns: 50 },
  )
})

test('a token with any one byte changed is refused', () => {
  const token = signJws(key, { typ: 'x' }, { sub: 'per_1', list: [1, 'a'] })
  fc.assert(
    fc.property(fc.nat(token.length - 1), fc.integer({ min: 1, max: 127 }), (at, by) => {
      const changed = String.fromCodePoint((token.charCodeAt(at) + by) % 128)
      const other = token.slice(0, at) + changed + token.slice(at + 1)
      assert.equal(verifyJws(other, find, { typ: 'x' }).ok, false)
    }),
    { numRuns: 300 },
  )
})

test('jose verifies our tokens, and we verify those of jose', async () => {
  const token = signJws(key, { typ: 'at+jwt' }, { sub: 'per_1', aud: 'a' })
  const publicKey = await importJWK(await exportJWK(key.publicKey), 'ES256')
  const { payload, protectedHeader } = await jwtVerify(token, publicKey, { typ: 'at+jwt' })
  assert.deepEqual(payload, { sub: 'per_1', aud: 'a' })
  assert.deepEqual(protectedHeader, { alg: 'ES256', kid: key.kid, typ: 'at+jwt' })

  const theirs = await new SignJWT({ sub: 'per_2' })
    .setProtectedHeader({ alg: 'ES256', kid: key.kid, typ: 'at+jwt' })
    .sign(key.privateKey)
  assert.equal(verifyJws(theirs, find, { typ: 'at+jwt' }).ok, true)
})

test('a token without a type is accepted only where the caller says so', async () => {
  const untyped = await new SignJWT({ sub: 'per_2' })
    .setProtectedHeader({ alg: 'ES256', kid: key.kid })
    .sign(key.privateKey)
  assert.equal(verifyJws(untyped, find, { typ: ['JWT', undefined] }).ok, true)
  assert.equal(verifyJws(untyped, find, { typ: ['JWT'] }).ok, false)
})

test('a key that is not ES256 signs no token', () => {
  const log = generateSigningKey('log', 0)
  assert.throws(() => signJws(log, { typ: 'x' }, {}), /expected an ES256 key, got `EdDSA`/)
})
