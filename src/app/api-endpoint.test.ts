import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { entriesOfDelegations } from '../audit/queries.ts'
import { tellStory } from '../audit/story.ts'
import type { JsonObject } from '../base/canonical-json.ts'
import type { Delegation } from '../delegation/delegation.ts'
import { testDelegation } from '../delegation/testing.ts'
import { openTestGateways, testCaller, type TestGateways } from '../gateway/testing.ts'
import { Allowances } from '../identity/allowance.ts'
import { findAgent } from '../identity/agent-store.ts'
import type { Agent } from '../identity/agent.ts'
import { testAgent } from '../identity/testing.ts'
import { apiRoutes, type Handlers } from './api-endpoint.ts'
import type { HttpAnswer, HttpRequest } from './http.ts'
import type { Installation } from './installation.ts'
import { delegationHandlers } from './operations/delegations.ts'

/** Sends `body` to a route of the API, as `http.ts` hands it over. */
async function send(
  handlers: Partial<Handlers>,
  env: unknown,
  request: { readonly path: string; readonly body: string } & Partial<Omit<HttpRequest, 'body'>>,
  template = request.path,
): Promise<HttpAnswer> {
  const route = apiRoutes(handlers as Handlers, env as Installation).find(
    ({ method, path }) => method === 'POST' && path === template,
  )
  assert.ok(route !== undefined)
  const { headers = {} } = request
  const times = (name: string): number => (headers[name] === undefined ? 0 : 1)
  return await route.handle({
    method: 'POST',
    query: new URLSearchParams(),
    parameters: {},
    times,
    signal: new AbortController().signal,
    headers,
    ...request,
    body: Buffer.from(request.body),
  })
}

test('text with NUL, which Postgres cannot keep, is refused before anything is done with it', async () => {
  const asked: unknown[] = []
  const signIn = {
    run: async (input: unknown) => {
      asked.push(input)
      return { ok: false, error: { reason: 'bad_code' } } as const
    },
  }
  const answered = async (body: string): Promise<unknown> => {
    const answer = await send({ signIn }, {}, { path: '/api/v1/session', body })
    return [answer.status, (JSON.parse(String(answer.body)) as JsonObject)['detail']]
  }
  assert.deepEqual(await answered('{"code":"abcdefgh"}'), [401, 'bad code'])
  assert.deepEqual(await answered('{"code":"a\\u0000b"}'), [400, 'expected text without NUL'])
  assert.deepEqual(await answered('{"code":"a","x":[{"y":"\\u0000"}]}'), [
    400,
    'expected text without NUL',
  ])
  assert.deepEqual(asked, [{ code: 'abcdefgh' }])
})

/** An agent that may hand on what is below `/clients/1042`, so often before it has to wait. */
async function handsOn(
  t: TestContext,
  burst: number,
): Promise<{
  readonly office: TestGateways
  readonly agent: Agent
  readonly delegation: Delegation
  readonly passOn: (prefix: string) => Promise<HttpAnswer>
}> {
  const office = await openTestGateways(t)
  const gateway = await office.open({ refusalBudget: { refusals: 2, withinSeconds: 600 } })
  const agent = await testAgent(office)
  const detail = (prefix: string): JsonObject => ({
    type: 'mcp_call',
    locations: [office.location],
    actions: ['tools/call:read'],
    arguments: { read: { path: { prefix } } },
  })
  const delegation = await testDelegation(office, {
    delegate: { archetype: agent.archetype, agent: agent.id },
    details: [detail('/clients/1042')],
  })
  const caller = testCaller(agent, delegation, office)
  const resource = `${office.issuer}/api/v1`
  const path = `/api/v1/delegations/${delegation.id}/delegations`
  const subDelegations = new Allowances({ burst, perSecond: 1 }, office)
  const passOn = async (prefix: string): Promise<HttpAnswer> => {
    const token = await caller.token(gateway, resource)
    const dpop = await caller.holder.prove('POST', office.issuer + path, token)
    const { archetype, id } = agent
    const terms = { purpose: 'more', archetype, agent: id, details: [detail(prefix)] }
    return await send(
      delegationHandlers,
      { ...gateway.env, subDelegations },
      {
        path,
        parameters: { id: delegation.id },
        headers: { authorization: `DPoP ${token}`, dpop },
        body: JSON.stringify({ ...terms, expiresIn: 60 }),
      },
      '/api/v1/delegations/{id}/delegations',
    )
  }
  return { office, agent, delegation, passOn }
}

test('an agent that asks for more than it has is refused, on record and in the story', async (t) => {
  const { office, agent, delegation, passOn } = await handsOn(t, 10)
  const wider = await passOn('/clients')
  assert.equal(wider.status, 409)
  assert.equal((await passOn('/clients/1042/letters')).status, 200)
  const entries = await entriesOfDelegations(office.store.db, [delegation.id])
  assert.deepEqual(
    tellStory({ entries, opened: new Map() })
      .filter(({ topic }) => topic === 'refused')
      .map(({ text }) => text),
    [`agent ${agent.id} was refused delegation.delegate: not_contained`],
  )
  await office.check()
})

test('an agent that hands on too often has to wait, and who reaches too often is suspended', async (t) => {
  const { office, agent, passOn } = await handsOn(t, 3)
  const [first, second, third] = [
    await passOn('/clients'),
    await passOn('/clients/1042/letters'),
    await passOn('/clients'),
  ]
  assert.deepEqual([first.status, second.status, third.status], [409, 200, 409])
  const late = await passOn('/clients/1042/letters')
  assert.deepEqual([late.status, late.headers?.['retry-after']], [429, '1'])
  await office.clock.advance(1_000)
  assert.equal((await findAgent(office.store.db, agent.id))?.state, 'active')
  assert.equal((await passOn('/clients')).status, 409)
  assert.equal((await findAgent(office.store.db, agent.id))?.state, 'suspended')
  await office.check()
})
