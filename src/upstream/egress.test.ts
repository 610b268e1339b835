/** A stdio server with a way out: what its registration names, through our proxy, and nothing else. */

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { createServer as createHttpServer } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo, Server } from 'node:net'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { systemClock } from '../base/clock.ts'
import { jailWorks } from '../sandbox/bubblewrap.ts'
import type { StdioTransport } from './server.ts'
import { options, serverOf, testFolder, testUpstreams, tool } from './testing.ts'

const BWRAP = '/usr/bin/bwrap'
const LOOPBACK = ['127.0.0.1']
const SECRET = 'office-key-0123456789'

/** Its tools ask for a URL through the proxy that it was given, and say what the kernel lets it use. */
const SERVER = `
import { readFileSync } from 'node:fs'
import http from 'node:http'
import { createInterface } from 'node:readline'
const send = (message) => process.stdout.write(JSON.stringify({ jsonrpc: '2.0', ...message }) + '\\n')
const proxy = new URL(process.env.HTTP_PROXY ?? 'http://127.0.0.1:1')
const tools = {
  ask: ({ url }) => new Promise((resolve) => {
    const request = http.request({ host: proxy.hostname, port: proxy.port, path: url, headers: { host: 'x' } }, (response) => {
      let text = ''
      response.on('error', () => resolve('cut'))
      response.on('data', (chunk) => text += chunk)
      response.on('close', () => resolve(response.statusCode + ' ' + text))
    })
    request.on('error', () => resolve('cut'))
    request.end()
  }),
  tunnel: ({ target }) => new Promise((resolve) => {
    const request = http.request({ host: proxy.hostname, port: proxy.port, method: 'CONNECT', path: target })
    request.on('connect', (response, socket) => { socket.destroy(); resolve(String(response.statusCode)) })
    request.on('error', (error) => resolve(error.code))
    request.end()
  }),
  limits: async () => readFileSync('/proc/self/limits', 'utf8'),
  environment: async () => JSON.stringify(process.env),
}
createInterface({ input: process.stdin }).on('line', async (line) => {
  const { id, method, params } = JSON.parse(line)
  if (method === 'initialize')
    send({ id, result: { protocolVersion: '2025-06-18', capabilities: { tools: {} }, serverInfo: { name: 'asks', version: '1' } } })
  else if (method === 'tools/call')
    send({ id, result: { content: [{ type: 'text', text: await tools[params.name](params.arguments) }] } })
  else if (id !== undefined) send({ id, error: { code: -32601, message: 'Method not found' } })
})
`

async function program(t: TestContext): Promise<StdioTransport> {
  const file = join(await testFolder(t), 'asks.mjs')
  await writeFile(file, SERVER)
  return { type: 'stdio', command: 'node', args: [file] }
}

/** What the tools of a server say, one after the other; the reason where there is none. */
async function answers(
  t: TestContext,
  transport: StdioTransport,
  calls: readonly (readonly [string, Record<string, string>])[],
  env: Parameters<typeof testUpstreams>[1] = {},
): Promise<string[]> {
  const upstreams = testUpstreams(t, {
    bubblewrapPath: BWRAP,
    resolve: async () => LOOPBACK,
    ...env,
  })
  const said: string[] = []
  for (const [name, args] of calls) {
    const got = await upstreams.call(serverOf(transport), tool(name, args), options())
    if (!('result' in got)) said.push(got.error.message)
    else said.push((got.result['content'] as { text: string }[])[0]?.text ?? '')
  }
  return said
}

async function withoutJail(t: TestContext): Promise<boolean> {
  const usable = await jailWorks({ clock: systemClock, nodePath: process.execPath })
  if (!usable.ok) t.skip(usable.error.message)
  return !usable.ok
}

test('a stdio server reaches what it was registered for, and is refused everything else', async (t) => {
  if (await withoutJail(t)) return
  const open = await listening(
    t,
    createHttpServer((_, response) => response.end('open')),
  )
  const other = await listening(
    t,
    createHttpServer((_, response) => response.end('other')),
  )
  const own = await listening(
    t,
    createHttpServer((_, response) => response.end('ours')),
  )
  const transport: StdioTransport = {
    ...(await program(t)),
    egress: [
      { host: 'open.test', ports: [open], addresses: LOOPBACK },
      { host: 'plain.test', ports: [open] },
      { host: 'ours.test', ports: [own], addresses: LOOPBACK },
      { host: '169.254.169.254', ports: [80] },
    ],
  }
  const said = await answers(
    t,
    transport,
    [
      ['ask', { url: `http://open.test:${open}/` }],
      ['tunnel', { target: `open.test:${open}` }],
      ['ask', { url: `http://other.test:${other}/` }],
      ['ask', { url: `http://open.test:${other}/` }],
      ['ask', { url: `http://127.0.0.1:${open}/` }],
      // On the list, and its address is not public.
      ['ask', { url: `http://plain.test:${open}/` }],
      // Named in the registration, address and all: never ourselves, never the metadata service.
      ['ask', { url: `http://ours.test:${own}/` }],
      ['tunnel', { target: `ours.test:${own}` }],
      ['ask', { url: 'http://169.254.169.254/latest' }],
    ],
    { own: { issuer: 'http://behalf.example', ports: [own] } },
  )
  assert.deepEqual(said, [
    '200 open',
    '200',
    ...Array.from({ length: 5 }, () => '403 '),
    '403',
    '403 ',
  ])
})

test('a credential is added on the way, and the program never has it', async (t) => {
  if (await withoutJail(t)) return
  if (!existsSync('/usr/bin/openssl')) return t.skip('no openssl')
  const seen: (string | undefined)[] = []
  const { key, cert } = await certificate(t)
  const port = await listening(
    t,
    createHttpsServer({ key, cert }, (request, response) => {
      seen.push(request.headers.authorization ?? String(request.headers['x-api-key']))
      response.end(request.url === '/echo' ? `you said ${seen.at(-1)}` : 'secure')
    }),
  )
  const inject = { credential: 'office', certificateAuthority: cert }
  const place = { host: 'secure.test', ports: [port], addresses: LOOPBACK }
  const asks = await program(t)
  const calls = [
    ['ask', { url: 'http://secure.test/who' }],
    ['ask', { url: 'http://secure.test/echo' }],
    // Past the TLS that we speak there would be nobody to add or to look.
    ['tunnel', { target: `secure.test:${port}` }],
    ['environment', {}],
  ] as const
  const asked: string[] = []
  const credential = async (name: string, server: string): Promise<string> => {
    asked.push(`${name} of ${server}`)
    return SECRET
  }
  const [who, echo, past, environment = ''] = await answers(
    t,
    { ...asks, egress: [{ ...place, inject }] },
    calls,
    { credential },
  )
  assert.deepEqual([who, echo, past], ['200 secure', 'cut', '403'])
  assert.deepEqual(seen, [`Bearer ${SECRET}`, `Bearer ${SECRET}`])
  assert.deepEqual(asked, ['office of srv_test'])
  assert.ok(environment.includes('HTTP_PROXY') && !environment.includes(SECRET))

  const named = { ...place, inject: { ...inject, header: 'X-Api-Key' } }
  await answers(t, { ...asks, egress: [named] }, calls.slice(0, 1), { credential })
  assert.equal(seen.at(-1), SECRET)
})

test('without its credential, or without T1, a server with a way out is not started', async (t) => {
  const asks = await program(t)
  const place = { host: 'api.example.com' }
  const call = [['limits', {}]] as const
  if (!(await withoutJail(t))) {
    const inject = { credential: 'office' }
    assert.deepEqual(await answers(t, { ...asks, egress: [{ ...place, inject }] }, call), [
      'expected its credential `office`',
    ])
  }
  const [said = ''] = await answers(t, { ...asks, egress: [place] }, call, {
    bubblewrapPath: '/nowhere/bwrap',
  })
  assert.match(said, /^tier_unavailable: T0 has no way out; T1 is unavailable: no/)
})

test('the limits of a registration hold, and the sandbox’s own where it names none', async (t) => {
  if (await withoutJail(t)) return
  const asks = await program(t)
  const [named = ''] = await answers(t, { ...asks, limits: { openFiles: 77 } }, [['limits', {}]])
  assert.match(named, /^Max open files +77 +77 /m)
  const [defaults = ''] = await answers(t, asks, [['limits', {}]])
  assert.match(defaults, /^Max open files +1024 +1024 /m)
  const [odd] = await answers(t, { ...asks, limits: { processes: -1 } }, [['limits', {}]])
  assert.match(odd ?? '', /^limit_refused: expected `processes`/)
})

async function certificate(t: TestContext): Promise<{ key: string; cert: string }> {
  const root = await testFolder(t)
  const [key, cert] = [join(root, 'key.pem'), join(root, 'cert.pem')]
  const shape = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2'.split(' ')
  const name = ['-subj', '/CN=secure.test', '-addext', 'subjectAltName=DNS:secure.test']
  execFileSync('/usr/bin/openssl', [...shape, '-keyout', key, '-out', cert, ...name], {
    stdio: 'ignore',
  })
  return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') }
}

async function listening(t: TestContext, server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  return (server.address() as AddressInfo).port
}
