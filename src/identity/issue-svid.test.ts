import assert from 'node:assert/strict'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import { sql } from 'kysely'
import { decodeEntry, type Entry } from '../audit/entry.ts'
import { testActor } from '../audit/testing.ts'
import { must } from '../base/result.ts'
import type { Store, Tx } from '../store/store.ts'
import { resumeAgent, suspendAgent } from './agent-state.ts'
import { issueJwtSvid, issueX509Svid } from './issue-svid.ts'
import { openTestIdentity, testAgent } from './testing.ts'

async function issued(store: Store): Promise<Entry[]> {
  const { rows } = await sql<{ entry: Buffer }>`
    select entry from log_entry where kind = 'svid_issued' order by index`.execute(store.db)
  return rows.map(({ entry }) => decodeEntry(entry))
}

function part(token: string, at: 0 | 1): Record<string, unknown> {
  const text = Buffer.from(token.split('.')[at] ?? '', 'base64url').toString()
  return JSON.parse(text) as Record<string, unknown>
}

test('an X.509-SVID is a key, its certificate for an hour, and an entry', async (t) => {
  const env = await openTestIdentity(t)
  const agent = await testAgent(env)
  const svid = must(await issueX509Svid({ id: agent.id, attested: ['unix:uid:0'] }, env))

  const certificate = new X509Certificate(svid.svid)
  assert.ok(
    certificate.checkPrivateKey(createPrivateKey({ key: svid.key, format: 'der', type: 'pkcs8' })),
  )
  assert.equal(certificate.subjectAltName, `URI:${agent.spiffeId}`)
  assert.equal(svid.expiresAt, env.clock.nowMilliseconds() / 1000 + 3_600)
  assert.deepEqual(await issued(env.store), [
    {
      v: 1,
      kind: 'svid_issued',
      time: env.clock.nowMilliseconds(),
      by: { type: 'system', part: 'identity' },
      agent: agent.id,
      spiffeId: agent.spiffeId,
      type: 'x509',
      serial: certificate.serialNumber.toLowerCase(),
      expiresAt: svid.expiresAt,
      attested: ['unix:uid:0'],
    },
  ])
})

test('each X.509-SVID has a key of its own', async (t) => {
  const env = await openTestIdentity(t)
  const agent = await testAgent(env)
  const [one, two] = [must(await issueX509Svid(agent, env)), must(await issueX509Svid(agent, env))]
  assert.notDeepEqual(one.key, two.key)
  assert.notDeepEqual(one.svid, two.svid)
})

test('a JWT-SVID says who, for whom and until when, under a bare header', async (t) => {
  const env = await openTestIdentity(t)
  const agent = await testAgent(env)
  const token = must(await issueJwtSvid(agent, ['https://behalf.example'], env))
  const now = env.clock.nowMilliseconds() / 1000

  assert.deepEqual(part(token, 0), {
    alg: 'ES256',
    kid: env.keyring.active('svid_jwt').kid,
    typ: 'JWT',
  })
  const { jti, ...claims } = part(token, 1)
  assert.deepEqual(claims, {
    sub: agent.spiffeId,
    aud: ['https://behalf.example'],
    iat: now,
    exp: now + 300,
  })
  assert.deepEqual(await issued(env.store), [
    {
      v: 1,
      kind: 'svid_issued',
      time: now * 1000,
      by: { type: 'system', part: 'identity' },
      agent: agent.id,
      spiffeId: agent.spiffeId,
      type: 'jwt',
      serial: jti,
      audience: ['https://behalf.example'],
      expiresAt: now + 300,
      attested: [],
    },
  ])
})

test('refuses audiences', async (t) => {
  const env = await openTestIdentity(t)
  const agent = await testAgent(env)
  for (const audience of [
    [],
    ['a', ''],
    Array.from({ length: 11 }, (_, n) => `a${n}`),
    ['a'.repeat(501)],
    ['\ud800'],
  ]) {
    const token = await issueJwtSvid(agent, audience, env)
    assert.deepEqual(token, { ok: false, error: { reason: 'bad_audience' } })
  }
  assert.deepEqual(await issued(env.store), [])
})

test('only an active agent gets one', async (t) => {
  const env = await openTestIdentity(t)
  const agent = await testAgent(env)
  must(await suspendAgent({ agent: agent.id, reason: 'test' }, testActor, env))
  const refused = { ok: false, error: { reason: 'agent_not_active' } }
  assert.deepEqual(await issueX509Svid(agent, env), refused)
  assert.deepEqual(await issueJwtSvid(agent, ['a'], env), refused)
  const nobody = { id: 'agt_00000000-0000-4000-8000-000000000000' } as const
  assert.deepEqual(await issueX509Svid(nobody, env), {
    ok: false,
    error: { reason: 'unknown_agent' },
  })
  assert.deepEqual(await issued(env.store), [])

  must(await resumeAgent({ agent: agent.id }, testActor, env))
  must(await issueX509Svid(agent, env))
})

test('of issuing and suspending at once, no SVID is recorded after the suspension', async (t) => {
  const env = await openTestIdentity(t)
  const agent = await testAgent(env)
  await Promise.all([
    ...Array.from({ length: 6 }, async () => await issueJwtSvid(agent, ['a'], env)),
    suspendAgent({ agent: agent.id, reason: 'test' }, testActor, env),
    ...Array.from({ length: 6 }, async () => await issueX509Svid(agent, env)),
  ])
  const { rows } = await sql<{ kind: string }>`
    select kind from log_entry order by index`.execute(env.store.db)
  assert.equal(rows.at(-1)?.kind, 'agent_suspended')
})

test('what could not be recorded is not issued', async (t) => {
  const env = await openTestIdentity(t)
  const agent = await testAgent(env)
  await sql`alter table log_entry add constraint no_room check (index < 2)`.execute(env.store.db)
  await assert.rejects(issueX509Svid(agent, env))
  await assert.rejects(issueJwtSvid(agent, ['a'], env))
})

test('an SVID whose commit was lost is recorded, and nobody holds it', async (t) => {
  const env = await openTestIdentity(t)
  const agent = await testAgent(env)
  const store: Store = {
    ...env.store,
    transaction: async <T>(work: (tx: Tx) => Promise<T>): Promise<T> => {
      await env.store.transaction(work)
      throw new Error('connection lost after commit')
    },
  }
  await assert.rejects(issueJwtSvid(agent, ['a'], { ...env, store }), /lost after commit/)
  assert.equal((await issued(env.store)).length, 1)
})

test('replicas that issue at once agree on the root', async (t) => {
  const env = await openTestIdentity(t)
  const agent = await testAgent(env)
  const svids = await Promise.all([1, 2, 3].map(async () => must(await issueX509Svid(agent, env))))
  const root = new X509Certificate(env.keyring.active('svid_ca').certificate ?? Buffer.of())
  for (const { svid } of svids) assert.ok(new X509Certificate(svid).checkIssued(root))
})
