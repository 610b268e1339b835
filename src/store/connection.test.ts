import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { TLSSocket } from 'node:tls'
import { Client } from 'pg'
import { connectionSettings } from './connection.ts'

for (const [url, want] of [
  [
    'postgresql://u:p%40ss@127.0.0.1/db',
    { host: '127.0.0.1', port: 5432, user: 'u', password: 'p@ss', ssl: false },
  ],
  ['postgres://u@localhost:6000/db', { host: 'localhost', port: 6000, user: 'u', ssl: false }],
  ['postgres://u@[::1]/db', { host: '::1', port: 5432, user: 'u', ssl: false }],
  [
    'postgresql://u@%2Frun%2Fpostgres/db',
    { host: '/run/postgres', port: 5432, user: 'u', ssl: false },
  ],
  [
    'postgresql://u@ignored/db?host=/run/pg',
    { host: '/run/pg', port: 5432, user: 'u', ssl: false },
  ],
  [
    'postgresql://u@10.0.0.1/db',
    { host: '10.0.0.1', port: 5432, user: 'u', ssl: verified('10.0.0.1') },
  ],
  [
    'postgresql://u@db.example/db?sslmode=verify-full',
    { host: 'db.example', port: 5432, user: 'u', ssl: verified('db.example') },
  ],
  [
    'postgresql://u@localhost/db?sslmode=verify-full',
    { host: 'localhost', port: 5432, user: 'u', ssl: verified('localhost') },
  ],
] as const) {
  test(`understands ${url}`, () => {
    const { host, port, user, password, ssl } = connectionSettings(url)
    assert.deepEqual(
      { host, port, user, ...(password === undefined ? {} : { password }), ssl },
      want,
    )
  })
}

function verified(host: string): object {
  return { host, rejectUnauthorized: true, minVersion: 'TLSv1.2' }
}

for (const [url, message] of [
  ['mysql://u@localhost/db', /starts with `postgresql:\/\/`/],
  ['', /starts with `postgresql:\/\/`/],
  ['postgresql://u@localhost', /a host and a database name/],
  ['postgresql:///db', /a host and a database name/],
  ['postgresql://u@db.example/db?sslmode=disable', /expected verified TLS to `db.example`/],
  ['postgresql://u@127.evil.example/db?sslmode=disable', /expected verified TLS/],
  ['postgresql://u@db.example/db?sslmode=require', /sslmode/],
  ['postgresql://u@db.example/db?sslmode=no-verify', /sslmode/],
  ['postgresql://u@db.example/db?ssl=0', /Unrecognized key/],
  ['postgresql://u@db.example/db?sslmode=verify-full&sslmode=disable', /expected verified TLS/],
  ['postgresql://u@db.example/db?host=localhost', /host/],
] as const) {
  test(`refuses ${url}`, () => {
    assert.throws(() => connectionSettings(url), message)
  })
}

test('never repeats a password in a refusal', () => {
  assert.throws(
    () => connectionSettings('postgresql://u:hunter2@db.example/db?sslmode=disable'),
    (error: Error) => !error.message.includes('hunter2'),
  )
})

for (const [name, host, want] of [
  ['a certificate of the configured authority', 'localhost', undefined],
  ['a certificate for another name', '127.0.0.1', 'ERR_TLS_CERT_ALTNAME_INVALID'],
  ['a certificate of an unknown authority', 'localhost', 'DEPTH_ZERO_SELF_SIGNED_CERT'],
] as const) {
  test(`over TLS, meets ${name}`, async (t) => {
    const port = await listenWithTls(t)
    const folder = await mkdtemp(join(tmpdir(), 'behalf-tls-'))
    t.after(async () => await rm(folder, { recursive: true }))
    await writeFile(join(folder, 'ca.pem'), CERTIFICATE)
    const trusted = want === 'DEPTH_ZERO_SELF_SIGNED_CERT' ? '' : `&sslrootcert=${folder}/ca.pem`
    const client = new Client(
      connectionSettings(`postgresql://u@${host}:${port}/db?sslmode=verify-full${trusted}`),
    )
    // The server ends the conversation after the handshake: how it got there tells what was checked.
    await assert.rejects(client.connect(), (error: NodeJS.ErrnoException) => {
      assert.equal(error.code, want)
      return true
    })
  })
}

/** As much of Postgres as comes before the start-up message: it answers SSLRequest with `S`. */
async function listenWithTls(t: TestContext): Promise<number> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', () => {
      socket.write('S')
      const secure = new TLSSocket(socket, { isServer: true, cert: CERTIFICATE, key: KEY })
      secure.on('error', () => undefined)
      secure.once('data', () => secure.end())
    })
  }).listen(0, 'localhost')
  await once(server, 'listening')
  t.after(() => server.close())
  return (server.address() as AddressInfo).port
}

/** Self-signed for `localhost` until 2126; it protects nothing. */
const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBlDCCATugAwIBAgIUeRKIwg0RGZcfkl7qfV672rhcOTMwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMTAxNTkxNloYDzIxMjYxMDI4
MDE1OTE2WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAQAh/06a3I4WZcTxcAMVNs/rPDJtg/hdYGnZqNJTGvs0AV2kPqwLAau
4X3Kd/+cr2bPsxRarp5cc9kuXMNi5v8zo2kwZzAdBgNVHQ4EFgQUjXUMu1P7AFXL
Vw65EOPoowCH24UwHwYDVR0jBBgwFoAUjXUMu1P7AFXLVw65EOPoowCH24UwDwYD
VR0TAQH/BAUwAwEB/zAUBgNVHREEDTALgglsb2NhbGhvc3QwCgYIKoZIzj0EAwID
RwAwRAIgClcygFAe1iDZBBcPmp2S5f6SR8v4qPL4JgrB+TefQmkCIETuPtig03w2
LPNoB26hpqVrwPcuXU36jMWPXRUahb7X
-----END CERTIFICATE-----
`
const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgiMzAIaym0QnIBd0p
BT250dhpvcWx8aDMYDOyTbXATSGhRANCAAQAh/06a3I4WZcTxcAMVNs/rPDJtg/h
dYGnZqNJTGvs0AV2kPqwLAau4X3Kd/+cr2bPsxRarp5cc9kuXMNi5v8z
-----END PRIVATE KEY-----
`
