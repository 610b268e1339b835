/**
 * The gateway as its callers meet it: both official clients through a real server, and everything that a
 * stranger may throw at its door.
 */

import assert from 'node:assert/strict'
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import {
  Client as NewClient,
  StreamableHTTPClientTransport as NewTransport,
} from '@modelcontextprotocol/client'
import { Client as OldClient } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as OldTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { systemClock } from '../src/base/clock.ts'
import { systemRandom } from '../src/base/random.ts'
import { type AgentAccess, agentAccess } from '../src/client/agent.ts'
import type { Client } from '../src/client/client.ts'
import { type DpopKey, dpopKey, newDpopKey } from '../src/client/dpop.ts'
import { workloadApi } from '../src/client/workload.ts'
import { type RunningServer, startServer } from '../scripts/start-server.ts'
import { type CountingServer, startCountingServer } from './counting-server.ts'
import { must } from '../scripts/set-up.ts'
import { openClerks } from './clerks.ts'

const env = { clock: systemClock, random: systemRandom }
const home = mkdtempSync(join(tmpdir(), 'behalf-gateway-'))
let server: RunningServer
let counter: CountingServer
let administrator: Client
/** An agent that stays in its first stage, and its key. */
let access: AgentAccess
let privateKey: KeyObject
let key: DpopKey
let endpoint = ''

before(async () => {
  counter = await startCountingServer()
  server = await startServer({ home })
  const { url, code = '' } = server
  administrator = (await openClerks({ url, code }, counter.url)).administrator
  const made = await enliven()
  access = made.access
  privateKey = made.privateKey
  key = dpopKey(privateKey, env)
  endpoint = `${url}/mcp/counter`
})

after(async () => {
  await server.stop()
  await counter.close()
  rmSync(home, { recursive: true, force: true })
})

/** An agent that may note while collecting, and file with a yes while drafting. */
async function enliven(): Promise<{
  readonly access: AgentAccess
  readonly privateKey: KeyObject
  readonly delegation: string
}> {
  const { url } = server
  const { id, socket = '' } = await must(administrator, 'createAgent', { archetype: 'clerk' })
  const at = { type: 'mcp_call', locations: [`${url}/mcp/counter`] }
  const made = await must(administrator, 'delegate', {
    purpose: 'note and file',
    archetype: 'clerk',
    agent: id,
    details: [
      { ...at, actions: ['tools/call:note'], stages: ['collect'] },
      { ...at, actions: ['tools/call:file'], stages: ['draft'], approval: { by: 'administrator' } },
    ],
    stages: ['collect', 'draft'],
    expiresIn: 3_600,
  })
  const workload = workloadApi(`unix://${socket}`, { clock: systemClock })
  const own = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  const options = { issuer: url, workload, delegation: made.signed, key: own }
  return { access: agentAccess(options, env), privateKey: own, delegation: made.id }
}

/** A client of either kind, as the tests need it. */
interface AnyClient {
  listTools(): Promise<{ tools: readonly { name: string }[] }>
  callTool(call: { name: string; arguments: Record<string, unknown> }): Promise<unknown>
  close(): Promise<void>
}

async function names(client: AnyClient): Promise<string[]> {
  return (await client.listTools()).tools.map((tool) => tool.name)
}

const CLIENTS: readonly (readonly [string, (url: URL, as: AgentAccess) => Promise<AnyClient>])[] = [
  [
    'the old client',
    async (url, as) => {
      const client = new OldClient({ name: 'old', version: '1' })
      await client.connect(new OldTransport(url, { fetch: as.fetch }))
      return client
    },
  ],
  ...([undefined, 'auto', { pin: '2026-07-28' }] as const).map(
    (mode) =>
      [
        `the new client, ${mode === undefined ? 'as it comes' : JSON.stringify(mode)}`,
        async (url: URL, as: AgentAccess) => {
          const options = mode === undefined ? {} : { versionNegotiation: { mode } }
          const client = new NewClient({ name: 'new', version: '1' }, options)
          await client.connect(new NewTransport(url, { fetch: as.fetch }))
          return client
        },
      ] as const,
  ),
]

for (const [name, open] of CLIENTS) {
  test(`${name} sees what its stage grants, calls it, and reads why not`, async () => {
    const { access: own, delegation } = await enliven()
    const one = await open(new URL(endpoint), own)
    const all = await open(new URL(`${server.url}/mcp`), own)
    assert.deepEqual(await names(one), ['note'])
    assert.deepEqual(await names(all), ['counter__note'])
    const nonce = `${name} notes`
    const noted = await all.callTool({ name: 'counter__note', arguments: { nonce } })
    assert.deepEqual((noted as { content: unknown }).content, [
      { type: 'text', text: `noted ${nonce}` },
    ])
    const refused = await one.callTool({ name: 'file', arguments: { nonce } })
    assert.deepEqual(refused, {
      ...(refused as object),
      isError: true,
      content: [
        {
          type: 'text',
          text: 'Not permitted: refused by the intent constraint. This is not part of the work that was delegated, or not of its current stage. Do not retry; ask the person who delegated it.',
        },
      ],
    })
    await assert.rejects(one.callTool({ name: 'note', arguments: { nonce, more: 1 } }), {
      code: -32_602,
    })
    await assert.rejects(one.callTool({ name: 'none', arguments: {} }), { code: -32_602 })

    await must(administrator, 'moveStage', { id: delegation, stage: 'draft' })
    assert.deepEqual(await names(one), ['file'])
    const asked = await one.callTool({ name: 'file', arguments: { nonce } })
    const { outcome } = (asked as { _meta: Record<string, { outcome: string }> })._meta[
      'behalf/decision'
    ] ?? { outcome: '' }
    assert.equal(outcome, 'approval_required')
    await must(administrator, 'revokeDelegation', { id: delegation })
    const ended = await one.callTool({ name: 'file', arguments: { nonce } })
    assert.match(JSON.stringify(ended), /The delegation was revoked\./)
    await assert.rejects(one.listTools(), { code: -32_006 })
    await one.close()
    await all.close()
  })
}

/** What is sent; what is not said is as it should be. */
interface Sent {
  readonly method?: string
  readonly path?: string
  readonly body?: string | Buffer
  /** `undefined` leaves a header out; a list sends it more than once. */
  readonly headers?: Readonly<Record<string, string | string[] | undefined>>
}

const PING = '{"jsonrpc":"2.0","id":1,"method":"ping"}'

/** Sends a request with a token and a proof that are right for `path`, and `sent` in place of them. */
async function knock(sent: Sent): Promise<{ status: number; body: string; challenge: string }> {
  const { method = 'POST', path = '/mcp/counter', body = PING } = sent
  const token = await access.token(endpoint)
  const headers: Record<string, string | string[] | undefined> = {
    host: new URL(server.url).host,
    'content-type': 'application/json',
    authorization: `DPoP ${token}`,
    dpop: key.prove(method, endpoint, token),
    ...sent.headers,
  }
  const defined = Object.entries(headers).filter(([, value]) => value !== undefined)
  const { hostname, port } = new URL(server.url)
  const { promise, resolve, reject } = Promise.withResolvers<Awaited<ReturnType<typeof knock>>>()
  const asking = httpRequest(
    { hostname, port, method, path, headers: Object.fromEntries(defined) as never },
    (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          body: Buffer.concat(chunks).toString('utf8').trimEnd(),
          challenge: response.headers['www-authenticate'] ?? '',
        }),
      )
    },
  )
  asking.on('error', reject)
  asking.end(method === 'POST' ? body : undefined)
  return await promise
}

const json = (code: number, message: string, id: number | null = null): string =>
  JSON.stringify({ jsonrpc: '2.0', id, error: { code, message } })
const rpc = (params: string, method = 'tools/call'): string =>
  `{"jsonrpc":"2.0","id":1,"method":"${method}","params":${params}}`

const DOORS: readonly (readonly [string, Sent, number, string | RegExp])[] = [
  ['a ping', {}, 200, '{"jsonrpc":"2.0","id":1,"result":{}}'],
  ['a notification', { body: '{"jsonrpc":"2.0","method":"notifications/initialized"}' }, 202, ''],
  // the body
  ['an oversized body', { body: `"${'x'.repeat(1_048_576)}"` }, 413, 'body too large'],
  ['no JSON', { body: '{' }, 400, json(-32_700, 'expected JSON')],
  ['nothing', { body: '' }, 400, json(-32_700, 'expected JSON')],
  ['no UTF-8', { body: Buffer.from([0x22, 0xff, 0x22]) }, 400, json(-32_700, 'expected UTF-8')],
  ['two values', { body: `${PING}${PING}` }, 400, json(-32_700, 'expected one JSON value')],
  [
    'a member twice',
    { body: rpc('{"name":"note","name":"file","arguments":{}}') },
    400,
    json(-32_700, 'expected each member once'),
  ],
  [
    'members that collide by case',
    { body: rpc('{"name":"note","Name":"file","arguments":{}}') },
    400,
    json(-32_700, 'expected member names that differ by more than case'),
  ],
  [
    'a number that others round',
    { body: rpc('{"name":"note","arguments":{"nonce":9007199254740993}}') },
    400,
    json(-32_700, 'expected numbers within 2^53'),
  ],
  [
    'a lone surrogate',
    { body: rpc('{"name":"note","arguments":{"nonce":"\\ud800"}}') },
    400,
    json(-32_700, 'expected paired surrogates'),
  ],
  [
    'a prototype',
    { body: rpc('{"name":"note","arguments":{"__proto__":{}}}') },
    400,
    json(-32_700, 'unsafe member name'),
  ],
  [
    'depth',
    { body: rpc(`{"name":"note","arguments":{"nonce":${'['.repeat(500)}${']'.repeat(500)}}}`) },
    400,
    json(-32_700, 'the JSON is nested too deeply'),
  ],
  ['a batch', { body: `[${PING}]` }, 400, json(-32_600, 'batches are not supported')],
  ['no message', { body: '{"id":1}' }, 400, /"code":-32600/],
  [
    'an answer to nothing',
    { body: '{"jsonrpc":"2.0","id":1,"result":{}}' },
    400,
    json(-32_600, 'no request awaits this response'),
  ],
  [
    'an unknown method',
    { body: rpc('{}', 'tools/steal') },
    200,
    json(-32_601, 'method not found', 1),
  ],
  [
    'a cursor that nobody gave',
    { body: rpc('{"cursor":"2"}', 'tools/list') },
    200,
    json(-32_602, 'invalid cursor', 1),
  ],
  ['an unknown tool', { body: rpc('{"name":"none"}') }, 200, json(-32_602, 'unknown tool', 1)],
  ['a call of nothing', { body: rpc('{}') }, 200, json(-32_602, 'invalid parameters', 1)],
  [
    'a property that the schema does not know',
    { body: rpc('{"name":"note","arguments":{"nonce":"n","more":1}}') },
    200,
    json(-32_602, 'the arguments do not conform to the reviewed schema', 1),
  ],
  // the headers
  [
    'another content type',
    { headers: { 'content-type': 'text/plain' } },
    415,
    json(-32_000, 'expected `content-type: application/json`'),
  ],
  [
    'no content type',
    { headers: { 'content-type': undefined } },
    415,
    json(-32_000, 'expected `content-type: application/json`'),
  ],
  [
    'a header that names another method',
    { headers: { 'mcp-method': 'tools/list' } },
    400,
    json(-32_020, 'the request headers and the body disagree', 1),
  ],
  ['a revision of nobody', { headers: { 'mcp-protocol-version': '1999-01-01' } }, 400, /-32022/],
  ['another host', { headers: { host: 'evil.example' } }, 421, 'unknown host'],
  ['a foreign origin', { headers: { origin: 'https://evil.example' } }, 403, 'foreign origin'],
  ['the null origin', { headers: { origin: 'null' } }, 403, 'foreign origin'],
  // the method
  ['GET', { method: 'GET' }, 405, json(-32_000, 'method not allowed')],
  ['DELETE', { method: 'DELETE' }, 405, json(-32_000, 'method not allowed')],
  ['PUT', { method: 'PUT' }, 405, 'method not allowed'],
  // the path
  ['a server of nobody', { path: '/mcp/none' }, 401, ''],
  ['a path upwards', { path: '/mcp/counter/../counter' }, 404, 'not found'],
  ['an encoded path upwards', { path: '/mcp/%2e%2e' }, 404, 'not found'],
  ['an encoded slash', { path: '/mcp/x%2fcounter' }, 404, 'not found'],
  ['two slashes', { path: '//mcp/counter' }, 404, 'not found'],
  ['a slash too many', { path: '/mcp/counter/' }, 404, 'not found'],
  ['an encoded name', { path: '/mcp/%63ounter' }, 404, 'not found'],
  ['no encoding at all', { path: '/mcp/%ff' }, 404, 'not found'],
  ['an absolute target', { path: 'http://evil.example/mcp/counter' }, 404, 'not found'],
]

for (const [name, sent, status, body] of DOORS) {
  test(`at the door: ${name}`, async () => {
    const answer = await knock(sent)
    assert.equal(answer.status, status, answer.body)
    if (typeof body === 'string') assert.equal(answer.body, body)
    else assert.match(answer.body, body)
  })
}

/** What is wrong with credentials, given the right ones. */
type Forge = (token: string) => Promise<Sent['headers']> | Sent['headers']

const CREDENTIALS: readonly (readonly [string, Forge, string])[] = [
  ['no token', () => ({ authorization: undefined }), ''],
  ['a token twice', (token) => ({ authorization: [`DPoP ${token}`, `DPoP ${token}`] }), ''],
  ['no proof', () => ({ dpop: undefined }), 'invalid_dpop_proof'],
  [
    'a proof twice',
    (token) => ({
      dpop: [key.prove('POST', endpoint, token), key.prove('POST', endpoint, token)],
    }),
    'invalid_dpop_proof',
  ],
  ['a bearer', (token) => ({ authorization: `Bearer ${token}` }), 'invalid_token'],
  ['another scheme', () => ({ authorization: 'Basic YTpi' }), ''],
  ['a token that was altered', (token) => ({ authorization: `DPoP ${token}x` }), 'invalid_token'],
  [
    'a token without a signature',
    (token) => ({ authorization: `DPoP ${token.replace(/\.[^.]+$/, '.')}` }),
    'invalid_token',
  ],
  [
    'a token for another audience',
    async () => {
      const other = await access.token(`${server.url}/mcp`)
      return { authorization: `DPoP ${other}`, dpop: key.prove('POST', endpoint, other) }
    },
    'invalid_token',
  ],
  [
    'a proof for another method',
    (token) => ({ dpop: key.prove('GET', endpoint, token) }),
    'invalid_dpop_proof',
  ],
  [
    'a proof for another path',
    (token) => ({ dpop: key.prove('POST', `${server.url}/mcp`, token) }),
    'invalid_dpop_proof',
  ],
  ['a proof for no token', () => ({ dpop: key.prove('POST', endpoint) }), 'invalid_dpop_proof'],
  [
    'a proof of another key',
    (token) => {
      const other = newDpopKey(env)
      return { dpop: other.prove('POST', endpoint, token) }
    },
    'invalid_dpop_proof',
  ],
  [
    'a stale proof',
    (token) => {
      const clock = { ...systemClock, nowMilliseconds: () => Date.now() - 120_000 }
      return { dpop: dpopKey(privateKey, { ...env, clock }).prove('POST', endpoint, token) }
    },
    'invalid_dpop_proof',
  ],
]

for (const [name, forge, code] of CREDENTIALS) {
  test(`without authority: ${name}`, async () => {
    const headers = await forge(await access.token(endpoint))
    const answer = await knock(headers === undefined ? {} : { headers })
    assert.deepEqual({ status: answer.status, body: answer.body }, { status: 401, body: '' })
    const [, forDpop = ''] = answer.challenge.split(/\bDPoP /)
    assert.equal(/error="([^"]+)"/.exec(forDpop)?.[1] ?? '', code, answer.challenge)
    assert.match(answer.challenge, /resource_metadata="[^"]+\/mcp\/counter"/)
  })
}

test('without authority: a proof that was used before', async () => {
  const token = await access.token(endpoint)
  const dpop = key.prove('POST', endpoint, token)
  assert.equal((await knock({ headers: { dpop } })).status, 200)
  const again = await knock({ headers: { dpop } })
  assert.equal(again.status, 401)
  assert.match(again.challenge, /error="invalid_dpop_proof"/)
})
