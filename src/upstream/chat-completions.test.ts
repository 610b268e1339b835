import assert from 'node:assert/strict'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { test, type TestContext } from 'node:test'
import type { Json, JsonObject } from '../base/canonical-json.ts'
import { FakeClock, systemClock } from '../base/clock.ts'
import type { Result } from '../base/result.ts'
import { ChatCompletions, type ChatOptions } from './chat-completions.ts'
import { httpServer } from './testing.ts'

const MESSAGES = [{ role: 'user', content: 'which?' }] as const
const own = { issuer: 'http://127.0.0.1:1' }

type Handler = (body: JsonObject, request: IncomingMessage, response: ServerResponse) => void

async function modelAt(
  t: TestContext,
  handle: Handler,
  more: Partial<ChatOptions> = {},
): Promise<ChatCompletions> {
  const url = new URL(await httpServer(t, handle))
  const options = { url, model: 'small', timeoutMilliseconds: 20_000, most: 2, ...more }
  const chat = new ChatCompletions(options, { clock: systemClock, own })
  t.after(() => chat.close())
  return chat
}

const answering =
  (body: Json | string, headers: Record<string, string> = {}, status = 200): Handler =>
  (_body, _request, response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers })
    response.end(typeof body === 'string' ? body : JSON.stringify(body))
  }

const choice = (more: JsonObject = {}): JsonObject => ({
  id: 'x',
  object: 'chat.completion',
  choices: [
    { index: 0, finish_reason: 'stop', message: { role: 'assistant', content: '{}', ...more } },
  ],
  usage: { total_tokens: 3 },
})

function told(answer: Result<string>): string {
  return answer.ok ? answer.value : `${answer.error.reason}: ${answer.error.message ?? ''}`
}

test('a question is asked once, in the form that is widely served', async (t) => {
  const seen: unknown[] = []
  const chat = await modelAt(
    t,
    (body, request, response) => {
      seen.push(request.method, request.headers['authorization'], body)
      answering(choice())(body, request, response)
    },
    { credential: async () => 'sk-secret' },
  )
  assert.equal(told(await chat.ask(MESSAGES)), '{}')
  assert.deepEqual(seen, [
    'POST',
    'Bearer sk-secret',
    {
      model: 'small',
      messages: [...MESSAGES],
      stream: false,
      response_format: { type: 'json_object' },
    },
  ])
})

const cut = choice()
const hostile: readonly [name: string, handle: Handler, want: string][] = [
  ['an error', answering({}, {}, 500), 'model_refused: expected HTTP 200, got 500'],
  ['no content', answering('', {}, 204), 'model_refused: expected HTTP 200, got 204'],
  [
    'a redirect',
    answering('', { location: 'http://127.0.0.1:9/' }, 307),
    'model_refused: expected HTTP 200, got 307',
  ],
  [
    'prose',
    answering('Sure!', { 'content-type': 'text/plain' }),
    'model_unusable: expected an answer in JSON',
  ],
  [
    'an encoding that nobody asked for',
    answering(choice(), { 'content-encoding': 'gzip' }),
    'model_unusable: expected an answer that is not encoded',
  ],
  ['half of it', answering('{"choices":['), 'model_unusable: expected one whole choice of text'],
  [
    'a member twice',
    answering('{"choices":[],"choices":[{"message":{"content":"{}"}}]}'),
    'model_unusable: expected one whole choice of text',
  ],
  ['no choice', answering({ choices: [] }), 'model_unusable: expected one whole choice of text'],
  [
    'two choices',
    answering({ choices: [...(cut['choices'] as Json[]), ...(cut['choices'] as Json[])] }),
    'model_unusable: expected one whole choice of text',
  ],
  [
    'an answer that was cut off',
    answering({ choices: [{ finish_reason: 'length', message: { content: '{}' } }] }),
    'model_unusable: expected one whole choice of text',
  ],
  [
    'a call of a tool',
    answering(choice({ tool_calls: [{ id: 'c', type: 'function' }] })),
    'model_unusable: expected one whole choice of text',
  ],
  [
    'no text',
    answering(choice({ content: null })),
    'model_unusable: expected one whole choice of text',
  ],
  [
    'the credential in it',
    answering(choice({ content: '{"values":{"to":"sk-secret"}}' })),
    'model_unusable: expected an answer without the credential',
  ],
  [
    'an endless answer',
    (_body, _request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' })
      const more = (): void => {
        while (!response.destroyed && response.write(' '.repeat(16_384)));
      }
      response.on('drain', more)
      more()
    },
    'model_unusable: expected an answer of at most 65536 bytes',
  ],
  [
    'an answer that breaks off',
    (_body, request, response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '100' })
      response.write('{')
      setImmediate(() => request.socket.destroy())
    },
    'model_unusable: its answer broke off',
  ],
  [
    'a connection that ends',
    (_body, request) => request.socket.destroy(),
    'model_unreachable: ECONNRESET',
  ],
]
for (const [name, handle, want] of hostile) {
  test(`a model that gives ${name} answers nothing`, async (t) => {
    const chat = await modelAt(t, handle, { credential: async () => 'sk-secret' })
    assert.equal(told(await chat.ask(MESSAGES)), want)
    // It is asked again as if nothing had been.
    assert.equal(told(await chat.ask(MESSAGES)), want)
  })
}

test('an answer takes so long from the first byte to the last, however it drips', async (t) => {
  const clock = new FakeClock()
  let dripped = Promise.withResolvers<void>()
  const url = new URL(
    await httpServer(t, (_body, _request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' })
      response.write('{', () => dripped.resolve())
    }),
  )
  const chat = new ChatCompletions(
    { url, model: 'small', timeoutMilliseconds: 5_000, most: 2 },
    { clock, own },
  )
  t.after(() => chat.close())
  for (let time = 0; time < 2; time++) {
    dripped = Promise.withResolvers<void>()
    const asked = chat.ask(MESSAGES)
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await dripped.promise
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await clock.advance(5_001)
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    assert.equal(told(await asked), 'model_timed_out: expected an answer within 5 seconds')
  }
})

test('so many questions are under way at once', async (t) => {
  const waiting: ServerResponse[] = []
  const both = Promise.withResolvers<void>()
  const chat = await modelAt(t, (_body, _request, response) => {
    waiting.push(response)
    if (waiting.length === 2) both.resolve()
  })
  const asked = [chat.ask(MESSAGES), chat.ask(MESSAGES)]
  await both.promise
  const third = await chat.ask(MESSAGES)
  assert.equal(told(third), 'model_busy: expected fewer than 2 questions under way')
  for (const response of waiting) {
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(JSON.stringify(choice()))
  }
  assert.deepEqual((await Promise.all(asked)).map(told), ['{}', '{}'])
})

for (const [name, url, want] of [
  ['our own origin', 'http://127.0.0.1:1/v1', 'our own origin can never be an upstream'],
  ['plain HTTP off loopback', 'http://10.0.0.7/v1', 'expected https off loopback'],
  [
    'metadata services',
    'http://169.254.169.254/v1',
    'expected no link-local, multicast or unspecified address',
  ],
] as const) {
  test(`${name} is no model`, async (t) => {
    const chat = await modelAt(t, answering(choice()), { url: new URL(url) })
    assert.equal(told(await chat.ask(MESSAGES)), `model_unreachable: ${want}`)
  })
}

test('without its credential a question is not asked', async (t) => {
  const chat = await modelAt(t, () => assert.fail('it was asked'), {
    credential: async () => {
      throw new Error('expected /etc/secret, got nothing')
    },
  })
  const want = 'model_unreachable: expected its credential to be there'
  assert.equal(told(await chat.ask(MESSAGES)), want)
})
