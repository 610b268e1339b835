/** Servers that are slow, gone, or lie, over HTTP. */

import assert from 'node:assert/strict'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { test, type TestContext } from 'node:test'
import { digestOf } from '../base/bytes.ts'
import type { JsonObject } from '../base/canonical-json.ts'
import { FakeClock } from '../base/clock.ts'
import type { CallOutcome } from './call.ts'
import type { UpstreamServer } from './server.ts'
import { httpServer, options, serverOf, testUpstreams, tool } from './testing.ts'

const SECRET = 'sk-upstream-0123456789abcdef'

type Handle = (body: JsonObject, request: IncomingMessage, response: ServerResponse) => void

function json(response: ServerResponse, message: JsonObject, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ jsonrpc: '2.0', ...message }))
}

const text = (words: string): JsonObject => ({ content: [{ type: 'text', text: words }] })

/** A server of the stateless era that answers calls with `call`. */
async function modern(t: TestContext, call: Handle): Promise<UpstreamServer> {
  const url = await httpServer(t, (body, request, response) => {
    if (body['method'] !== 'server/discover') return call(body, request, response)
    const result = { resultType: 'complete', supportedVersions: ['2026-07-28'], capabilities: {} }
    json(response, { id: body['id'] ?? null, result })
  })
  return serverOf({ type: 'http', url, credential: 'key' }, { era: '2026-07-28' })
}

/** A server of the session era that answers calls with `call`, and lists all it has received. */
async function legacy(
  t: TestContext,
  call: Handle,
): Promise<{ server: UpstreamServer; received: string[] }> {
  const received: string[] = []
  const url = await httpServer(t, (body, request, response) => {
    const { method, id = null } = body
    const what = typeof method === 'string' ? method : (request.method ?? '')
    received.push(`${what} ${String(request.headers['mcp-session-id'] ?? '-')}`)
    if (request.method === 'DELETE' || id === null) return void response.writeHead(202).end()
    if (method !== 'initialize') return call(body, request, response)
    response.setHeader('mcp-session-id', `s${received.length}`)
    const result = { protocolVersion: '2025-06-18', capabilities: {}, serverInfo: {} }
    json(response, { id, result })
  })
  return {
    server: serverOf({ type: 'http', url, credential: 'key' }, { era: '2025-11-25' }),
    received,
  }
}

function encoded(value: string): string {
  return `=?base64?${Buffer.from(value).toString('base64')}?=`
}

/** What is received in a session with one call. */
function session(id: string): string[] {
  return ['notifications/initialized', 'tools/call', 'DELETE'].map((what) => `${what} ${id}`)
}

function urlOf({ transport }: UpstreamServer): string {
  return transport.type === 'http' ? transport.url : ''
}

const credential = (): Promise<string> => Promise.resolve(SECRET)

const ended = (
  outcome: 'failed' | 'withheld' | 'unknown',
  message: string,
  rpc?: { code: number; message: string },
): CallOutcome => ({
  outcome,
  error: {
    reason: (
      {
        failed: 'upstream_failed',
        withheld: 'result_withheld',
        unknown: 'outcome_unknown',
      } as const
    )[outcome],
    message,
    ...(rpc === undefined ? {} : { rpc }),
  },
})

const id = (body: JsonObject): string | number => body['id'] as number

const cases: [string, Handle, CallOutcome][] = [
  [
    'a result as JSON',
    (body, _, response) => json(response, { id: id(body), result: text('yes') }),
    { outcome: 'ok', result: text('yes') },
  ],
  [
    'a result as events, after others',
    (body, _, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' })
      const note = { jsonrpc: '2.0', method: 'notifications/progress', params: { progress: 1 } }
      response.write(`: hello\n\nid: 1\ndata:\n\ndata: ${JSON.stringify(note)}\n\n`)
      response.write(
        `event: message\ndata: ${JSON.stringify({ jsonrpc: '2.0', id: id(body), result: text('yes') })}\n\n`,
      )
      // It does not end the stream by itself.
    },
    { outcome: 'ok', result: text('yes') },
  ],
  [
    'an error of the protocol',
    (body, _, response) =>
      json(response, { id: id(body), error: { code: -32_601, message: 'no' } }, 404),
    ended('failed', 'the server answered with error -32601', { code: -32_601, message: 'no' }),
  ],
  [
    'a redirect to elsewhere',
    (_body, _request, response) =>
      response.writeHead(307, { location: 'http://169.254.169.254/latest/meta-data' }).end(),
    ended('failed', 'the server answered with error -32000', {
      code: -32_000,
      message: 'HTTP 307: redirects are not followed',
    }),
  ],
  [
    'a refusal by whatever stands before it',
    (_body, _request, response) => response.writeHead(429).end('slow down'),
    ended('failed', 'the server answered with error -32000', {
      code: -32_000,
      message: 'HTTP 429',
    }),
  ],
  [
    'a failure of whatever stands before it',
    (_body, _request, response) => response.writeHead(502).end(),
    ended('unknown', 'HTTP 502'),
  ],
  ['no answer', (_body, request) => request.socket.destroy(), ended('unknown', 'ECONNRESET')],
  [
    'half an answer',
    (_body, request, response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' })
      response.write('{"jsonrpc":')
      response.flushHeaders()
      setImmediate(() => request.socket.destroy())
    },
    ended('unknown', 'its answer broke off'),
  ],
  [
    'events that end before the answer',
    (_body, _request, response) =>
      response.writeHead(200, { 'content-type': 'text/event-stream' }).end('data: \n\n'),
    ended('unknown', 'its answer broke off'),
  ],
  [
    'the answer to something else',
    (_body, _request, response) => json(response, { id: 999, result: text('x') }),
    ended('withheld', 'its answer is refused'),
  ],
  [
    'an answer that two parsers read differently',
    (body, _request, response) =>
      response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(`{"jsonrpc":"2.0","id":${id(body)},"result":{"a":1,"A":2}}`),
    ended('withheld', 'its answer is refused'),
  ],
  [
    'a page',
    (_body, _request, response) =>
      response.writeHead(200, { 'content-type': 'text/html' }).end('<p>'),
    ended('withheld', 'its answer is neither JSON nor events'),
  ],
  [
    'a compressed answer',
    (_body, _request, response) =>
      response
        .writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' })
        .end('x'),
    ended('withheld', 'its answer is encoded, which was not asked for'),
  ],
  [
    'an answer beyond the cap',
    (body, _, response) => json(response, { id: id(body), result: text('x'.repeat(2_000_000)) }),
    ended('withheld', 'its answer is too large'),
  ],
  [
    'events beyond the cap',
    (_body, _request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      const more = (): void => {
        while (response.write(`: ${'x'.repeat(10_000)}\n\n`));
        if (!response.destroyed) response.once('drain', more)
      }
      more()
    },
    ended('withheld', 'its answer is too large'),
  ],
  [
    'the credential in a result',
    (body, request, response) =>
      json(response, {
        id: id(body),
        result: { content: [{ seen: String(request.headers.authorization) }] },
      }),
    ended('withheld', 'the result holds the credential'),
  ],
  [
    'the credential in a result, escaped',
    (body, _request, response) => {
      const escaped = SECRET.replace(
        /./g,
        (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
      )
      response.writeHead(200, { 'content-type': 'application/json' })
      response.end(`{"jsonrpc":"2.0","id":${id(body)},"result":{"x":"${escaped}"}}`)
    },
    ended('withheld', 'the result holds the credential'),
  ],
  [
    'the credential in a result, in base64',
    (body, request, response) =>
      json(response, {
        id: id(body),
        result: text(Buffer.from(`headers: ${request.headers.authorization}!`).toString('base64')),
      }),
    ended('withheld', 'the result holds the credential'),
  ],
  [
    'the credential in an error',
    (body, request, response) =>
      json(
        response,
        {
          id: id(body),
          error: { code: 1, message: 'no', data: { [String(request.headers.authorization)]: 1 } },
        },
        400,
      ),
    ended('withheld', 'the error holds the credential'),
  ],
]

for (const [name, handle, want] of cases) {
  test(`http: ${name}`, async (t) => {
    let calls = 0
    const server = await modern(t, (body, request, response) => {
      calls++
      handle(body, request, response)
    })
    const upstreams = testUpstreams(t, { credential })
    assert.deepEqual(await upstreams.call(server, tool('x'), options()), want)
    assert.equal(calls, 1)
  })
}

test('http: a large answer below the cap is taken, as JSON and as events', async (t) => {
  const large = text('x'.repeat(2_000_000))
  let events = false
  const server = await modern(t, (body, _, response) => {
    if (!events) return json(response, { id: id(body), result: large })
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.end(`data: ${JSON.stringify({ jsonrpc: '2.0', id: id(body), result: large })}\n\n`)
  })
  const upstreams = testUpstreams(t, { credential })
  const roomy = { ...server, outputLimitBytes: 4_000_000 }
  for (events of [false, true]) {
    const got = await upstreams.call(roomy, tool('x'), options({ outputLimitBytes: 4_000_000 }))
    assert.equal(got.outcome, 'ok')
  }
})

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

test('http: a call that is refused for its credential has failed, whatever the refusal says', async (t) => {
  const server = await modern(t, (_body, _request, response) => {
    response.writeHead(403, { 'content-type': 'application/json' })
    response.write('{"error":')
    setImmediate(() => response.end('"insufficient_scope"}'))
  })
  const got = await testUpstreams(t, { credential }).call(server, tool('x'), options())
  const rpc = { code: -32_000, message: 'HTTP 403' }
  assert.deepEqual(got, ended('failed', 'the server answered with error -32000', rpc))
})

test('http: a server that is not there fails the call; nothing was sent', async (t) => {
  const server = serverOf({ type: 'http', url: 'http://127.0.0.1:9/mcp' }, { era: '2026-07-28' })
  const got = await testUpstreams(t).call(server, tool('x'), options())
  assert.deepEqual(got, ended('failed', 'ECONNREFUSED'))
})

test('http: a server that went away after it was greeted fails the call as well', async (t) => {
  const server = await modern(t, (body, _, response) => {
    json(response, { id: id(body), result: {} })
    response.on('finish', () => response.socket?.destroy())
  })
  const upstreams = testUpstreams(t, { credential })
  assert.equal((await upstreams.call(server, tool('x'), options())).outcome, 'ok')
  assert.equal((await upstreams.call(server, tool('x'), options())).outcome, 'ok')
})
