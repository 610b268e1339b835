/**
 * The floor of the token exchange: `token-endpoint.ts <database>`.
 *
 * node:http and node:crypto doing the cryptography that the protocol asks for (the client's assertion, the
 * subject token and the DPoP proof are verified, an access token is signed) and one durable insert. It
 * checks no claim and reads nothing.
 */

import { createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto'
import { Pool } from 'pg'
import { connectionSettings } from '../../src/store/connection.ts'
import { serveJson } from './serve.ts'

type Jwk = Readonly<Record<'kty' | 'crv' | 'x' | 'y', string>>

const [database = '', ...published] = process.argv.slice(2)
const pool = new Pool({ ...connectionSettings(database), max: 16 })
await pool.query(
  'create table if not exists bench_floor (id bigint generated always as identity primary key, bytes bytea not null)',
)
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const issuerKeys = new Map(
  published
    .map((text) => JSON.parse(text) as Jwk & { kid: string })
    .map((jwk) => [jwk.kid, createPublicKey({ key: jwk, format: 'jwk' })]),
)
const proofKeys = new Map<string, KeyObject>()

interface Header {
  readonly kid: string
  readonly jwk: Jwk
}

serveJson(async (body, request) => {
  const form = new URLSearchParams(body.toString('utf8'))
  opened(form.get('client_assertion') ?? '', ({ kid }) => issuerKeys.get(kid))
  const delegation = opened(form.get('subject_token') ?? '', ({ kid }) => issuerKeys.get(kid))
  const proof = String(request.headers['dpop'])
  opened(proof, ({ jwk }) => proofKey(proof, jwk))
  const now = Math.floor(Date.now() / 1_000)
  const claims = { ...delegation, aud: form.get('resource'), iat: now, exp: now + 300 }
  const payload = Buffer.from(JSON.stringify(claims))
  const signed = `${Buffer.from('{"alg":"ES256","typ":"at+jwt"}').toString('base64url')}.${payload.toString('base64url')}`
  const signature = sign('sha256', Buffer.from(signed), {
    key: privateKey,
    dsaEncoding: 'ieee-p1363',
  })
  await pool.query({
    name: 'insert',
    text: 'insert into bench_floor (bytes) values ($1)',
    values: [Buffer.from(JSON.stringify({ iss: 'floor', iat: now, grant: delegation['jti'] }))],
  })
  return JSON.stringify({
    access_token: `${signed}.${signature.toString('base64url')}`,
    token_type: 'DPoP',
    expires_in: 300,
  })
})

function opened(
  token: string,
  find: (header: Header) => KeyObject | undefined,
): Record<string, unknown> {
  const [header = '', payload = '', signature = ''] = token.split('.')
  const key = find(JSON.parse(Buffer.from(header, 'base64url').toString()) as Header)
  const holds =
    key !== undefined &&
    verify(
      'sha256',
      Buffer.from(`${header}.${payload}`),
      { key, dsaEncoding: 'ieee-p1363' },
      Buffer.from(signature, 'base64url'),
    )
  if (!holds) throw new Error('expected a token that verifies')
  return JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>
}

function proofKey(proof: string, jwk: Jwk): KeyObject {
  const header = proof.slice(0, proof.indexOf('.'))
  const known = proofKeys.get(header) ?? createPublicKey({ key: jwk, format: 'jwk' })
  proofKeys.set(header, known)
  return known
}
