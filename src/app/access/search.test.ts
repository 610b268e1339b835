import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Json, JsonObject } from '../../base/canonical-json.ts'
import { OPERATION_NAMES } from '../../decision/schema.ts'
import { entriesFrom } from '../../people/testing.ts'
import { bearer, byAgent, EVALUATION, openScene, post, question, type Scene } from './testing.ts'

const RESOURCE = '/access/v1/search/resource'
const SUBJECT = '/access/v1/search/subject'
const ACTION = '/access/v1/search/action'

/** Everything that a search finds, page by page. */
async function found(scene: Scene, path: string, body: JsonObject, token: string): Promise<Json[]> {
  const results: Json[] = []
  let page = (body['page'] ?? {}) as JsonObject
  for (let pages = 0; pages < 200; pages++) {
    const answer = await post(scene, path, { ...body, page }, bearer(token))
    assert.equal(answer.status, 200, JSON.stringify(answer.body))
    results.push(...(answer.body['results'] as Json[]))
    const { next_token: next } = answer.body['page'] as { next_token: string }
    if (next === '') return results
    page = { ...page, token: next }
  }
  return assert.fail('expected an end of the pages')
}

test('the metadata names each endpoint', async (t) => {
  const scene = await openScene(t)
  const { issuer } = scene.office
  const answer = await post(scene, '/.well-known/authzen-configuration', '', {})
  assert.deepEqual(answer.body, {
    policy_decision_point: issuer,
    access_evaluation_endpoint: `${issuer}/access/v1/evaluation`,
    access_evaluations_endpoint: `${issuer}/access/v1/evaluations`,
    search_subject_endpoint: `${issuer}/access/v1/search/subject`,
    search_resource_endpoint: `${issuer}/access/v1/search/resource`,
    search_action_endpoint: `${issuer}/access/v1/search/action`,
  })
})

test('resources: those of which an evaluation says yes, and no others', async (t) => {
  const scene = await openScene(t)
  const { resource: _resource, ...asked } = question(scene)
  const body = { ...asked, resource: { type: 'tool', id: 'ignored/altogether' } }
  const results = await found(scene, RESOURCE, body, scene.alice)
  assert.deepEqual(results, [{ type: 'tool', id: 'documents/read' }])
  for (const resource of results) {
    const again = await post(scene, EVALUATION, { ...asked, resource }, bearer(scene.alice))
    assert.equal(again.body['decision'], true)
  }
  const outside = { ...question(scene, '/clients/2077/w2.txt'), resource: { type: 'tool' } }
  assert.deepEqual(await found(scene, RESOURCE, outside, scene.alice), [])
  const unknown = { ...asked, resource: { type: 'spaceship' } }
  assert.deepEqual(await found(scene, RESOURCE, unknown, scene.alice), [])
})

test('who may not ask about a candidate does not learn of it', async (t) => {
  const scene = await openScene(t)
  const body = { ...question(scene), resource: { type: 'tool' } }
  assert.deepEqual(await found(scene, RESOURCE, body, scene.sam), [])
  assert.deepEqual(await found(scene, RESOURCE, body, scene.ada), [
    { type: 'tool', id: 'documents/read' },
  ])
  const operation = {
    subject: { type: 'user' },
    action: { name: 'person.create' },
    resource: { type: 'installation', id: 'behalf' },
  }
  assert.deepEqual(await found(scene, SUBJECT, operation, scene.sam), [])
  const byAda = await found(scene, SUBJECT, operation, scene.ada)
  assert.deepEqual(byAda, [{ type: 'user', id: 'ada' }])
})

test('subjects: the agent of the delegation; actions: what may be done with a thing', async (t) => {
  const scene = await openScene(t)
  const { office, alice } = scene
  const agent = { type: 'agent', id: office.agent.id }
  const { subject: _subject, ...asked } = question(scene)
  const subjects = { ...asked, subject: { type: 'agent' } }
  assert.deepEqual(await found(scene, SUBJECT, subjects, alice), [agent])
  const without = { ...subjects, context: {} }
  assert.deepEqual(await found(scene, SUBJECT, without, alice), [])
  const { action: _action, ...deeds } = question(scene)
  assert.deepEqual(await found(scene, ACTION, deeds, alice), [{ name: 'tools/call' }])
})

test('an agent searches for itself, with its own token', async (t) => {
  const scene = await openScene(t)
  const body = { ...question(scene), resource: { type: 'tool' } }
  const answer = await byAgent(scene, body, RESOURCE)
  assert.deepEqual(answer.body, {
    results: [{ type: 'tool', id: 'documents/read' }],
    page: { next_token: '' },
  })
  const other = { ...body, subject: { type: 'agent', id: 'agt_other' } }
  assert.deepEqual((await byAgent(scene, other, RESOURCE)).body['results'], [])
})

test('pages fit together, whatever their size; a token is for its own search', async (t) => {
  const scene = await openScene(t)
  const body = {
    subject: { type: 'user', id: 'ada' },
    resource: { type: 'installation', id: 'behalf' },
  }
  const whole = await found(scene, ACTION, body, scene.ada)
  const names = whole.map((one) => (one as { name: string }).name)
  assert.ok(names.includes('policy.activate') && names.length < OPERATION_NAMES.length)
  assert.deepEqual(names, [...new Set(names)].toSorted())
  assert.deepEqual(await found(scene, ACTION, { ...body, page: { limit: 7 } }, scene.ada), whole)
  const first = await post(scene, ACTION, { ...body, page: { limit: 3 } }, bearer(scene.ada))
  const { next_token: token } = first.body['page'] as { next_token: string }
  const refused: [name: string, body: JsonObject][] = [
    ['another search', { ...body, subject: { type: 'user', id: 'sam' }, page: { token } }],
    ['a changed context', { ...body, context: { x: 1 }, page: { token } }],
    ['no token', { ...body, page: { token: 'x' } }],
    ['no limit', { ...body, page: { limit: 0 } }],
    ['no page', { ...body, page: 'x' }],
  ]
  for (const [name, asked] of refused) {
    assert.equal((await post(scene, ACTION, asked, bearer(scene.ada))).status, 400, name)
  }
})

test('what is malformed is a 400; strangers are a 401; each yes is in the log', async (t) => {
  const scene = await openScene(t)
  const { alice } = scene
  const whole = question(scene)
  const bad: [path: string, body: Json][] = [
    [SUBJECT, { ...whole, subject: {} }],
    [SUBJECT, { ...whole, subject: { type: 'user' }, action: {} }],
    [SUBJECT, { ...whole, resource: { type: 'tool' } }],
    [RESOURCE, { ...whole, resource: {} }],
    [RESOURCE, { ...whole, subject: { type: 'agent' } }],
    [ACTION, { resource: whole['resource'] ?? {} }],
    [ACTION, []],
  ]
  for (const [path, body] of bad) {
    assert.equal((await post(scene, path, body, bearer(alice))).status, 400, JSON.stringify(body))
  }
  for (const path of [SUBJECT, RESOURCE, ACTION]) {
    assert.equal((await post(scene, path, whole, {})).status, 401)
  }
  const first = (await entriesFrom(0, scene.office.store)).length
  await found(scene, RESOURCE, { ...whole, resource: { type: 'tool' } }, alice)
  const kinds = (await entriesFrom(first, scene.office.store)).map(({ kind }) => kind)
  assert.deepEqual(kinds, ['access_evaluated'])
})
