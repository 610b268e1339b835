/** Conversations over HTTP: people by their sessions, the agent by its token, and nobody by what they write. */

import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { testActor } from '../../audit/testing.ts'
import type { Json, JsonObject } from '../../base/canonical-json.ts'
import { must, refuse } from '../../base/result.ts'
import { fakePrincipalModel } from '../../channel/fake-principal-model.ts'
import { Admissions } from '../../gateway/admit.ts'
import { activatePolicies } from '../../policy/testing.ts'
import { administrationResource } from '../../token/resource.ts'
import { bearer, byAgent, openScene, question, type Scene } from '../access/testing.ts'
import type { Installation } from '../installation.ts'
import { routes } from '../routes.ts'

interface Talk extends Scene {
  readonly id: string
  readonly env: Installation
}

/** Alice's conversation with the agent; Sam is a member, and may use nothing. */
async function openTalk(t: TestContext): Promise<Talk> {
  const scene = await openScene(t)
  const { office, gateway, delegation, alice } = scene
  const person = `@id("alice") permit (principal == Person::"alice", action in Action::"use", resource);`
  must(await activatePolicies({ person }, testActor, office))
  const env = {
    ...gateway.env,
    masterKey: office.random.bytes(32),
    principalModel: async () => refuse({ reason: 'weights_missing' }),
  } as unknown as Installation
  const opened = await send(
    { ...scene, id: '', env },
    { path: '/conversations', body: { delegation: delegation.id, topic: 'W-2' }, token: alice },
  )
  const talk = { ...scene, env, id: opened.body['id'] as string }
  const member = { member: 'sam', role: 'member' }
  await send(talk, { path: '/conversations/{id}/members', body: member, token: alice })
  return talk
}

/** Sends to a route of the API as the server would hand it over; as the agent without `token`. */
async function send(
  { env, id, office, caller, gateway }: Talk,
  {
    path,
    body,
    token,
    more = {},
    method = 'POST',
  }: {
    readonly path: string
    readonly method?: 'GET' | 'POST'
    readonly body: Json
    readonly token?: string
    readonly more?: Readonly<Record<string, string>>
  },
): Promise<{ readonly status: number; readonly body: JsonObject }> {
  const parameters = { ...(path.includes('{id}') && { id }), ...more }
  const url = Object.entries(parameters).reduce(
    (at, [name, value]) => at.replace(`{${name}}`, value),
    `/api/v1${path}`,
  )
  const headers: Record<string, string> = { 'content-type': 'application/json' }
  if (token === undefined) {
    const access = await caller.token(gateway, administrationResource(office.issuer))
    headers['authorization'] = `DPoP ${access}`
    headers['dpop'] = await caller.holder.prove(method, `${office.issuer}${url}`, access)
  } else Object.assign(headers, bearer(token))
  const route = routes(env).find((one) => one.method === method && one.path === `/api/v1${path}`)
  const answer = await route?.handle({
    method,
    path: url,
    query: new URLSearchParams(),
    parameters,
    headers,
    times: (name) => (headers[name] === undefined ? 0 : 1),
    body: Buffer.from(JSON.stringify(body)),
    signal: new AbortController().signal,
  })
  return {
    status: answer?.status ?? 0,
    body: JSON.parse(String(answer?.body ?? '{}')) as JsonObject,
  }
}

const SAY = '/conversations/{id}/messages'
const ASK = '/conversations/{id}/turns'
const said = (text: string): JsonObject => ({ parts: [{ kind: 'utterance', text }] })

test('no request names its author: a member for one is refused, a token is the only way', async (t) => {
  const talk = await openTalk(t)
  for (const forged of [
    { ...said('x'), author: talk.office.alice.person },
    { ...said('x'), principal: 'system' },
    { parts: [{ kind: 'utterance', text: 'x', author: talk.office.alice.person }] },
    { parts: [{ kind: 'utterance', text: 'x', authority: 5 }] },
    { parts: [{ kind: 'quoted', message: 'msg_1', text: 'what she never said' }] },
    { parts: [{ kind: 'system', text: 'x' }] },
  ]) {
    const answer = await send(talk, { path: SAY, body: forged, token: talk.sam })
    assert.deepEqual([answer.status, answer.body['reason']], [400, 'invalid_request'])
  }
  const unsigned = await send(talk, { path: SAY, body: said('x'), token: 'nobody' })
  assert.equal(unsigned.status, 401)
  // An agent's token is not a person's session, on the same path.
  assert.equal((await send(talk, { path: SAY, body: said('x') })).status, 401)
})

test('an agent that was not invited says nothing; the one of the conversation answers its turns', async (t) => {
  const talk = await openTalk(t)
  const agentSay = '/conversations/{id}/agent-messages'
  const uninvited = await send(talk, { path: agentSay, body: said('hello') })
  assert.deepEqual([uninvited.status, uninvited.body['reason']], [404, 'unknown_conversation'])
  const member = { member: talk.office.agent.id, role: 'guest' }
  await send(talk, { path: '/conversations/{id}/members', body: member, token: talk.alice })
  assert.equal((await send(talk, { path: agentSay, body: said('hello') })).status, 200)

  const turn = await send(talk, { path: ASK, body: { question: 'so?' }, token: talk.alice })
  const more = { turn: turn.body['turn'] as string }
  const answer = '/agent-turns/{turn}/answer'
  const told = await send(talk, { path: answer, body: { text: 'so' }, more })
  const { alice, sam, agent } = talk.office
  assert.deepEqual(told.body['audience'], [alice.person, sam.person, agent.id])
  const again = await send(talk, { path: answer, body: { text: 'or so' }, more })
  assert.deepEqual([again.status, again.body['reason']], [409, 'turn_answered'])
})

test('what an agent reads of its turns is counted with what it does without effect', async (t) => {
  const talk = await openTalk(t)
  const admissions = new Admissions(talk.gateway.env, { burst: 3, perSecond: 0 })
  const counted = { ...talk, env: { ...talk.env, admissions } }
  const turn = await send(counted, { path: ASK, body: { question: 'so?' }, token: talk.alice })
  const more = { turn: turn.body['turn'] as string }
  const list = { path: '/agent-turns', body: {}, method: 'GET' } as const
  const fetched = { ...list, path: '/agent-turns/{turn}', more }
  assert.equal((await send(counted, list)).status, 200)
  assert.equal((await send(counted, fetched)).status, 200)
  assert.equal((await send(counted, fetched)).status, 200)
  assert.equal((await send(counted, fetched)).status, 429)
  assert.equal((await send(counted, list)).status, 429)
  // What it does, it still may.
  const answer = { path: '/agent-turns/{turn}/answer', body: { text: 'so' }, more }
  assert.equal((await send(counted, answer)).status, 200)
})

test('a conversation of others and one that there is not are refused alike, whatever is asked', async (t) => {
  const talk = await openTalk(t)
  const unknown = { ...talk, id: `cnv_${'0'.repeat(26)}` }
  const member = { member: 'ada', role: 'guest' }
  for (const [path, body] of [
    [SAY, said('x')],
    [ASK, { question: 'x' }],
    ['/conversations/{id}/members', member],
  ] as const) {
    const theirs = await send(talk, { path, body, token: talk.ada })
    const none = await send(unknown, { path, body, token: talk.ada })
    assert.equal(theirs.body['reason'], 'not_permitted')
    assert.deepEqual(none, theirs)
  }
})

test('an action that the agent proposes is decided for everybody who directed it', async (t) => {
  const talk = await openTalk(t)
  assert.deepEqual((await byAgent(talk, question(talk))).body, { decision: true })
  await send(talk, { path: ASK, body: { question: 'read it' }, token: talk.alice })
  assert.deepEqual((await byAgent(talk, question(talk))).body, { decision: true })
  await send(talk, { path: ASK, body: { question: 'read it to me' }, token: talk.sam })
  const { body } = await byAgent(talk, question(talk))
  assert.deepEqual(body, {
    decision: false,
    context: {
      reason: 'deny',
      constraint: 'person',
      reason_user: {
        en: 'The person you work for may not do this. Do not retry; tell them.',
      },
    },
  })
})

test('a model that is not there is said, without where it would lie; one that is there answers', async (t) => {
  const talk = await openTalk(t)
  const body = { question: 'get style', model: 'principal' }
  const missing = await send(talk, { path: ASK, body, token: talk.alice })
  assert.deepEqual(
    [missing.status, missing.body['reason'], missing.body['detail']],
    [409, 'weights_missing', 'weights missing'],
  )
  const model = fakePrincipalModel('not_a_directive')
  const env = { ...talk.env, principalModel: async () => ({ ok: true, value: model }) as const }
  const answered = await send({ ...talk, env }, { path: ASK, body, token: talk.alice })
  const { answer, through, messages } = answered.body as {
    answer: JsonObject
    through: string
    messages: readonly Json[]
  }
  assert.deepEqual([through, answer['text'], messages], ['channel', 'yes', []])
  assert.equal(model.given.length, 1)
})
