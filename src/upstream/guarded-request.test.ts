import assert from 'node:assert/strict'
import { networkInterfaces } from 'node:os'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { connectionsTo, guardedRequest, type Incoming, refusedUrl } from './guarded-request.ts'
import { httpServer } from './testing.ts'

const LOCAL = { issuer: 'http://127.0.0.1:8787', ports: [9090] }
const PUBLIC = { issuer: 'https://behalf.example', ports: [8787] }
const OURS = 'our own origin can never be an upstream'
const NEVER = 'expected no link-local, multicast or unspecified address'

const urls: [string, typeof LOCAL, string | undefined][] = [
  ['https://tools.example/mcp', LOCAL, undefined],
  ['http://127.0.0.1:3000/mcp', LOCAL, undefined],
  ['http://[::1]:3000/mcp', LOCAL, undefined],
  ['https://10.0.0.7/mcp', LOCAL, undefined],
  ['ftp://tools.example/', LOCAL, 'expected http or https'],
  ['file:///etc/passwd', LOCAL, 'expected http or https'],
  ['https://user:pass@tools.example/', LOCAL, 'expected no credentials in the URL'],
  ['http://127.0.0.1:8787/api/v1', LOCAL, OURS],
  ['http://127.0.0.1:9090/', LOCAL, OURS],
  ['http://127.1:8787/', LOCAL, OURS],
  ['http://0x7f000001:8787/', LOCAL, OURS],
  ['http://127.9.9.9:8787/', LOCAL, OURS],
  ['http://[::1]:8787/', LOCAL, OURS],
  ['http://[::ffff:127.0.0.1]:8787/', LOCAL, OURS],
  ['https://behalf.example/mcp', PUBLIC, OURS],
  ['https://BEHALF.example:443/mcp', PUBLIC, OURS],
  ['http://127.0.0.1:8787/', PUBLIC, OURS],
  ['http://0.0.0.0:3000/', LOCAL, NEVER],
  ['http://[::]:3000/', LOCAL, NEVER],
  ['http://169.254.169.254/latest', LOCAL, NEVER],
  ['http://2852039166/latest', LOCAL, NEVER],
  ['http://[::ffff:169.254.169.254]/latest', LOCAL, NEVER],
  ['http://[fe80::1]/', LOCAL, NEVER],
  ['http://[fd00:ec2::254]/', LOCAL, NEVER],
  ['https://[64:ff9b::a9fe:a9fe]/', LOCAL, NEVER],
  ['https://224.0.0.1/', LOCAL, NEVER],
  ['http://10.0.0.7/mcp', LOCAL, 'expected https off loopback'],
]
for (const [url, own, want] of urls) {
  test(`${url} ${want === undefined ? 'may be' : 'cannot be'} an upstream of ${own.issuer}`, () => {
    assert.equal(refusedUrl(new URL(url), own), want)
  })
}

async function post(url: URL, own: typeof LOCAL): Promise<string> {
  const connections = connectionsTo(url)
  const incoming = await guardedRequest(
    { url, method: 'POST', headers: {}, body: '{}', signal: new AbortController().signal },
    { own, connections },
  )
  if (incoming.ok) incoming.response.destroy()
  connections.destroy()
  return incoming.ok ? 'reached' : `${incoming.sent ? 'sent' : 'unsent'}: ${incoming.why}`
}

test('a name is judged by where it leads', async (t) => {
  let reached = 0
  const url = new URL(
    await httpServer(t, (_body, _request, response) => {
      reached++
      response.end()
    }),
  )
  url.hostname = 'localhost'
  assert.equal(await post(url, LOCAL), 'reached')
  assert.equal(reached, 1)
  // The same name, when what listens there is ours.
  const ours = { issuer: 'https://behalf.example', ports: [Number(url.port)] }
  assert.equal(await post(url, ours), `unsent: ${OURS}`)
  assert.equal(reached, 1)
})

test('one of our own addresses with one of our own ports is ours', () => {
  const mine = Object.values(networkInterfaces())
    .flatMap((all) => all ?? [])
    .find((one) => !one.internal && one.family === 'IPv4')
  if (mine === undefined) return
  assert.equal(refusedUrl(new URL(`https://${mine.address}:8787/`), LOCAL), OURS)
})

test('what certainly was not sent is told from what may have been', async (t) => {
  const url = new URL(await httpServer(t, (_body, request) => request.socket.destroy()))
  assert.equal(await post(url, LOCAL), 'sent: ECONNRESET')
  assert.equal(await post(new URL('http://127.0.0.1:9/'), LOCAL), 'unsent: ECONNREFUSED')
})

test('an abort ends the request that it was given to, at any time, and no later one', async (t) => {
  const asked = Promise.withResolvers<void>()
  const url = new URL(
    await httpServer(t, ({ how }, _request, response) => {
      if (how === 'whole') response.end('{}')
      else if (how === 'begun') response.write('{')
      else asked.resolve()
    }),
  )
  const connections = connectionsTo(url)
  t.after(() => connections.destroy())
  const ask = async (how: string, { signal }: AbortController): Promise<Incoming> => {
    const body = JSON.stringify({ how })
    const outgoing = { url, method: 'POST', headers: {}, body, signal } as const
    return await guardedRequest(outgoing, { own: LOCAL, connections })
  }

  const [before, after, spent] = [1, 2, 3].map(() => new AbortController())
  assert(before !== undefined && after !== undefined && spent !== undefined)
  const unanswered = ask('never', before)
  await asked.promise
  before.abort()
  assert.deepEqual(await unanswered, { ok: false, sent: true, why: 'cancelled' })

  const answering = await ask('begun', after)
  assert(answering.ok)
  const rest = text(answering.response)
  after.abort()
  await assert.rejects(rest)

  const answered = await ask('whole', spent)
  assert(answered.ok)
  const { socket } = answered.response
  assert.equal(await text(answered.response), '{}')
  // The socket serves others now.
  await new Promise((resolve) => setImmediate(resolve))
  spent.abort()
  const next = await ask('whole', new AbortController())
  assert(next.ok)
  assert.equal(next.response.socket.localPort, socket.localPort)
  assert.equal(await text(next.response), '{}')
})
