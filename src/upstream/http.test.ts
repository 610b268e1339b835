/** Servers that are slow, gone, or lie, over HTTP. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CallOutcome } from './call.ts'
import { credential, type Handle, id, json, modern, SECRET, text } from './testing-http.ts'
import { options, serverOf, testUpstreams, tool } from './testing.ts'

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
