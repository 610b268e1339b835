import assert from 'node:assert/strict'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { status } from '@grpc/grpc-js'
import { sql } from 'kysely'
import { testActor } from '../audit/testing.ts'
import { must } from '../base/result.ts'
import type { Agent } from './agent.ts'
import { endAgent, resumeAgent, suspendAgent } from './agent-state.ts'
import { issueJwtSvid } from './issue-svid.ts'
import {
  openTestIdentity,
  testAgent,
  type TestIdentity,
  workloadClient,
  type WorkloadClient,
} from './testing.ts'
import { verifyJwtSvid, verifyX509Svid } from './verify-svid.ts'
import { serveWorkloadApi, type WorkloadApi } from './workload-api.ts'

const OURS = `unix:uid:${userInfo().uid}`
const DENIED = [status.PERMISSION_DENIED, 'no identity issued'] as const
const NO_HEADER = [
  status.INVALID_ARGUMENT,
  'expected the metadata `workload.spiffe.io: true`',
] as const

interface World {
  readonly env: TestIdentity
  readonly agent: Agent
  readonly api: WorkloadApi
  readonly client: WorkloadClient
}

function folder(t: TestContext): string {
  const made = mkdtempSync(join(tmpdir(), 'behalf-workload-'))
  t.after(() => rmSync(made, { recursive: true, force: true }))
  return made
}

async function open(t: TestContext, selectors: readonly string[] = [OURS]): Promise<World> {
  const env = await openTestIdentity(t)
  const agent = await testAgent(env, { selectors })
  const api = await serveWorkloadApi({ folder: folder(t), agentId: agent.id }, env)
  const client = workloadClient(api.path)
  t.after(async () => {
    client.close()
    await api.close()
  })
  return { env, agent, api, client }
}

/** What a call ended with. */
async function ending(call: Promise<unknown>): Promise<readonly [status, string]> {
  try {
    await call
  } catch (error) {
    const { code, details } = error as { code: status; details: string }
    return [code, details]
  }
  return assert.fail('expected a refusal')
}

/** Each method, asked once. */
function everything(client: WorkloadClient): Record<string, () => Promise<unknown>> {
  return {
    FetchX509SVID: () => client.fetchX509Svid().next(),
    FetchX509Bundles: () => client.fetchX509Bundles().next(),
    FetchJWTBundles: () => client.fetchJwtBundles().next(),
    FetchJWTSVID: () => client.fetchJwtSvid({ audience: ['a'] }),
    ValidateJWTSVID: () => client.validateJwtSvid({ audience: 'a', svid: 'x' }),
  }
}

function kids(bundle: Buffer | undefined): string[] {
  const { keys } = JSON.parse(String(bundle)) as { keys: { kid: string }[] }
  return keys.map(({ kid }) => kid)
}

async function issuedCount(env: TestIdentity): Promise<number> {
  const { rows } = await sql<{ issued: number }>`
    select count(*)::int as issued from log_entry where kind = 'svid_issued'`.execute(env.store.db)
  return rows[0]?.issued ?? -1
}

test('FetchX509SVID answers at once, with all that TLS needs', async (t) => {
  const { env, agent, client } = await open(t)
  const { svids, crl, federatedBundles } = await client.fetchX509Svid().next()
  assert.deepEqual([crl, federatedBundles, svids.length], [[], {}, 1])
  const [svid] = svids
  assert.ok(svid)
  assert.deepEqual([svid.spiffeId, svid.hint], [agent.spiffeId, ''])
  const leaf = new X509Certificate(svid.x509Svid)
  const key = createPrivateKey({ key: svid.x509SvidKey, format: 'der', type: 'pkcs8' })
  assert.ok(leaf.checkPrivateKey(key))
  assert.ok(leaf.checkIssued(new X509Certificate(svid.bundle)))
  assert.equal(must(await verifyX509Svid([svid.x509Svid], env)).agentId, agent.id)
})

test('FetchX509SVID renews at half-life, and not before', async (t) => {
  const { env, client } = await open(t)
  const stream = client.fetchX509Svid()
  const first = await stream.next()
  const renewed = stream.next()
  await env.clock.advance(1_799_000)
  assert.deepEqual((await client.fetchX509Svid().next()).svids, first.svids)
  await env.clock.advance(1_000)
  const [old, young] = [first.svids[0], (await renewed).svids[0]]
  assert.ok(old && young)
  assert.notDeepEqual(young.x509Svid, old.x509Svid)
  assert.notDeepEqual(young.x509SvidKey, old.x509SvidKey)
  assert.deepEqual(young.bundle, old.bundle)
})

test('a client that reconnects in a loop fills no log', async (t) => {
  const { env, api } = await open(t)
  for (let n = 0; n < 5; n++) {
    const client = workloadClient(api.path)
    await client.fetchX509Svid().next()
    client.close()
  }
  const client = workloadClient(api.path)
  await Promise.all([1, 2, 3].map(async () => await client.fetchX509Svid().next()))
  client.close()
  assert.equal(await issuedCount(env), 1)
})

test('streams tell a new bundle, complete, and nothing while nothing changed', async (t) => {
  const { env, api, client } = await open(t)
  const streams = {
    svid: client.fetchX509Svid(),
    roots: client.fetchX509Bundles(),
    keys: client.fetchJwtBundles(),
  }
  const before = {
    svid: await streams.svid.next(),
    roots: await streams.roots.next(),
    keys: await streams.keys.next(),
  }
  assert.deepEqual(Object.keys(before.roots.bundles), ['spiffe://acme.example'])
  assert.deepEqual(Object.keys(before.keys.bundles), ['spiffe://acme.example'])
  api.refresh()
  api.refresh()

  await env.keyring.rotate('svid_ca')
  await env.keyring.rotate('svid_jwt')
  api.refresh()
  const after = {
    svid: await streams.svid.next(),
    roots: await streams.roots.next(),
    keys: await streams.keys.next(),
  }
  const root = 'spiffe://acme.example'
  const [oldRoots, newRoots] = [before.roots.bundles[root], after.roots.bundles[root]]
  assert.ok(oldRoots && newRoots)
  assert.ok(newRoots.includes(oldRoots) && newRoots.length > oldRoots.length)
  assert.deepEqual(after.svid.svids[0]?.bundle, newRoots)
  assert.equal(kids(before.keys.bundles[root]).length, 2)
  assert.equal(kids(after.keys.bundles[root]).length, 3)
})

test('FetchJWTSVID issues for the audience, under the one identity', async (t) => {
  const { env, agent, client } = await open(t)
  for (const spiffeId of ['', agent.spiffeId]) {
    const { svids } = await client.fetchJwtSvid({ audience: ['https://behalf.example'], spiffeId })
    assert.deepEqual(
      svids.map((svid) => [svid.spiffeId, svid.hint]),
      [[agent.spiffeId, '']],
    )
    must(await verifyJwtSvid(svids[0]?.svid ?? '', 'https://behalf.example', env))
  }
  const other = { audience: ['a'], spiffeId: 'spiffe://acme.example/agent/other/0b1f' }
  assert.deepEqual(await ending(client.fetchJwtSvid(other)), DENIED)
  for (const audience of [[], [''], Array.from({ length: 11 }, String)]) {
    assert.deepEqual(await ending(client.fetchJwtSvid({ audience })), [
      status.INVALID_ARGUMENT,
      'expected one to ten audiences of at most 500 characters',
    ])
  }
})

test('FetchJWTSVID sheds what a workload gone wild asks for, and recovers', async (t) => {
  const { env, client } = await open(t)
  for (let n = 0; n < 100; n++) await client.fetchJwtSvid({ audience: ['a'] })
  assert.deepEqual(await ending(client.fetchJwtSvid({ audience: ['a'] })), [
    status.UNAVAILABLE,
    'too many requests, retry later',
  ])
  assert.equal(await issuedCount(env), 100)
  await env.clock.advance(100)
  await client.fetchJwtSvid({ audience: ['a'] })
})

test('ValidateJWTSVID tells whose token it is, and what it claims', async (t) => {
  const { env, client } = await open(t)
  const other = await testAgent(env)
  const svid = must(await issueJwtSvid(other, ['a', 'b'], env))
  const valid = await client.validateJwtSvid({ audience: 'b', svid })
  assert.equal(valid.spiffeId, other.spiffeId)
  const { sub, aud, exp } = valid.claims.fields as Record<
    string,
    { stringValue?: string; numberValue?: number; listValue?: { values: object[] } }
  >
  assert.equal(sub?.stringValue, other.spiffeId)
  assert.equal(exp?.numberValue, env.clock.nowMilliseconds() / 1000 + 300)
  assert.equal(aud?.listValue?.values.length, 2)

  for (const [audience, token] of [
    ['c', svid],
    ['', svid],
    ['b', ''],
    ['b', `${svid}x`],
    ['b', 'a.b.c'],
  ] as const) {
    assert.deepEqual(await ending(client.validateJwtSvid({ audience, svid: token })), [
      status.INVALID_ARGUMENT,
      'expected a jwt-svid that is valid for the audience',
    ])
  }
})

test('every method demands the security header, exactly', async (t) => {
  const { api, env } = await open(t)
  for (const header of [
    {},
    { 'workload.spiffe.io': 'True' },
    { 'workload.spiffe.io': 'false' },
    { 'workload.spiffe.io': 'true, true' },
    { 'x-workload.spiffe.io': 'true' },
  ]) {
    const client = workloadClient(api.path, header)
    for (const [method, call] of Object.entries(everything(client))) {
      assert.deepEqual(await ending(call()), NO_HEADER, `${method} ${JSON.stringify(header)}`)
    }
    client.close()
  }
  assert.equal(await issuedCount(env), 0)
})

for (const [name, selectors] of [
  ['of another uid', [`unix:uid:${userInfo().uid + 1}`]],
  ['of the uid, but another executable', [OURS, 'unix:path:/usr/bin/true']],
  ['for whom nothing was said', []],
] as const) {
  test(`every method refuses a process ${name}`, async (t) => {
    const { env, client } = await open(t, selectors)
    for (const [method, call] of Object.entries(everything(client))) {
      assert.deepEqual(await ending(call()), DENIED, method)
    }
    assert.equal(await issuedCount(env), 0)
  })
}

test('a suspended agent loses its streams and every call, and gets a new SVID when resumed', async (t) => {
  const { env, agent, api, client } = await open(t)
  const streams = {
    svid: client.fetchX509Svid(),
    roots: client.fetchX509Bundles(),
    keys: client.fetchJwtBundles(),
  }
  const before = await streams.svid.next()
  await Promise.all([streams.roots.next(), streams.keys.next()])

  must(await suspendAgent({ agent: agent.id, reason: 'test' }, testActor, env))
  api.refresh()
  for (const stream of Object.values(streams)) assert.deepEqual(await ending(stream.next()), DENIED)
  for (const call of Object.values(everything(client)))
    assert.deepEqual(await ending(call()), DENIED)

  must(await resumeAgent({ agent: agent.id }, testActor, env))
  const after = await client.fetchX509Svid().next()
  assert.notDeepEqual(after.svids[0]?.x509SvidKey, before.svids[0]?.x509SvidKey)

  must(await endAgent({ agent: agent.id }, testActor, env))
  for (const call of Object.values(everything(client)))
    assert.deepEqual(await ending(call()), DENIED)
})

test('a stream that nobody told notices by itself', async (t) => {
  const { env, agent, client } = await open(t)
  const stream = client.fetchX509Bundles()
  await stream.next()
  must(await suspendAgent({ agent: agent.id, reason: 'test' }, testActor, env))
  const end = ending(stream.next())
  await env.clock.advance(300_000)
  assert.deepEqual(await end, DENIED)
})

test('each agent has a socket and an identity of its own', async (t) => {
  const { env, agent, api, client } = await open(t)
  const sibling = await testAgent(env, { selectors: [OURS], parent: agent.id })
  const its = await serveWorkloadApi({ folder: join(api.path, '..'), agentId: sibling.id }, env)
  const other = workloadClient(its.path)
  const ids = await Promise.all(
    [client, other].map(async (one) => (await one.fetchX509Svid().next()).svids[0]?.spiffeId),
  )
  assert.deepEqual(ids, [agent.spiffeId, sibling.spiffeId])
  other.close()
  await its.close()
  await client.fetchJwtSvid({ audience: ['a'] })
})

test('without the database nothing is issued, and it says so', async (t) => {
  const { env, client } = await open(t)
  await env.store.close()
  const UNAVAILABLE = [status.UNAVAILABLE, 'unavailable, retry later']
  for (const call of Object.values(everything(client))) {
    assert.deepEqual(await ending(call()), UNAVAILABLE)
  }
})

test('hostile bytes disturb nobody else', async (t) => {
  const { api, client } = await open(t)
  for (const bytes of [
    'GET / HTTP/1.1\r\n\r\n',
    '\0'.repeat(10_000),
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff',
  ]) {
    const socket = connect(api.path)
    socket.on('error', () => undefined)
    socket.write(Buffer.from(bytes, 'latin1'))
    await new Promise((resolve) => socket.once('connect', resolve))
    socket.destroy()
  }
  const [code] = await ending(client.fetchJwtSvid({ audience: ['a'.repeat(100_000)] }))
  assert.equal(code, status.RESOURCE_EXHAUSTED)
  await client.fetchJwtSvid({ audience: ['a'] })
})

test('closing ends streams and removes the socket', async (t) => {
  const { api, client } = await open(t)
  const stream = client.fetchX509Svid()
  await stream.next()
  await api.close()
  const [code] = await ending(stream.next())
  assert.equal(code, status.UNAVAILABLE)
  assert.equal(existsSync(api.path), false)
})

test('an agent that does not exist is not served', async (t) => {
  const env = await openTestIdentity(t)
  const agentId = 'agt_00000000-0000-4000-8000-000000000000'
  await assert.rejects(serveWorkloadApi({ folder: folder(t), agentId }, env), {
    message: `expected an agent \`${agentId}\`, got none`,
  })
})
