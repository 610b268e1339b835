/** What is sent over HTTP to servers of either era, and how a session begins, goes and ends. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestOf } from '../base/bytes.ts'
import { FakeClock } from '../base/clock.ts'
import type { UpstreamServer } from './server.ts'
import { credential, type Handle, id, json, legacy, modern, SECRET } from './testing-http.ts'
import { options, serverOf, testUpstreams, tool } from './testing.ts'

function encoded(value: string): string {
  return `=?base64?${Buffer.from(value).toString('base64')}?=`
}

/** What is received in a session with one call. */
function session(name: string): string[] {
  return ['notifications/initialized', 'tools/call', 'DELETE'].map((what) => `${what} ${name}`)
}

function urlOf({ transport }: UpstreamServer): string {
  return transport.type === 'http' ? transport.url : ''
}

test('http: a request of the stateless era says everything by itself', async (t) => {
  const seen: unknown[] = []
  const server = await modern(t, (body, request, response) => {
    const { host: _, ...headers } = request.headers
    seen.push(headers, body)
    json(response, { id: id(body), result: {} })
  })
  const schema = {
    type: 'object',
    properties: {
      region: { type: 'string', 'x-mcp-header': 'Region' },
      count: { type: 'integer' },
      inner: { type: 'object', properties: { deep: { type: 'boolean', 'x-mcp-header': 'Deep' } } },
    },
  }
  const digest = digestOf('')
  const definition = {
    kind: 'tool',
    name: 'naïve',
    value: { inputSchema: schema },
    digest,
  } as const
  const definitions = new Map([['tool:naïve', definition]])
  const args = { region: 'zürich', count: 3, inner: { deep: true } }
  await testUpstreams(t, { credential }).call(
    { ...server, definitions },
    tool('naïve', args),
    options(),
  )
  const body = {
    jsonrpc: '2.0',
    id: 2,
    method: 'tools/call',
    params: {
      name: 'naïve',
      arguments: args,
      _meta: {
        'io.modelcontextprotocol/protocolVersion': '2026-07-28',
        'io.modelcontextprotocol/clientCapabilities': {},
        'io.modelcontextprotocol/clientInfo': { name: 'behalf', version: '0.0.0' },
      },
    },
  }
  assert.deepEqual(seen, [
    {
      accept: 'application/json, text/event-stream',
      authorization: `Bearer ${SECRET}`,
      connection: 'keep-alive',
      'content-length': String(Buffer.byteLength(JSON.stringify(body))),
      'content-type': 'application/json',
      'mcp-method': 'tools/call',
      'mcp-name': encoded('naïve'),
      'mcp-param-deep': 'true',
      'mcp-param-region': encoded('zürich'),
      'mcp-protocol-version': '2026-07-28',
    },
    body,
  ])
})

test('http: a session goes with every request, is replaced when it is gone, and is ended', async (t) => {
  let gone = false
  const versions = new Set<unknown>()
  const { server, received } = await legacy(t, (body, request, response) => {
    versions.add(request.headers['mcp-protocol-version'])
    if (gone)
      return json(response, { id: null, error: { code: -32_000, message: 'no session' } }, 404)
    json(response, { id: id(body), result: {} })
  })
  const upstreams = testUpstreams(t)
  const free = serverOf({ type: 'http', url: urlOf(server) }, { era: '2025-11-25' })
  const call = async (): Promise<string> =>
    (await upstreams.call(free, tool('x'), options())).outcome
  assert.equal(await call(), 'ok')
  gone = true
  assert.equal(await call(), 'failed')
  gone = false
  assert.equal(await call(), 'ok')
  await upstreams.close()
  const first = ['initialize -', ...session('s1').toSpliced(2, 0, 'tools/call s1')]
  assert.deepEqual(received, [...first, 'initialize -', ...session('s6')])
  assert.deepEqual([...versions], ['2025-06-18'])
})

test('http: questions of a server in the session era are refused', async (t) => {
  const answers: unknown[] = []
  const { server } = await legacy(t, (body, _, response) => {
    if (body['method'] === undefined) {
      answers.push([body['id'], body['error'], body['result']])
      response.writeHead(202).end()
      return
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    for (const method of ['sampling/createMessage', 'elicitation/create', 'roots/list', 'ping']) {
      response.write(
        `data: ${JSON.stringify({ jsonrpc: '2.0', id: method, method, params: {} })}\n\n`,
      )
    }
    response.end(`data: ${JSON.stringify({ jsonrpc: '2.0', id: id(body), result: {} })}\n\n`)
  })
  const got = await testUpstreams(t, { credential }).call(server, tool('x'), options())
  assert.equal(got.outcome, 'ok')
  const no = { code: -32_601, message: 'method not found' }
  assert.deepEqual(answers, [
    ['sampling/createMessage', no, undefined],
    ['elicitation/create', no, undefined],
    ['roots/list', no, undefined],
    ['ping', undefined, {}],
  ])
})

for (const era of ['2026-07-28', '2025-11-25'] as const) {
  test(`http: a call that hangs is timed out and cancelled, in era ${era}`, async (t) => {
    const clock = new FakeClock()
    const arrived = Promise.withResolvers<void>()
    const closed = Promise.withResolvers<void>()
    const hang: Handle = (_body, _request, response) => {
      response.on('close', () => closed.resolve())
      arrived.resolve()
    }
    const made =
      era === '2026-07-28' ? { server: await modern(t, hang), received: [] } : await legacy(t, hang)
    const upstreams = testUpstreams(t, { clock, credential })
    const calling = upstreams.call(made.server, tool('x'), options({ timeoutMilliseconds: 5_000 }))
    await arrived.promise
    await clock.advance(5_000)
    const got = await calling
    assert.equal(got.outcome, 'timed_out')
    await closed.promise
    await upstreams.close()
    const told = made.received.filter((line) => line.startsWith('notifications/cancelled'))
    assert.equal(told.length, era === '2026-07-28' ? 0 : 1)
  })
}
