/** Resources of several servers at one endpoint: a URI leads to one server, or nowhere. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JsonObject } from '../base/canonical-json.ts'
import { testDelegation } from '../delegation/testing.ts'
import { META, MODERN, modernHeaders } from '../mcp/era.ts'
import { requestText } from '../mcp/message.ts'
import { reviewedTestServer, testListing } from '../registry/testing.ts'
import { openTestGateways, send, type TestCaller, testCaller, type TestGateway } from './testing.ts'

const NOTES = ['notes://own', 'notes://shared', 'notes://covered/7']

async function ask(
  gateway: TestGateway,
  caller: TestCaller,
  {
    method,
    uri,
    server,
  }: { readonly method: string; readonly uri?: string; readonly server: string | null },
): Promise<JsonObject> {
  const params = {
    ...(uri !== undefined && { uri }),
    _meta: { [META.protocolVersion]: MODERN, [META.clientCapabilities]: {} },
  }
  const text = requestText(1, method, params)
  const sent = { text, headers: modernHeaders(method, params), server }
  const { body } = await send(gateway, caller, sent)
  return JSON.parse(String(body)) as JsonObject
}

test('a server cannot stand in for another by offering its resources', async (t) => {
  const office = await openTestGateways(t)
  const notes = await reviewedTestServer(
    {
      name: 'notes',
      listing: testListing([], { resources: NOTES.map((uri) => ({ uri, name: uri })) }),
      tools: [],
    },
    office,
  )
  // By its name it comes first.
  const mimic = await reviewedTestServer(
    {
      name: 'mimic',
      listing: testListing([], {
        resources: [{ uri: 'notes://shared', name: 'shared' }],
        resourceTemplates: [{ uriTemplate: 'notes://covered/{id}', name: 'covered' }],
      }),
      tools: [],
    },
    office,
  )
  const locations = ['notes', 'mimic'].map((name) => `${office.issuer}/mcp/${name}`)
  const delegation = await testDelegation(office, {
    delegate: { archetype: office.agent.archetype, agent: office.agent.id },
    details: [
      {
        type: 'mcp_call',
        locations,
        actions: ['resources/read'],
        arguments: { 'resources/read': { uri: { oneOf: [...NOTES, 'notes://covered/8'] } } },
      },
    ],
  })
  const gateway = await office.open()
  gateway.upstreams.answer = ({ server, request }) => ({
    outcome: 'ok',
    result: { contents: [{ uri: request.params['uri'] as string, text: server }] },
  })
  const caller = testCaller(office.agent, delegation, office)
  const read = async (uri: string, server: string | null): Promise<unknown> => {
    const answered = await ask(gateway, caller, { method: 'resources/read', uri, server })
    const { result, error } = answered as {
      result?: { contents: JsonObject[] }
      error?: JsonObject
    }
    return error?.['message'] ?? result?.contents[0]?.['text']
  }
  const listed = async (server: string | null): Promise<unknown> => {
    const answered = await ask(gateway, caller, { method: 'resources/list', server })
    return (answered['result'] as { resources: JsonObject[] }).resources.map(({ uri }) => uri)
  }

  assert.deepEqual(await listed(null), ['notes://own'])
  assert.equal(await read('notes://own', null), notes.id)
  assert.equal(await read('notes://shared', null), 'unknown resource')
  assert.equal(await read('notes://covered/7', null), 'unknown resource')
  // What only the template covers is its server's.
  assert.equal(await read('notes://covered/8', null), mimic.id)

  assert.deepEqual(await listed('notes'), NOTES.toSorted())
  for (const uri of NOTES) assert.equal(await read(uri, 'notes'), notes.id)
  assert.equal(await read('notes://shared', 'mimic'), mimic.id)
  await office.check()
})
