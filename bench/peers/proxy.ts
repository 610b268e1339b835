/**
 * A proxy in front of an MCP server: `proxy.ts <upstream> [<database>]`.
 *
 * Without a database it passes bodies on and nothing else: the bare proxy. With one it is the gateway's
 * floor: it verifies the one ES256 signature of the request's DPoP proof, and makes two durable inserts,
 * one before the call and one after it. It checks no claim, decides nothing and keeps no order.
 */

import { createPublicKey, type KeyObject, verify } from 'node:crypto'
import { Agent, request as httpRequest } from 'node:http'
import { Pool } from 'pg'
import { connectionSettings } from '../../src/store/connection.ts'
import { serveJson } from './serve.ts'

type Jwk = Readonly<Record<'kty' | 'crv' | 'x' | 'y', string>>

const [upstream = '', database] = process.argv.slice(2)
const agent = new Agent({ keepAlive: true, maxSockets: 256 })
const pool =
  database === undefined ? undefined : new Pool({ ...connectionSettings(database), max: 16 })
await pool?.query(
  'create table if not exists bench_floor (id bigint generated always as identity primary key, bytes bytea not null)',
)

serveJson(async (body, request) => {
  if (pool === undefined) return (await forward(body)).toString('utf8')
  if (!holds(String(request.headers['dpop']))) throw new Error('expected a proof that verifies')
  await insert(pool, body)
  const answer = await forward(body)
  await insert(pool, answer)
  return answer.toString('utf8')
})

async function insert(into: Pool, bytes: Buffer): Promise<void> {
  await into.query({
    name: 'insert',
    text: 'insert into bench_floor (bytes) values ($1)',
    values: [bytes],
  })
}

const keys = new Map<string, KeyObject>()

function holds(proof: string): boolean {
  const [header = '', payload = '', signature = ''] = proof.split('.')
  let key = keys.get(header)
  if (key === undefined) {
    const { jwk } = JSON.parse(Buffer.from(header, 'base64url').toString()) as { jwk: Jwk }
    key = createPublicKey({ key: jwk, format: 'jwk' })
    keys.set(header, key)
  }
  return verify(
    'sha256',
    Buffer.from(`${header}.${payload}`),
    { key, dsaEncoding: 'ieee-p1363' },
    Buffer.from(signature, 'base64url'),
  )
}

function forward(body: Buffer): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
  const headers = { 'content-type': 'application/json', 'content-length': body.length }
  const outgoing = httpRequest(upstream, { method: 'POST', agent, headers }, (response) => {
    const chunks: Buffer[] = []
    response.on('data', (chunk: Buffer) => chunks.push(chunk))
    response.on('end', () => resolve(Buffer.concat(chunks)))
    response.on('error', reject)
  })
  outgoing.on('error', reject)
  outgoing.end(body)
  return promise
}
