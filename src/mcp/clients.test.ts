/** The official clients of both eras, against a server made of nothing but this folder. */

import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import test, { type TestContext } from 'node:test'
import {
  Client as NewClient,
  StreamableHTTPClientTransport as NewTransport,
} from '@modelcontextprotocol/client'
import { Client as OldClient } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as OldTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { JsonObject } from '../base/canonical-json.ts'
import { actionOf, classify } from './actions.ts'
import { readEra, type Era } from './era.ts'
import { errorText, parseMessage, resultText } from './message.ts'
import { errorFor } from './refusals.ts'
import {
  adaptResult,
  discoverResult,
  initializeResult,
  isListMethod,
  listResult,
  type ServerInfo,
} from './results.ts'
import { conforms } from './schema.ts'
import { parseStrictJson } from './strict-json.ts'

const info: ServerInfo = { name: 'test', version: '1.0.0', instructions: 'be careful' }
const echo = {
  name: 'echo',
  description: 'echoes',
  inputSchema: { type: 'object', properties: { text: { type: 'string' } }, required: ['text'] },
  outputSchema: { type: 'object', properties: { text: { type: 'string' } } },
  execution: { taskSupport: 'forbidden' },
} satisfies JsonObject

/** What the endpoint was asked, and the address to ask it at. */
interface Endpoint {
  readonly url: URL
  readonly seen: { era: Era; method: string }[]
}

async function endpoint(t: TestContext): Promise<Endpoint> {
  const seen: Endpoint['seen'] = []
  const server = createServer((request, response) => {
    void answer(request, response, seen)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  return { url: new URL(`http://127.0.0.1:${port}/mcp`), seen }
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  seen: Endpoint['seen'],
): Promise<void> {
  const send = (status: number, body: string): void => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(body)
  }
  if (request.method !== 'POST') return send(405, '')
  const json = parseStrictJson(Buffer.concat(await request.toArray()))
  const message = json.ok ? parseMessage(json.value) : json
  if (!message.ok)
    return send(400, errorText(null, errorFor(message.error.reason, '2025-11-25').error))
  const era = readEra(message.value, request.headers)
  if (message.value.type !== 'request') return send(202, '')
  const { id, method, params } = message.value
  const refused = (reason: string, in_: Era, data?: JsonObject): void => {
    const { status, error } = errorFor(reason, in_, data)
    send(status, errorText(id, error))
  }
  if (!era.ok) return refused(era.error.reason, '2025-11-25', era.error.data)
  const spoken = era.value.era
  seen.push({ era: spoken, method })
  const handling = classify(method, spoken)?.handling
  if (handling === 'answered') {
    const results: Record<string, JsonObject> = {
      initialize: initializeResult(params['protocolVersion'], info),
      'server/discover': discoverResult(info),
    }
    return send(200, resultText(id, results[method] ?? {}))
  }
  if (isListMethod(method)) {
    const items = method === 'tools/list' ? [echo] : []
    return send(200, resultText(id, listResult(method, items, spoken, info)))
  }
  if (handling !== 'upstream') return refused('method_not_found', spoken)
  const action = actionOf(method, params)
  if (!action.ok) return refused(action.error.reason, spoken)
  if (action.value.target.name !== 'echo')
    return refused(`unknown_${action.value.target.kind}`, spoken)
  const conforming = conforms(action.value.arguments, echo.inputSchema)
  if (!conforming.ok) return refused('arguments_invalid', spoken, { at: conforming.error.at })
  const structuredContent = { text: action.value.arguments['text'] }
  const result = { content: [{ type: 'text', text: 'hi' }], structuredContent }
  send(200, resultText(id, adaptResult(method, result, spoken, info)))
}

test('a client of the session era', async (t) => {
  const { url, seen } = await endpoint(t)
  const client = new OldClient({ name: 'old', version: '1' })
  await client.connect(new OldTransport(url))
  t.after(() => client.close())
  assert.deepEqual(client.getServerVersion(), { name: 'test', version: '1.0.0' })
  assert.equal(client.getInstructions(), 'be careful')
  const { execution: _, ...tool } = echo
  assert.deepEqual(await client.listTools(), { tools: [tool] })
  assert.deepEqual(await client.listResources(), { resources: [] })
  assert.deepEqual(await client.callTool({ name: 'echo', arguments: { text: 'x' } }), {
    content: [{ type: 'text', text: 'hi' }],
    structuredContent: { text: 'x' },
  })
  await client.ping()
  await assert.rejects(client.callTool({ name: 'echo', arguments: { text: 'x', more: 1 } }), {
    code: -32_602,
    data: { at: 'more' },
  })
  await assert.rejects(client.callTool({ name: 'other' }), { code: -32_602 })
  await assert.rejects(client.request({ method: 'tasks/list' }, undefined as never), /./)
  assert.ok(seen.every(({ era }) => era === '2025-11-25'))
  assert.equal(seen[0]?.method, 'initialize')
})

for (const mode of ['auto', { pin: '2026-07-28' }] as const) {
  test(`a client of the stateless era, ${JSON.stringify(mode)}`, async (t) => {
    const { url, seen } = await endpoint(t)
    const client = new NewClient({ name: 'new', version: '1' }, { versionNegotiation: { mode } })
    await client.connect(new NewTransport(url))
    t.after(() => client.close())
    assert.equal(client.getNegotiatedProtocolVersion(), '2026-07-28')
    const listed = await client.listTools()
    assert.deepEqual(
      listed.tools.map(({ name }) => name),
      ['echo'],
    )
    const called = await client.callTool({ name: 'echo', arguments: { text: 'x' } })
    assert.deepEqual(called.structuredContent, { text: 'x' })
    await assert.rejects(client.callTool({ name: 'echo', arguments: { text: 5 } }), {
      code: -32_602,
    })
    await assert.rejects(client.callTool({ name: 'ünknown' }), { code: -32_602 })
    await assert.rejects(client.readResource({ uri: 'file:///x' }), { code: -32_602 })
    assert.ok(seen.every(({ era }) => era === '2026-07-28'))
    assert.equal(seen[0]?.method, 'server/discover')
  })
}

test('a new client that does not negotiate speaks the session era', async (t) => {
  const { url, seen } = await endpoint(t)
  const client = new NewClient({ name: 'new', version: '1' })
  await client.connect(new NewTransport(url))
  t.after(() => client.close())
  assert.deepEqual(
    (await client.listTools()).tools.map(({ name }) => name),
    ['echo'],
  )
  assert.ok(seen.every(({ era }) => era === '2025-11-25'))
})
