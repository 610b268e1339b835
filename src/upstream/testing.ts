/** Servers and environments for tests of this folder. */

import { chmod, mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { JsonObject } from '../base/canonical-json.ts'
import { systemClock } from '../base/clock.ts'
import { silentDiagnostics } from '../base/diagnostics.ts'
import type { WireEnv } from './open-wire.ts'
import type { ServerTier, Transport } from '../registry/server.ts'
import type { UpstreamServer } from './server.ts'
import { openUpstreams, type Upstreams } from './upstreams.ts'

/** Upstreams that are closed after the test; in T0 unless `env` says where bubblewrap is. */
export function testUpstreams(t: TestContext, env: Partial<WireEnv> = {}): Upstreams {
  const upstreams = openUpstreams({
    clock: systemClock,
    diagnostics: silentDiagnostics,
    nodePath: process.execPath,
    bubblewrapPath: '/nowhere/bwrap',
    own: { issuer: 'http://127.0.0.1:8787' },
    client: { name: 'behalf', version: '0.0.0' },
    credential: () => Promise.resolve(undefined),
    ...env,
  })
  t.after(() => upstreams.close())
  return upstreams
}

/** A reviewed server. */
export function serverOf(transport: Transport, more: Partial<UpstreamServer> = {}): UpstreamServer {
  return {
    id: 'srv_test',
    state: 'reviewed',
    revision: 1,
    transport,
    timeoutMilliseconds: 20_000,
    outputLimitBytes: 1_000_000,
    ...more,
  }
}

/** Bounds that a test does not reach. */
export function options(more: Partial<CallBounds> = {}): CallBounds {
  return {
    signal: new AbortController().signal,
    timeoutMilliseconds: 20_000,
    outputLimitBytes: 1_000_000,
    tier: 'any',
    ...more,
  }
}

interface CallBounds {
  readonly tier: ServerTier | 'any'
  readonly signal: AbortSignal
  readonly timeoutMilliseconds: number
  readonly outputLimitBytes: number
}

/** A call of a tool. */
export function tool(
  name: string,
  args: JsonObject = {},
): { method: 'tools/call'; params: JsonObject } {
  return { method: 'tools/call', params: { name, arguments: args } }
}

/** A folder that a jail's user may enter, with `work` in it that it may write. */
export async function testFolder(t: TestContext): Promise<string> {
  const root = await realpath(await mkdtemp(join(tmpdir(), 'behalf-upstream-')))
  t.after(async () => await rm(root, { recursive: true }))
  await chmod(root, 0o755)
  await mkdir(join(root, 'work'))
  await chmod(join(root, 'work'), 0o777)
  return root
}

/**
 * A stdio server of the session era whose tools misbehave as they are called; `log` tells what it has received.
 * With `--mute` it answers nothing.
 */
export async function badServer(t: TestContext, ...flags: string[]): Promise<Transport> {
  const root = await testFolder(t)
  const file = join(root, 'bad-server.mjs')
  await writeFile(file, BAD_SERVER)
  const work = join(root, 'work')
  return { type: 'stdio', command: 'node', args: [file, work, ...flags], readWrite: [work] }
}

const BAD_SERVER = `
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
const [work, ...flags] = process.argv.slice(2)
const log = work + '/log'
appendFileSync(log, 'started\\n')
const send = (message) => process.stdout.write(JSON.stringify({ jsonrpc: '2.0', ...message }) + '\\n')
const text = (text) => ({ content: [{ type: 'text', text }] })
let asking
const answers = []
const tools = {
  log: (id) => send({ id, result: text(readFileSync(log, 'utf8')) }),
  hang: () => {},
  die: () => process.exit(3),
  answerAndDie: (id) => { send({ id, result: text('last words') }); process.exit(0) },
  big: (id) => send({ id, result: text('x'.repeat(2_000_000)) }),
  bigIdLast: (id) => process.stdout.write(JSON.stringify({ result: text('x'.repeat(2_000_000)), jsonrpc: '2.0', id }) + '\\n'),
  duplicate: (id) => process.stdout.write('{"jsonrpc":"2.0","id":' + id + ',"result":{"a":1,"a":2}}\\n'),
  noise: (id) => { process.stdout.write('starting up...\\n\\n[]\\n'); send({ id: 999, result: {} }); send({ id, result: text('after the noise') }) },
  error: (id) => send({ id, error: { code: -32602, message: 'no' } }),
  toolError: (id) => send({ id, result: { ...text('no'), isError: true } }),
  incomplete: (id) => send({ id, result: { resultType: 'input_required', inputRequests: {} } }),
  twice: (id) => { send({ id, result: text('first') }); send({ id, result: text('second') }) },
  ask: (id) => {
    asking = id
    for (const [at, method] of ['ping', 'sampling/createMessage', 'elicitation/create', 'roots/list', 'x'].entries())
      send({ id: 'q' + at, method, params: {} })
  },
  changed: (id) => { send({ method: 'notifications/tools/list_changed' }); send({ id, result: text('ok') }) },
  flood: () => { for (let i = 0; i < 20_000; i++) send({ method: 'notifications/message', params: {} }) },
}
const lists = {
  'tools/list': ({ cursor }) => flags.includes('--circle') ? { tools: [{ name: 'a' }], nextCursor: 'again' }
    : flags.includes('--endless') ? { tools: [], nextCursor: String(Number(cursor ?? 0) + 1) }
    : flags.includes('--odd') ? { tools: ['a'] }
    : cursor === undefined ? { tools: [{ name: 'a' }], nextCursor: '2' } : { tools: [{ name: 'b' }] },
}
createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method, params, result, error } = JSON.parse(line)
  if (flags.includes('--mute')) return
  appendFileSync(log, (method ?? 'answer') + '\\n')
  if (method === undefined) {
    answers.push(error?.code ?? result)
    if (answers.length === 5) send({ id: asking, result: { ...text(''), structuredContent: { answers } } })
  } else if (method === 'initialize')
    send({ id, result: { protocolVersion: flags.includes('--future') ? '2099-01-01' : '2025-06-18', capabilities: { tools: {} }, serverInfo: { name: 'bad', version: '1' }, instructions: 'Be good.' } })
  else if (method === 'tools/call') tools[params.name](id)
  else if (lists[method]) send({ id, result: lists[method](params) })
  else if (id !== undefined) send({ id, error: { code: -32601, message: 'Method not found' } })
})
`

/** An HTTP server that answers with `handle`; gives its URL. */
export async function httpServer(
  t: TestContext,
  handle: (body: JsonObject, request: IncomingMessage, response: ServerResponse) => void,
): Promise<string> {
  const server = createServer((request, response) => {
    void bodyOf(request).then((body) => handle(body, request, response))
  })
  server.listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  const address = server.address()
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/mcp`
}

async function bodyOf(request: IncomingMessage): Promise<JsonObject> {
  let text = ''
  for await (const chunk of request) text += String(chunk)
  return text === '' ? {} : (JSON.parse(text) as JsonObject)
}
