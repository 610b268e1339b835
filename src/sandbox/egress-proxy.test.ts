/** What an origin is sent, byte by byte, by a proxy whose program is hostile; and what comes back of a secret. */

import assert from 'node:assert/strict'
import { connect, createServer, type AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import { must } from '../base/result.ts'
import { EchoFilter } from './echo-filter.ts'
import { atMost } from './egress.ts'
import { egressProxy } from './egress-proxy.ts'

/** What the origin receives for `text`, said to the proxy, until that closes. */
async function forwarded(t: TestContext, text: (port: number) => string): Promise<string> {
  let got = ''
  const origin = createServer((socket) => {
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      got += chunk.toString('latin1')
      // The end of the request, however its body is framed.
      if (/\r\n\r\n(?:.*\r\n\r\n|[^\r]*)$/s.test(got)) {
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok')
      }
    })
  })
  const { port } = await listening(t, origin)
  const rules = [{ host: 'open.test', ports: [port], addresses: ['127.0.0.1'] }]
  const proxy = must(egressProxy(rules, { resolve: async () => ['127.0.0.1'] }))
  const door = createServer(proxy.door.serve)
  const inside = connect((await listening(t, door)).port, '127.0.0.1')
  t.after(() => proxy.close())
  inside.on('error', () => {})
  inside.write(text(port))
  let answer = ''
  inside.on('data', (chunk) => {
    answer += chunk.toString('latin1')
    if (answer.endsWith('ok') || /^HTTP\/1\.1 [45]/.test(answer)) inside.end()
  })
  await new Promise((resolve) => inside.once('close', resolve))
  return got
}

async function listening(
  t: TestContext,
  server: ReturnType<typeof createServer>,
): Promise<AddressInfo> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  return server.address() as AddressInfo
}

const SMUGGLED = 'GET /admin HTTP/1.1\r\nHost: other.test\r\n\r\n'
const IN_CHUNKS = `${SMUGGLED.length.toString(16)}\r\n${SMUGGLED}\r\n0\r\n\r\n`

test('proxy: a body is sent with where it ends, whatever the method, so that none of it is a request', async (t) => {
  for (const method of ['GET', 'HEAD', 'DELETE', 'OPTIONS', 'POST']) {
    const requests: [string, (port: number) => string][] = [
      [
        'in chunks',
        (port) =>
          `${method} http://open.test:${port}/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${IN_CHUNKS}`,
      ],
      [
        'of a length that Connection names away',
        (port) =>
          `${method} http://open.test:${port}/a HTTP/1.1\r\nHost: a\r\nConnection: close, content-length\r\nContent-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`,
      ],
    ]
    for (const [name, text] of requests) {
      const got = await forwarded(t, text)
      const at = got.indexOf('\r\n\r\n')
      const [head, body] = [got.slice(0, at).toLowerCase(), got.slice(at + 4)]
      assert.match(head, /^transfer-encoding: chunked$/m, `${method} ${name}: ${got}`)
      assert.doesNotMatch(head, /^content-length:/m, `${method} ${name}`)
      assert.ok(!body.startsWith('GET /admin'), `${method} ${name}: ${got}`)
    }
  }
})

test('proxy: a secret is found in an answer in every form that it is likely to have', async () => {
  const secrets = ['Bearer to"ken\\with?quotes', `Basic ${btoa('office:pass-word-1')}`]
  const answers: [string, boolean][] = [
    ['{"authorization":"Bearer to\\"ken\\\\with?quotes"}', true],
    ['to"ken\\with?quotes', true],
    [encodeURIComponent('to"ken\\with?quotes'), true],
    [Buffer.from('to"ken\\with?quotes').toString('base64url'), true],
    [btoa('to"ken\\with?quotes').replace(/=+$/, ''), true],
    ['password: pass-word-1', true],
    ['office:pass-word-1', true],
    [btoa('office:pass-word-1'), true],
    ['to ken with quotes, and a pass word', false],
  ]
  for (const [answer, found] of answers) {
    for (const size of [1, 7, answer.length]) {
      const filter = new EchoFilter(secrets)
      const fault = new Promise((resolve) => {
        filter.once('error', () => resolve(true))
        filter.once('end', () => resolve(false))
      })
      filter.resume()
      for (let at = 0; at < answer.length && !filter.destroyed; at += size) {
        filter.write(answer.slice(at, at + size))
      }
      if (!filter.destroyed) filter.end()
      assert.equal(await fault, found, `${answer}, ${size} at a time`)
    }
  }
})

test('proxy: slow names hold up so many lookups and no more, and a fault frees its place', async () => {
  const slow = new Map<string, (fault?: Error) => void>()
  const resolve = atMost(2, async (host) => {
    const { promise, resolve: answer, reject } = Promise.withResolvers<void>()
    slow.set(host, (fault) => (fault === undefined ? answer() : reject(fault)))
    await promise
    return [host]
  })
  const all = ['a', 'b', 'c', 'd'].map((host) =>
    resolve(host).catch((fault: Error) => [fault.message]),
  )
  await Promise.resolve()
  assert.deepEqual([...slow.keys()], ['a', 'b'])
  slow.get('a')?.(new Error('late'))
  assert.deepEqual(await all[0], ['late'])
  assert.deepEqual([...slow.keys()], ['a', 'b', 'c'])
  slow.get('b')?.()
  await all[1]
  slow.get('c')?.()
  slow.get('d')?.()
  assert.deepEqual(await Promise.all(all), [['late'], ['b'], ['c'], ['d']])
})
