/** The outermost door, over real sockets: bounds, Host and Origin, routes, faults. */

import assert from 'node:assert/strict'
import { request } from 'node:http'
import { connect } from 'node:net'
import { after, before, test } from 'node:test'
import { silentDiagnostics } from '../base/diagnostics.ts'
import { type HttpRequest, type HttpServer, plain, type Route, serveHttp } from './http.ts'
import { counted, MetricsPage } from './metrics.ts'

let server: HttpServer
const metrics = new MetricsPage()
const seen: HttpRequest[] = []

const routes: readonly Route[] = [
  { method: 'POST', path: '/echo', handle: ({ body }) => ({ status: 200, body }) },
  {
    method: 'GET',
    path: '/things/{id}',
    handle: ({ parameters }) => plain(200, parameters['id'] ?? ''),
  },
  {
    method: 'GET',
    path: '/rest/{path*}',
    handle: ({ parameters }) => plain(200, parameters['path'] ?? ''),
  },
  { method: 'GET', path: '/fault', handle: () => Promise.reject(new Error('secret detail')) },
  {
    method: 'GET',
    path: '/gone',
    handle: () => Promise.reject(Object.assign(new Error('down'), { code: 'ECONNREFUSED' })),
  },
  {
    method: 'GET',
    path: '/seen',
    handle: (asked) => {
      seen.push(asked)
      return plain(200, 'seen')
    },
  },
]

before(async () => {
  const options = { host: '127.0.0.1', port: 0, maxBodyBytes: 1_024, metrics }
  server = await serveHttp({ ...options, diagnostics: silentDiagnostics })
  server.start(routes, `http://127.0.0.1:${server.port}`)
})
after(() => server.stop(1_000))

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: string
}

async function ask(
  method: string,
  path: string,
  options: {
    readonly headers?: Record<string, string | string[]>
    readonly body?: string | Buffer
  } = {},
): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>()
  const asking = request(
    { host: '127.0.0.1', port: server.port, method, path, headers: options.headers ?? {} },
    (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks).toString('utf8'),
        }),
      )
    },
  )
  asking.on('error', reject)
  asking.end(options.body)
  return await promise
}

for (const [name, method, path, options, status, body] of [
  ['a route', 'GET', '/things/7', {}, 200, '7\n'],
  ['an encoded parameter', 'GET', '/things/a%2Fb', {}, 200, 'a/b\n'],
  ['a rest parameter', 'GET', '/rest/tile/0/000', {}, 200, 'tile/0/000\n'],
  ['a body', 'POST', '/echo', { body: 'hello' }, 200, 'hello'],
  ['a body at the bound', 'POST', '/echo', { body: 'x'.repeat(1_024) }, 200, 'x'.repeat(1_024)],
  [
    'a body beyond the bound',
    'POST',
    '/echo',
    { body: 'x'.repeat(1_025) },
    413,
    'body too large\n',
  ],
  [
    'a chunked body beyond the bound',
    'POST',
    '/echo',
    { body: 'x'.repeat(5_000), headers: { 'transfer-encoding': 'chunked' } },
    413,
    'body too large\n',
  ],
  ['a path that is nobody', 'GET', '/nothing', {}, 404, 'not found\n'],
  ['a segment too many', 'GET', '/things/7/8', {}, 404, 'not found\n'],
  ['a parameter that does not decode', 'GET', '/things/%ff', {}, 404, 'not found\n'],
  ['another method', 'GET', '/echo', {}, 405, 'method not allowed\n'],
  [
    'another host (DNS rebinding)',
    'GET',
    '/things/7',
    { headers: { host: 'evil.example' } },
    421,
    'unknown host\n',
  ],
  [
    'a foreign origin',
    'GET',
    '/things/7',
    { headers: { origin: 'https://evil.example' } },
    403,
    'foreign origin\n',
  ],
  ['the null origin', 'GET', '/things/7', { headers: { origin: 'null' } }, 403, 'foreign origin\n'],
  ['a fault, told without its detail', 'GET', '/fault', {}, 500, 'internal error\n'],
  ['a database out of reach', 'GET', '/gone', {}, 503, 'unavailable\n'],
] as const) {
  test(`answers ${name}`, async () => {
    const answer = await ask(method, path, options)
    assert.deepEqual({ status: answer.status, body: answer.body }, { status, body })
    assert.equal(answer.headers['cache-control'], 'no-store')
    assert.equal(answer.headers['x-content-type-options'], 'nosniff')
  })
}

test('says which methods there are, and when to come again', async () => {
  assert.equal((await ask('GET', '/echo')).headers['allow'], 'POST')
  assert.equal((await ask('GET', '/gone')).headers['retry-after'], '1')
})

test('counts a header that was sent twice', async () => {
  await ask('GET', '/seen', { headers: { authorization: ['Bearer a', 'Bearer b'], dpop: 'one' } })
  const [asked] = seen
  assert.equal(asked?.times('authorization'), 2)
  assert.equal(asked?.times('dpop'), 1)
  assert.equal(asked?.times('cookie'), 0)
})

test('does not fall over what is no HTTP', async () => {
  const socket = connect(server.port, '127.0.0.1')
  const { promise, resolve } = Promise.withResolvers<string>()
  socket.on('data', (data) => resolve(data.toString('utf8')))
  socket.write('GARBAGE\r\n\r\n')
  assert.match(await promise, /^HTTP\/1\.1 400 /)
  assert.equal((await ask('GET', '/things/7')).status, 200)
})

test('a port in use is named', async () => {
  const options = { host: '127.0.0.1', port: server.port, maxBodyBytes: 1, metrics }
  await assert.rejects(serveHttp({ ...options, diagnostics: silentDiagnostics }), {
    message: `127.0.0.1:${server.port} is in use: stop what listens there, or choose another \`--port\``,
  })
})

test('counts its answers', () => {
  assert.match(metrics.text(), /behalf_http_answers_total\{status="200"\} \d+/)
})

test('a host that was sent twice is refused', async () => {
  const socket = connect(server.port, '127.0.0.1')
  const { promise, resolve } = Promise.withResolvers<string>()
  socket.once('data', (data) => resolve(data.toString('utf8')))
  const host = `host: 127.0.0.1:${server.port}\r\n`
  socket.write(`GET /things/7 HTTP/1.1\r\n${host}${host}connection: close\r\n\r\n`)
  assert.match(await promise, /^HTTP\/1\.1 400 /)
})

test('who hangs up within a body makes no fault', async () => {
  const faults: string[] = []
  const diagnostics = { ...silentDiagnostics, error: (event: string) => faults.push(event) }
  const options = { host: '127.0.0.1', port: 0, maxBodyBytes: 1_024, metrics }
  const other = await serveHttp({ ...options, diagnostics })
  other.start(routes, `http://127.0.0.1:${other.port}`)
  const socket = connect(other.port, '127.0.0.1')
  socket.write(
    `POST /echo HTTP/1.1\r\nhost: 127.0.0.1:${other.port}\r\ncontent-length: 9\r\n\r\nhal`,
    () => socket.destroy(),
  )
  await new Promise((resolve) => socket.once('close', resolve))
  await other.stop(1_000)
  assert.deepEqual(faults, [])
})

test('a stop lets what is under way finish, and ends kept connections with it', async () => {
  const begun = Promise.withResolvers<void>()
  const finish = Promise.withResolvers<void>()
  const slow: Route = {
    method: 'GET',
    path: '/slow',
    handle: async () => {
      begun.resolve()
      await finish.promise
      return plain(200, 'done')
    },
  }
  const options = { host: '127.0.0.1', port: 0, maxBodyBytes: 1_024, metrics }
  const other = await serveHttp({ ...options, diagnostics: silentDiagnostics })
  other.start([slow], `http://127.0.0.1:${other.port}`)
  const asking = fetch(`http://127.0.0.1:${other.port}/slow`)
  await begun.promise
  const stopped = other.stop(10_000)
  await assert.rejects(fetch(`http://127.0.0.1:${other.port}/slow`), 'no new work is taken')
  finish.resolve()
  const answer = await asking
  assert.equal(await answer.text(), 'done\n')
  await stopped
})

test('a stop that waited long enough hangs up, and still waits for what was begun', async () => {
  const begun = Promise.withResolvers<void>()
  let recorded = false
  const slow: Route = {
    method: 'GET',
    path: '/slow',
    handle: async ({ signal }) => {
      begun.resolve()
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
      await new Promise((resolve) => setTimeout(resolve, 20))
      recorded = true
      return plain(200, 'nobody hears it')
    },
  }
  const options = { host: '127.0.0.1', port: 0, maxBodyBytes: 1_024, metrics }
  const other = await serveHttp({ ...options, diagnostics: silentDiagnostics })
  other.start([slow], `http://127.0.0.1:${other.port}`)
  const asking = fetch(`http://127.0.0.1:${other.port}/slow`)
  await begun.promise
  await Promise.all([assert.rejects(asking), other.stop(1)])
  assert.equal(recorded, true)
})

test('warnings and errors are counted by event', () => {
  const page = new MetricsPage()
  const events: string[] = []
  const diagnostics = counted(
    {
      info: (event) => events.push(event),
      warn: (event) => events.push(event),
      error: (event) => events.push(event),
    },
    page,
  )
  diagnostics.info('server.ready')
  diagnostics.warn('agent.suspended', { agent: 'agt_1' })
  diagnostics.warn('agent.suspended', { agent: 'agt_2' })
  diagnostics.error('store.lost', new Error('x'))
  assert.deepEqual(events, ['server.ready', 'agent.suspended', 'agent.suspended', 'store.lost'])
  assert.equal(
    page.text(),
    'behalf_events_total{level="error",event="store.lost"} 1\n' +
      'behalf_events_total{level="warn",event="agent.suspended"} 2\n',
  )
})
