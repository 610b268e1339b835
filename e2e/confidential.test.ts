/**
 * What a review declares, end to end with a real MCP server: results that must not leave, sinks deep in the
 * arguments, and what is inferred where the reviewer says nothing.
 */

import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Client as McpClient, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { McpServer } from '@modelcontextprotocol/server'
import * as z from 'zod'
import { systemClock } from '../src/base/clock.ts'
import { systemRandom } from '../src/base/random.ts'
import { agentAccess } from '../src/client/agent.ts'
import type { Client } from '../src/client/client.ts'
import { workloadApi } from '../src/client/workload.ts'
import { type RunningServer, startServer } from '../scripts/start-server.ts'
import { must } from '../scripts/set-up.ts'
import { openClerks } from './clerks.ts'
import { startCountingServer, type CountingServer } from './counting-server.ts'
import { listen, type Listening } from './listen.ts'
import { runBehalf } from './run-command.ts'

const SALARY = 'Ann Miller earns 91,400 a year from January on'
const PAYROLL = 'the payroll of March lists Bertram Ostrowski with 77,120 and a loan'
const address = z.object({ email: z.string() })

const home = mkdtempSync(join(tmpdir(), 'behalf-confidential-'))
let counter: CountingServer
let office: Listening
let server: RunningServer
let administrator: Client
let session = ''
/** What was really sent. */
const sent: unknown[] = []

before(async () => {
  counter = await startCountingServer()
  office = await listen(() => {
    const mcp = new McpServer({ name: 'office', version: '1.0.0' })
    mcp.registerTool(
      'get_salary',
      { description: 'Says what somebody earns.', inputSchema: z.object({ who: z.string() }) },
      async () => text(SALARY),
    )
    mcp.registerTool(
      'send_email',
      {
        description: 'Sends an email.',
        inputSchema: z.object({
          message: z.object({ to: z.array(address), body: z.string() }),
          headers: z.record(z.string(), z.string()).optional(),
        }),
      },
      async (message) => {
        sent.push(message)
        return text('sent')
      },
    )
    mcp.registerResource('payroll', 'hr://payroll', {}, async (uri) => ({
      contents: [{ uri: uri.href, text: PAYROLL }],
    }))
    return mcp
  })
  server = await startServer({ home })
  const { url, code = '' } = server
  const opened = await openClerks({ url, code }, counter.url)
  administrator = opened.administrator
  session = opened.session
  await must(administrator, 'registerServer', {
    name: 'office',
    title: 'Office',
    transport: { type: 'http', url: office.url },
  })
})

after(async () => {
  await server.stop()
  await counter.close()
  await office.close()
  rmSync(home, { recursive: true, force: true })
})

function text(said: string): { content: { type: 'text'; text: string }[] } {
  return { content: [{ type: 'text', text: said }] }
}

/** The command line, as the administrator: what it says when all is well. */
async function behalf(...args: readonly string[]): Promise<string> {
  const { status, output } = await runBehalf(args, { home, url: server.url, session })
  assert.equal(status, 0, output)
  return output
}

type Draft = { tools: { name: string; class: string; sinks: unknown; consequential: boolean }[] }

/** An agent that may do whatever the office offers, asked for by these words. */
async function worker(purpose: string): Promise<McpClient> {
  const { url } = server
  const { id, socket = '' } = await must(administrator, 'createAgent', { archetype: 'clerk' })
  const { signed } = await must(administrator, 'delegate', {
    purpose,
    archetype: 'clerk',
    agent: id,
    details: [
      {
        type: 'mcp_call',
        locations: ['office'],
        actions: ['tools/call:get_salary', 'tools/call:send_email', 'resources/read'],
        arguments: {
          send_email: { 'message.to[].email': { any: true } },
          'resources/read': { uri: { any: true } },
        },
      },
    ],
    expiresIn: 3_600,
  })
  const workload = workloadApi(`unix://${socket}`, { clock: systemClock })
  const { privateKey: key } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const access = agentAccess(
    { issuer: url, workload, delegation: signed, key },
    { clock: systemClock, random: systemRandom },
  )
  const client = new McpClient({ name: 'worker', version: '1' })
  await client.connect(
    new StreamableHTTPClientTransport(new URL(`${url}/mcp/office`), { fetch: access.fetch }),
  )
  return client
}

/** `done`, or what was decided. */
async function call(
  client: McpClient,
  name: string,
  args: Record<string, unknown>,
): Promise<string> {
  const result = (await client.callTool({ name, arguments: args })) as {
    _meta?: Record<string, { outcome: string; constraint: string }>
  }
  const decision = result._meta?.['behalf/decision']
  return decision === undefined ? 'done' : `${decision.outcome} by ${decision.constraint}`
}

const mail = (to: string, body: string): Record<string, unknown> => ({
  message: { to: [{ email: to }], body },
})

test('a draft names the sinks in nested parameters; what the reviewer leaves out is inferred', async () => {
  const seen = await behalf('server', 'observe', 'office', '--draft', 'office.json')
  assert.match(seen, /send_email +egress +message\.to\[\]\.email \(email\)/)
  const draft = JSON.parse(readFileSync(join(home, 'office.json'), 'utf8')) as Draft
  const sinks = [{ path: 'message.to[].email', kind: 'email' }]
  assert.deepEqual(draft.tools, [
    { name: 'get_salary', class: 'destructive', consequential: true, sinks: [] },
    { name: 'send_email', class: 'destructive', consequential: true, sinks },
  ])
  const tools = [
    { name: 'get_salary', class: 'read', consequential: false },
    { name: 'send_email', class: 'egress', consequential: true },
  ]
  writeFileSync(join(home, 'review.json'), JSON.stringify({ ...draft, tools }))
  const review = ['server', 'review', 'office', '--file', 'review.json', '--confidential']
  const reviewed = await behalf(...review, 'get_salary')
  assert.match(reviewed, /get_salary +read +confidential/)
  assert.match(reviewed, /send_email +egress +consequential +message\.to\[\]\.email \(email\)/)
  await assert.rejects(behalf(...review, 'get_wages'), /get_wages/)
})

test('what is read as a resource is confidential once a review says so, and not before', async () => {
  const client = await worker('read the payroll, and write to bob@acme.example about it')
  const told = mail('bob@acme.example', `Bob, ${PAYROLL}`)
  const read = async (): Promise<unknown> =>
    (await client.readResource({ uri: 'hr://payroll' })).contents
  assert.deepEqual(await read(), [{ uri: 'hr://payroll', text: PAYROLL }])
  assert.equal(await call(client, 'send_email', told), 'done')
  const reviewed = await behalf(
    'server',
    'review',
    'office',
    '--file',
    'review.json',
    '--confidential',
    'get_salary',
    '--confidential-resources',
  )
  assert.match(reviewed, /resources: +confidential/)
  // What was read before was not confidential then; what is read now is.
  assert.equal(await call(client, 'send_email', told), 'done')
  await read()
  assert.equal(await call(client, 'send_email', told), 'approval_required by guardrail')
  const shouted = mail('bob@acme.example', PAYROLL.toUpperCase().replaceAll(' ', '\n'))
  assert.equal(await call(client, 'send_email', shouted), 'approval_required by guardrail')
  assert.equal(await call(client, 'send_email', mail('bob@acme.example', 'later')), 'done')
  await client.close()
})

test('what a confidential tool answered is not sent, however it is wrapped; what it did not say is', async () => {
  const client = await worker(
    'look up what Ann earns, and write to bob@acme.example that I will be late',
  )
  assert.equal(await call(client, 'send_email', mail('bob@acme.example', 'I will be late')), 'done')
  assert.equal(await call(client, 'get_salary', { who: 'Ann' }), 'done')
  assert.equal(await call(client, 'send_email', mail('bob@acme.example', 'I am on my way')), 'done')
  const made = sent.length
  const wrapped = [
    `News: ${SALARY}`,
    JSON.stringify({ note: [SALARY] }),
    Buffer.from(SALARY).toString('base64'),
    SALARY.toUpperCase().replaceAll(' ', '\n'),
  ]
  for (const body of wrapped) {
    const said = await call(client, 'send_email', mail('bob@acme.example', body))
    assert.equal(said, 'approval_required by guardrail', body)
  }
  const named = { ...mail('bob@acme.example', 'see the headers'), headers: { [SALARY]: 'x' } }
  assert.equal(await call(client, 'send_email', named), 'approval_required by guardrail')
  assert.equal(sent.length, made)
  await client.close()
})

test('an address deep in the arguments is a sink like any other', async () => {
  const client = await worker('write to bob@acme.example that I will be late')
  const made = sent.length
  const evil = await call(client, 'send_email', mail('eve@evil.example', 'I will be late'))
  assert.equal(evil, 'approval_required by guardrail')
  const both = {
    message: { to: [{ email: 'bob@acme.example' }, { email: 'eve@evil.example' }], body: 'x' },
  }
  assert.equal(await call(client, 'send_email', both), 'approval_required by guardrail')
  assert.equal(sent.length, made)
  await client.close()
})
