/**
 * The bridge between real processes: `behalf connect` writes a client's file, the official client starts
 * what stands in it, and the log says who acted (DESIGN §4.12).
 */

import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect as connectSocket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { spawn } from 'node:child_process'
import { type CallToolResult, Client } from '@modelcontextprotocol/client'
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio'
import { Client as OldClient } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport as OldTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import * as z from 'zod'
import type { Output } from '../src/api/operations.ts'
import type { Client as Api } from '../src/client/client.ts'
import { systemClock } from '../src/base/clock.ts'
import { addServer, must } from '../scripts/set-up.ts'
import { startServer, type RunningServer } from '../scripts/start-server.ts'
import { openCoders } from './coders.ts'
import { runCommand } from './run-command.ts'

const root = join(import.meta.dirname, '..')
const asRoot = process.getuid?.() === 0

let home = ''
let server: RunningServer
let administrator: Api
let connection = ''
let delegation = ''
let started: { command: string; args: string[] }

before(async () => {
  home = mkdtempSync(join(tmpdir(), 'behalf-bridge-'))
  // As root the servers run as somebody who has to get here.
  chmodSync(home, 0o755)
  mkdirSync(join(home, 'papers'), { mode: 0o755 })
  writeFileSync(join(home, 'papers/w2.txt'), 'box 1: 84,310\n')
  server = await startServer({ home })
  const opened = await openCoders(server)
  administrator = opened.administrator
  await reviewed('papers', 'server-filesystem', [join(home, 'papers')], {
    read_text_file: [{ path: 'path', kind: 'path' }],
  })
  await reviewed('slow', 'server-everything', [], {
    'trigger-long-running-operation': [],
    echo: [],
  })
  writeFileSync(
    join(home, 'intent.json'),
    JSON.stringify([
      {
        type: 'mcp_call',
        locations: ['papers'],
        actions: ['tools/call:read_text_file'],
        arguments: { read_text_file: { path: { prefix: join(home, 'papers') } } },
      },
      {
        type: 'mcp_call',
        locations: ['slow'],
        actions: ['tools/call:trigger-long-running-operation', 'tools/call:echo'],
      },
    ]),
  )
  const ran = await behalf(
    `--json connect claude --archetype coder --details ${home}/intent.json --write --folder ${home}/project`,
    { BEHALF_SESSION: opened.session },
  )
  assert.equal(ran.status, 0, ran.output)
  const made = JSON.parse(ran.output) as { id: string; delegation: string; file: string }
  connection = made.id
  delegation = made.delegation
  const file = z.object({
    mcpServers: z.object({
      behalf: z.object({ command: z.string(), args: z.array(z.string()) }),
    }),
  })
  started = file.parse(JSON.parse(readFileSync(made.file, 'utf8'))).mcpServers.behalf
})

after(async () => {
  await server.stop()
  rmSync(home, { recursive: true, force: true })
})

async function reviewed(
  name: string,
  program: string,
  args: readonly string[],
  tools: Readonly<Record<string, { path: string; kind: 'path' }[]>>,
): Promise<void> {
  const script = join(root, 'node_modules/@modelcontextprotocol', program, 'dist/index.js')
  await addServer(
    administrator,
    {
      name,
      title: name,
      transport: { type: 'stdio', command: 'node', args: [script, ...args], readOnly: [...args] },
    },
    Object.entries(tools).map(([tool, sinks]) => ({
      name: tool,
      class: 'read',
      consequential: false,
      sinks,
    })),
  )
}

/** Runs a command line with nothing of ours in its environment but what is given. */
function behalf(
  line: string,
  environment: Readonly<Record<string, string>> = {},
): ReturnType<typeof runCommand> {
  return runCommand(`${root}/bin/behalf ${line}`, {
    PATH: process.env['PATH'] ?? '',
    HOME: home,
    BEHALF_URL: server.url,
    ...environment,
  })
}

interface Opened {
  readonly client: Client
  readonly stderr: () => string
  readonly agent: () => string
}

/** A window of the client: starts what stands in its file. */
async function openWindow(mode?: 'auto' | { pin: string }): Promise<Opened> {
  const client = new Client(
    { name: 'window', version: '1.0.0' },
    mode === undefined ? {} : { versionNegotiation: { mode } },
  )
  const transport = new StdioClientTransport({ ...started, stderr: 'pipe', env: plain() })
  let said = ''
  transport.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString('utf8')))
  await client.connect(transport)
  return { client, stderr: () => said, agent: () => agentIn(said) }
}

function plain(): Record<string, string> {
  return { PATH: process.env['PATH'] ?? '', HOME: home }
}

function agentIn(said: string): string {
  return `agt_${/agent\/coder\/([0-9a-f-]{36})/.exec(said)?.[1]}`
}

async function read(client: Client): Promise<string> {
  const result = await client.callTool({
    name: 'papers__read_text_file',
    arguments: { path: join(home, 'papers/w2.txt') },
  })
  const [part] = result.content
  return part?.type === 'text' ? part.text : ''
}

async function stateOf(agent: string): Promise<string> {
  return (await must(administrator, 'showAgent', { id: agent })).state
}

/** Waits until the log has brought about what was asked for. */
async function until(holds: () => Promise<boolean> | boolean): Promise<void> {
  for (let i = 0; i < 200; i++) {
    if (await holds()) return
    await systemClock.sleep(50)
  }
  assert.fail('expected it to become true')
}

/** Everything that the log holds. */
async function logged(): Promise<Record<string, unknown>[]> {
  const all: Record<string, unknown>[] = []
  for (let from: number | null = 0; from !== null;) {
    const page: Output<'logEntries'> = await must(administrator, 'logEntries', { from })
    all.push(...page.entries.map(({ entry }) => entry))
    from = page.next
  }
  return all
}

async function chains(): Promise<string[][]> {
  const calls = (await logged()).filter(({ kind }) => kind === 'call_intended')
  return calls.map(({ agents }) => agents as string[])
}

/** Calls whose outcome is not recorded yet. */
async function openCalls(): Promise<number> {
  const kinds = (await logged()).map(({ kind }) => kind)
  const count = (kind: string): number => kinds.filter((one) => one === kind).length
  return count('call_intended') - count('call_outcome')
}

test('two windows of one client are two agents, with two act chains in the log', async () => {
  const [one, two] = [await openWindow(), await openWindow()]
  assert.equal(await read(one.client), 'box 1: 84,310\n')
  assert.equal(await read(two.client), 'box 1: 84,310\n')
  assert.notEqual(one.agent(), two.agent())
  const client = (await must(administrator, 'showAgent', { id: one.agent() })).parent ?? ''
  assert.deepEqual(await chains(), [
    [one.agent(), client],
    [two.agent(), client],
  ])
  await one.client.close()
  await until(async () => (await stateOf(one.agent())) === 'ended')
  assert.equal(await stateOf(two.agent()), 'active')
  assert.equal(await read(two.client), 'box 1: 84,310\n')
  await two.client.close()
  await until(async () => (await stateOf(two.agent())) === 'ended')
})

test('both eras pass: lists, calls, refusals, pings, unknown methods', async () => {
  for (const mode of [undefined, 'auto', { pin: '2026-07-28' }] as const) {
    const { client } = await openWindow(mode)
    const modern = mode !== undefined
    assert.equal(client.getNegotiatedProtocolVersion(), modern ? '2026-07-28' : '2025-11-25')
    assert.equal(client.getServerVersion()?.name, 'behalf')
    const { tools } = await client.listTools()
    assert.deepEqual(tools.map(({ name }) => name).toSorted(), [
      'behalf__answer_turn',
      'behalf__fetch_turn',
      'behalf__list_turns',
      'papers__read_text_file',
      'slow__echo',
      'slow__trigger-long-running-operation',
    ])
    assert.deepEqual((await client.listResources()).resources, [])
    assert.deepEqual((await client.listPrompts()).prompts, [])
    assert.equal(await read(client), 'box 1: 84,310\n')
    // Line separators that are no line ends, and what a shell would act on.
    const message = 'a\u2028b\u2029c\r\n"\\\u0007 ü 🚀'
    const echoed = await client.callTool({ name: 'slow__echo', arguments: { message } })
    assert.deepEqual(echoed.content, [{ type: 'text', text: `Echo: ${message}` }])
    const refused = await client.callTool({
      name: 'papers__read_text_file',
      arguments: { path: '/etc/passwd' },
    })
    assert.equal(refused.isError, true)
    const decision = refused._meta?.['behalf/decision'] as { constraint?: string }
    assert.equal(decision.constraint, 'intent')
    await assert.rejects(client.callTool({ name: 'papers__write_file', arguments: {} }), /./)
    await assert.rejects(client.callTool({ name: 'nothing' }), { code: -32_602 })
    if (!modern) await client.ping()
    // Many at once, each with its own answer.
    const all = await Promise.all(Array.from({ length: 20 }, () => read(client)))
    assert.deepEqual(new Set(all), new Set(['box 1: 84,310\n']))
    await client.close()
  }
})

test('a window answers in a conversation that its person began with it, to those who may know what it read', async () => {
  const { client } = await openWindow()
  // The client checks results against the output schemas that it was shown.
  await client.listTools()
  const use = async (name: string, args: Record<string, unknown> = {}): Promise<CallToolResult> =>
    await client.callTool({ name: `behalf__${name}`, arguments: args })
  const none = await use('list_turns')
  const told = none.content[0]?.type === 'text' ? none.content[0].text : ''
  assert.equal(none.isError, true)
  const [, window = ''] = /behalf session create (dlg_\w+) /.exec(told) ?? []
  const { id } = await must(administrator, 'createConversation', {
    delegation: window,
    topic: 'the return',
  })
  const paul = { id, member: 'paul', role: 'member' } as const
  await must(administrator, 'inviteToConversation', paul)
  const [hello, reading] = [
    await must(administrator, 'askConversation', { id, question: 'are you there?' }),
    await must(administrator, 'askConversation', { id, question: 'what is in the W-2?' }),
  ]
  const { turns } = (await use('list_turns')).structuredContent as { turns: { turn: string }[] }
  assert.deepEqual(
    turns.map(({ turn }) => turn),
    [hello.turn, reading.turn],
  )
  const fetched = (await use('fetch_turn', { turn: reading.turn })).structuredContent as {
    digest: string
    messages: { content: string }[]
  }
  assert.equal(fetched.digest, reading.envelopes)
  assert.match(
    fetched.messages.at(-1)?.content ?? '',
    /instruction utterance by .*: "what is in the W-2\?"$/,
  )
  const audience = async (turn: string, text: string): Promise<number> => {
    const { structuredContent } = await use('answer_turn', { turn, text })
    return (structuredContent as { audience: string[] }).audience.length
  }
  assert.equal(await audience(hello.turn, 'yes'), 2)
  // Paul did not ask, so the call is not put to the policy for him.
  assert.equal(await audience(reading.turn, await read(client)), 1)
  const again = await use('answer_turn', { turn: reading.turn, text: 'again' })
  assert.equal(again.isError, true)
  const verified = await must(administrator, 'verifyConversation', { id })
  assert.deepEqual([verified.holds, verified.faults], [true, []])
  await client.close()
})

test('a client of the SDK before works as well', async () => {
  const client = new OldClient({ name: 'old', version: '1.0.0' })
  await client.connect(new OldTransport({ ...started, stderr: 'ignore', env: plain() }))
  assert.equal(client.getServerVersion()?.name, 'behalf')
  await client.ping()
  assert.equal((await client.listTools()).tools.length, 6)
  await client.close()
})

test('a cancelled call is cancelled at the server, and the next one goes through', async () => {
  const { client } = await openWindow()
  const leaving = new AbortController()
  const slow = client.callTool(
    { name: 'slow__trigger-long-running-operation', arguments: { duration: 30, steps: 30 } },
    { signal: leaving.signal },
  )
  const refused = assert.rejects(slow, /cancel|abort/i)
  await until(async () => (await chains()).length > 0 && (await openCalls()) === 1)
  leaving.abort(new Error('cancelled by the person'))
  await refused
  await until(async () => (await openCalls()) === 0)
  assert.equal(await read(client), 'box 1: 84,310\n')
  await client.close()
})

test('what is no message is answered, under its own id where it has one', async () => {
  const lines = [
    '{"jsonrpc":"2.0","id":1,"method":"ping"}',
    'nonsense',
    '[{"jsonrpc":"2.0","id":2,"method":"ping"}]',
    '{"jsonrpc":"2.0","id":"three","method":"ping","method":"tools/list"}',
    '{"jsonrpc":"2.0","id":4,"method":"ping","params":{"n":9007199254740993}}',
    '',
    '{"jsonrpc":"2.0","id":5,"method":"no/such"}',
    '{"jsonrpc":"2.0","method":"notifications/initialized"}',
    '{"jsonrpc":"2.0","id":6,"result":{}}',
    `{"jsonrpc":"2.0","id":7,"method":"ping","params":{"x":"${'y'.repeat(1_100_000)}"}}`,
    '{"jsonrpc":"2.0","id":8,"method":"ping"}',
  ]
  const { status, output } = await piped(`${lines.join('\n')}\n`)
  assert.equal(status, 0)
  const answers = output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { id: unknown; error?: { code: number; message: string } })
  const told = answers.map(({ id, error }) => [id, error?.code ?? 'ok', error?.message ?? ''])
  assert.deepEqual(
    told.toSorted((a, b) => String(a[0]).localeCompare(String(b[0]))),
    [
      [1, 'ok', ''],
      [4, -32_700, 'expected numbers within 2^53'],
      [5, -32_601, 'method not found'],
      [7, -32_000, 'the request is too large'],
      [8, 'ok', ''],
      [null, -32_700, 'expected JSON'],
      [null, -32_600, 'batches are not supported'],
      ['three', -32_700, 'expected each member once'],
    ],
  )
})

/** Runs the bridge on a text; its standard output. */
async function piped(text: string): Promise<{ status: number | null; output: string }> {
  const child = spawn(started.command, started.args, {
    env: plain(),
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString('utf8')))
  child.stdin.end(text)
  const status = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { status, output }
}

for (const how of ['stop', 'kill'] as const) {
  test(`a window outlives a server that goes by ${how}`, async () => {
    const window = await openWindow()
    assert.equal(await read(window.client), 'box 1: 84,310\n')
    const port = Number(new URL(server.url).port)
    await server[how]()
    await assert.rejects(read(window.client), /unavailable/)
    server = await startServer({ home, port })
    // It is the same window: the same agent goes on.
    await until(async () => (await read(window.client).catch(() => '')) !== '')
    assert.equal((await chains()).at(-1)?.[0], window.agent())
    assert.equal(await stateOf(window.agent()), 'active')
    await window.client.close()
    await until(async () => (await stateOf(window.agent())) === 'ended')
  })
}

test('the door takes nothing but its protocol', async () => {
  const door = join(home, 'installation/bridge.sock')
  const cases: readonly (readonly [name: string, line: string, want: string])[] = [
    ['nonsense', 'nonsense\n', '{"refused":"bad_request","message":"expected a connection"}\n'],
    ['an unknown member', '{"open":"con_1","x":1}\n', '{"refused":"bad_request",…'],
    ['no identifier', '{"open":"con_1"}\n', '{"refused":"bad_request",…'],
    [
      'an unknown connection',
      '{"open":"con_01m7y0yz58e85bc992fmyqewhh"}\n',
      '{"refused":"unknown_connection"}\n',
    ],
    [
      'the window of nobody',
      `{"resume":"agt_00000000-0000-4000-8000-000000000000","connection":"${connection}"}\n`,
      '{"refused":"unknown_window"}\n',
    ],
    ['too much', 'x'.repeat(100_000), ''],
  ]
  for (const [name, line, want] of cases) {
    const heard = await new Promise<string>((resolve) => {
      let text = ''
      const socket = connectSocket(door, () => socket.write(line))
      socket.on('data', (chunk) => (text += chunk.toString('utf8')))
      socket.on('error', () => undefined)
      socket.once('close', () => resolve(text))
    })
    if (want.endsWith('…')) assert(heard.startsWith(want.slice(0, -1)), name)
    else assert.equal(heard, want, name)
  }
  const taken = await openWindow()
  const hijacked = await new Promise<string>((resolve) => {
    const socket = connectSocket(door, () =>
      socket.write(`{"resume":"${taken.agent()}","connection":"${connection}"}\n`),
    )
    socket.once('data', (chunk) => resolve(chunk.toString('utf8')))
  })
  assert.equal(hijacked, '{"refused":"window_held"}\n')
  await taken.client.close()
})

test('another uid is refused', { skip: !asRoot && 'it takes root to be another uid' }, async () => {
  const details = JSON.parse(readFileSync(join(home, 'intent.json'), 'utf8')) as never
  const foreign = await must(administrator, 'createConnection', {
    client: 'claude',
    purpose: 'work in Claude Code',
    archetype: 'coder',
    uid: 12_345,
    expiresIn: 600,
    details,
  })
  const ran = await behalf(`bridge ${foreign.id} --door ${foreign.door} < /dev/null`)
  assert.deepEqual(ran, {
    status: 1,
    output:
      'behalf: refused: this process is not one that the connection was made for (not_attested)\n',
  })
  // The folder of the socket keeps everybody else out altogether.
  const other = spawn(started.command, started.args, {
    env: plain(),
    uid: 12_345,
    gid: 12_345,
    cwd: '/',
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  other.stderr.on('data', (chunk: Buffer) => (said += chunk.toString('utf8')))
  const status = await new Promise<number | null>((resolve) => other.once('close', resolve))
  assert.equal(status, 3, said)
  assert.match(said, /the installation belongs to another user/)
})

test('a suspended delegation refuses calls, and lets them go on when it is resumed', async () => {
  const { client } = await openWindow()
  assert.equal(await read(client), 'box 1: 84,310\n')
  await must(administrator, 'suspendDelegation', { id: delegation, reason: 'waiting' })
  await until(async () => (await read(client).catch(() => '')) !== 'box 1: 84,310\n')
  await must(administrator, 'resumeDelegation', { id: delegation })
  await until(async () => (await read(client).catch(() => '')) === 'box 1: 84,310\n')
  await client.close()
})

test('ending the connection ends its windows, and opens none any more', async () => {
  const [one, two] = [await openWindow(), await openWindow()]
  const closed = [one, two].map(
    ({ client }) =>
      new Promise<void>((resolve) => {
        // oxlint-disable-next-line unicorn/prefer-add-event-listener -- the client is no event target
        client.onclose = resolve
      }),
  )
  await must(administrator, 'endConnection', { id: connection })
  await Promise.all(closed)
  for (const window of [one, two]) {
    assert.equal(await stateOf(window.agent()), 'ended')
    assert.match(window.stderr(), /the installation ended this window/)
  }
  const again = await behalf(`${started.args.join(' ')} < /dev/null`)
  assert.deepEqual(
    [again.status, again.output],
    [1, 'behalf: refused: connection ended (connection_ended)\n'],
  )
  // Nothing of any window is left: no agent, no socket, no delegation that stands.
  const { agents } = await must(administrator, 'listAgents', { archetype: 'coder' })
  assert.deepEqual(
    agents.filter(({ parent, state }) => parent !== undefined && state !== 'ended'),
    [],
  )
})
