import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Json, JsonObject } from '../../base/canonical-json.ts'
import { Admissions } from '../../gateway/admit.ts'
import { entriesFrom } from '../../people/testing.ts'
import { bearer, byAgent, EVALUATION, openScene, post, question } from './testing.ts'

const EVALUATIONS = '/access/v1/evaluations'

test('an agent asks about itself, under the delegation of its token', async (t) => {
  const scene = await openScene(t)
  const yes = await byAgent(scene, question(scene))
  assert.deepEqual([yes.status, yes.body], [200, { decision: true }])
  const other = await byAgent(scene, question(scene, '/clients/2077/w2.txt'))
  assert.deepEqual(other.body, {
    decision: false,
    context: {
      reason: 'deny',
      constraint: 'intent',
      reason_user: {
        en: 'This is not part of the work that was delegated, or not of its current stage. Do not retry; ask the person who delegated it.',
      },
    },
  })
  const someoneElse = { ...question(scene), subject: { type: 'agent', id: 'agt_1' } }
  assert.deepEqual((await byAgent(scene, someoneElse)).body, {
    decision: false,
    context: { reason: 'not_permitted' },
  })
  const operation = {
    subject: { type: 'person', id: 'ada' },
    action: { name: 'person.create' },
    resource: { type: 'installation', id: 'behalf' },
  }
  assert.equal((await byAgent(scene, operation)).body['decision'], false)
})

test('what an agent asks is counted, each question by itself, before it is answered', async (t) => {
  const scene = await openScene(t)
  const { office, gateway } = scene
  const admissions = new Admissions(gateway.env, { burst: 4, perSecond: 0 })
  const counted = { ...scene, gateway: { ...gateway, env: { ...gateway.env, admissions } } }
  const three = { evaluations: [question(scene), question(scene), question(scene)] }
  const recorded = async (): Promise<number> =>
    (await entriesFrom(0, office.store)).filter(({ kind }) => kind === 'access_evaluated').length
  assert.equal((await byAgent(counted, three, EVALUATIONS)).status, 200)
  assert.equal(await recorded(), 3)
  // One is left: of three questions none is answered.
  const many = await byAgent(counted, three, EVALUATIONS)
  assert.deepEqual([many.status, many.body['reason']], [429, 'too_many_idle'])
  assert.equal((await byAgent(counted, question(scene))).status, 429)
  assert.equal(await recorded(), 3)
  // People are not agents, and are not counted with them.
  const asked = await post(counted, EVALUATION, question(scene), bearer(scene.alice))
  assert.equal(asked.status, 200)
})

test('a token for the gateway is none for this endpoint, and a proof is for one address', async (t) => {
  const scene = await openScene(t)
  const { caller, gateway, office } = scene
  const token = await caller.token(gateway)
  const headers = {
    authorization: `DPoP ${token}`,
    dpop: await caller.holder.prove('POST', `${office.issuer}${EVALUATION}`, token),
  }
  assert.equal((await post(scene, EVALUATION, question(scene), headers)).status, 401)
  assert.equal((await post(scene, EVALUATION, question(scene), {})).status, 401)
  assert.equal((await post(scene, EVALUATION, question(scene), bearer('x'))).status, 401)
})

test('a person asks about an agent that works for them; who may simulate, about anybody', async (t) => {
  const scene = await openScene(t)
  const ask = async (token: string): Promise<unknown> =>
    (await post(scene, EVALUATION, question(scene), bearer(token))).body['decision']
  assert.deepEqual(
    [await ask(scene.alice), await ask(scene.sam), await ask(scene.ada)],
    [true, false, true],
  )
})

test('a person asks about operations of their own', async (t) => {
  const scene = await openScene(t)
  const ask = async (token: string, id: string): Promise<unknown> => {
    const body = {
      subject: { type: 'user', id },
      action: { name: 'person.create' },
      resource: { type: 'installation', id: 'behalf' },
    }
    return (await post(scene, EVALUATION, body, bearer(token))).body['decision']
  }
  assert.deepEqual(
    [await ask(scene.ada, 'ada'), await ask(scene.sam, 'sam'), await ask(scene.sam, 'ada')],
    [true, false, false],
  )
})

test('every answer is in the log, without what strangers wrote', async (t) => {
  const scene = await openScene(t)
  const first = (await entriesFrom(0, scene.office.store)).length
  await post(scene, EVALUATION, question(scene), bearer(scene.alice))
  const entries = await entriesFrom(first, scene.office.store)
  assert.deepEqual(
    entries.map(({ time: _time, by: _by, ...entry }) => entry),
    [
      {
        v: 1,
        kind: 'access_evaluated',
        subjectType: 'agent',
        action: 'tools/call',
        decision: true,
        delegation: scene.delegation.id,
        server: scene.office.documents.id,
      },
    ],
  )
})

const without = (body: JsonObject, member: string): JsonObject =>
  Object.fromEntries(Object.entries(body).filter(([name]) => name !== member))
const stop = (semantic: string): JsonObject => ({ options: { evaluations_semantic: semantic } })

// What the certification scenario of the AuthZEN working group asks of the protocol (§2.4, §2.5, §3).
const MALFORMED: readonly (readonly [name: string, change: (body: JsonObject) => Json | string])[] =
  [
    ['no subject', (body) => without(body, 'subject')],
    ['no action', (body) => without(body, 'action')],
    ['no resource', (body) => without(body, 'resource')],
    ['a subject without type', (body) => ({ ...body, subject: { id: 'alice' } })],
    ['a subject without id', (body) => ({ ...body, subject: { type: 'user' } })],
    ['an action without name', (body) => ({ ...body, action: {} })],
    ['a resource without type', (body) => ({ ...body, resource: { id: 'x' } })],
    ['a resource without id', (body) => ({ ...body, resource: { type: 'tool' } })],
    ['a subject that is text', (body) => ({ ...body, subject: 'alice' })],
    ['an action name that is a number', (body) => ({ ...body, action: { name: 123 } })],
    ['malformed JSON', () => '{"subject":'],
    ['an empty body', () => ''],
    ['a list', () => '[]'],
  ]

test('what is malformed is a 400; unknown members are none of our business', async (t) => {
  const scene = await openScene(t)
  const alice = bearer(scene.alice)
  for (const [name, change] of MALFORMED) {
    const { status } = await post(scene, EVALUATION, change(question(scene)), alice)
    assert.equal(status, 400, name)
  }
  const text = { ...alice, 'content-type': 'text/plain' }
  assert.equal((await post(scene, EVALUATION, question(scene), text)).status, 400)
  const subject = { type: 'agent', id: scene.office.agent.id, properties: { role: 'x' } }
  const extended = { ...question(scene), subject, futureField: { nested: true } }
  assert.equal((await post(scene, EVALUATION, extended, alice)).body['decision'], true)
})

test('the identifier of a request comes back', async (t) => {
  const scene = await openScene(t)
  const id = 'bfe9eb29-ab87-4ca3-be83-a1d5d8305716'
  const headers = { ...bearer(scene.alice), 'x-request-id': id }
  const answer = await post(scene, EVALUATION, question(scene), headers)
  assert.equal(answer.headers['x-request-id'], id)
})

test('several questions share what stands outside, and are answered in order', async (t) => {
  const scene = await openScene(t)
  const { resource, ...shared } = question(scene)
  const paths = ['/clients/1042/a', '/clients/2077/a', '/clients/1042/b']
  const evaluations = paths.map((path) => ({
    resource,
    context: { delegation: scene.delegation.id, arguments: { path } },
  }))
  const ask = async (more: JsonObject): Promise<unknown> => {
    const body = { ...shared, evaluations, ...more }
    const answer = await post(scene, EVALUATIONS, body, bearer(scene.alice))
    assert.equal(answer.status, 200)
    const found = answer.body['evaluations'] as readonly { decision: boolean }[]
    return found.map(({ decision }) => decision)
  }
  assert.deepEqual(await ask({}), [true, false, true])
  assert.deepEqual(await ask(stop('deny_on_first_deny')), [true, false])
  assert.deepEqual(await ask(stop('permit_on_first_permit')), [true])
  assert.deepEqual(
    await ask({ evaluations: [evaluations[0] ?? {}, {}] }),
    [true, false],
    'an error in one is a no to that one',
  )
  const one = await post(scene, EVALUATIONS, question(scene), bearer(scene.alice))
  assert.deepEqual(one.body, { decision: true }, 'without evaluations it is one question')
})
