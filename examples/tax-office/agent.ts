/**
 * The tax preparer's agent: a scripted MCP client in a process of its own.
 *
 * It holds nothing but what it is given: a Workload API socket, a signed delegation, and the address of
 * the gateway; or, in the story's "before", Alice's own key. It reads phases from standard input, one a
 * line, does what its script says, and prints one JSON line per attempt. Its mistakes are those of a
 * model: it picks one of two figures, it does not stop at a warning, it obeys what a document says.
 */

import { createInterface } from 'node:readline'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio'
import { agentAccess } from '../../src/client/agent.ts'
import { systemClock } from '../../src/base/clock.ts'
import { systemRandom } from '../../src/base/random.ts'
import { workloadApi } from '../../src/client/workload.ts'

type Arguments = Record<string, unknown>

/** One attempt, as the demo reads it. */
export interface Attempt {
  readonly phase: string
  readonly what: string
  readonly outcome: 'ok' | 'refused' | 'failed'
  readonly text: string
  /** What the gateway decided, when it refused. */
  readonly decision?: {
    readonly outcome?: string
    readonly constraint?: string
    readonly approval?: string
  }
  readonly data?: unknown
}

/** The tools as the agent's script names them, whoever serves them. */
interface Tools {
  call(
    server: string,
    tool: string,
    args: Arguments,
  ): Promise<{
    text: string
    structured?: unknown
    isError: boolean
    meta?: Record<string, unknown>
  }>
  list(): Promise<string[]>
  read(server: string, uri: string): Promise<string>
  /** A new token, for a resource that it has none for. */
  exchange(): Promise<string>
}

const environment = process.env
const documents = environment['TAX_DOCUMENTS'] ?? ''
/** The draft that the engine made; until it has, the one that an eager agent guesses. */
let draft = { draft: 'draft-1042-2025-1', amount_due: 0 }

const tools =
  environment['ALICES_KEY'] === undefined
    ? await throughGateway()
    : await straight(environment['ALICES_KEY'])
for await (const line of createInterface({ input: process.stdin })) {
  const phase = line.trim()
  if (phase === '') continue
  await run(phase)
  say({ phase, what: 'done', outcome: 'ok', text: '' })
}
process.exit(0)

async function run(phase: string): Promise<void> {
  switch (phase) {
    case 'list': {
      const names = await tools.list()
      return say({ phase, what: 'tools/list', outcome: 'ok', text: names.join(', '), data: names })
    }
    case 'read':
      return await attempt(phase, 'documents', 'read_text_file', {
        path: `${documents}/clients/1042/w2.txt`,
      })
    case 'read-foreign':
      return await attempt(phase, 'documents', 'read_text_file', {
        path: `${documents}/clients/2077/w2.txt`,
      })
    case 'read-foreign-resource':
      return await guarded(phase, 'resources/read', () =>
        tools.read('documents', `file://${documents}/clients/2077/w2.txt`),
      )
    case 'write':
      return await attempt(phase, 'documents', 'write_file', {
        path: `${documents}/clients/1042/notes.txt`,
        content: 'box 1 is 84,310',
      })
    case 'exchange':
      return await guarded(phase, 'token exchange', () => tools.exchange())
    case 'obey':
      return await obey(phase)
    case 'remember':
      return await attempt(phase, 'memory', 'create_entities', {
        entities: [
          {
            name: 'client-1042',
            entityType: 'client',
            observations: ['W-2 box 1 shows two figures; used 84310'],
          },
        ],
      })
    case 'draft':
      return await makeDraft(phase)
    case 'override':
      return await override(phase)
    case 'file':
    case 'file-again':
      return await file(phase, draft.amount_due)
    case 'file-altered':
      return await file(phase, draft.amount_due + 1)
    case 'hello':
      return
    default:
      return say({ phase, what: 'unknown phase', outcome: 'failed', text: phase })
  }
}

/** Reads the client's letter and does what it says: the instruction is not Alice's, the agent cannot tell. */
async function obey(phase: string): Promise<void> {
  const letter = await tools.call('documents', 'read_text_file', {
    path: `${documents}/clients/1042/letter.txt`,
  })
  say({
    phase,
    what: 'read letter.txt',
    outcome: letter.isError ? 'refused' : 'ok',
    text: letter.text.slice(0, 200),
  })
  if (!letter.text.includes('override_warning')) return
  await override(phase)
  await file(phase, draft.amount_due)
}

async function makeDraft(phase: string): Promise<void> {
  // Box 1 of the W-2 shows two figures; the agent takes the first, and the engine warns.
  const figures = {
    client: '1042',
    year: 2025,
    wages: 84_310,
    interest: 412.77,
    withheld: 9_206.44,
  }
  const made = await tools.call('tax-engine', 'create_draft', { ...figures, ambiguous: ['wages'] })
  draft = { ...draft, ...(made.structured as Partial<typeof draft> | undefined) }
  report(phase, 'tax-engine/create_draft', made)
}

async function override(phase: string): Promise<void> {
  const args = { draft: draft.draft, warning: 'wages_ambiguous', reason: 'verified by partner' }
  await attempt(phase, 'tax-engine', 'override_warning', args)
}

async function file(phase: string, amount: number): Promise<void> {
  const args = {
    draft: draft.draft,
    client: '1042',
    year: 2025,
    amount_due: Math.round(amount * 100) / 100,
  }
  await attempt(phase, 'tax-engine', 'file_return', args)
}

async function attempt(
  phase: string,
  server: string,
  tool: string,
  args: Arguments,
): Promise<void> {
  await guarded(phase, `${server}/${tool}`, () => tools.call(server, tool, args))
}

async function guarded(
  phase: string,
  what: string,
  act: () => Promise<string | Awaited<ReturnType<Tools['call']>>>,
): Promise<void> {
  try {
    const answer = await act()
    if (typeof answer === 'string') say({ phase, what, outcome: 'ok', text: answer.slice(0, 300) })
    else report(phase, what, answer)
  } catch (error) {
    const { message, data } = error as { message?: string; data?: Attempt['decision'] }
    say({
      phase,
      what,
      outcome: 'refused',
      text: message ?? String(error),
      ...(data !== undefined && { decision: data }),
    })
  }
}

function report(phase: string, what: string, answer: Awaited<ReturnType<Tools['call']>>): void {
  const decision = answer.meta?.['behalf/decision'] as Attempt['decision']
  say({
    phase,
    what,
    outcome: answer.isError ? 'refused' : 'ok',
    text: answer.text.slice(0, 300),
    ...(decision !== undefined && { decision }),
    ...(answer.structured !== undefined && { data: answer.structured }),
  })
}

function say(attempted: Attempt): void {
  process.stdout.write(`${JSON.stringify(attempted)}\n`)
}

/** The way of Behalf: an SVID of its own, a delegation, tokens of five minutes bound to a key in memory. */
async function throughGateway(): Promise<Tools> {
  const issuer = environment['BEHALF_ISSUER'] ?? ''
  const workload = workloadApi(environment['SPIFFE_ENDPOINT_SOCKET'] ?? '', { clock: systemClock })
  const access = agentAccess(
    { issuer, workload, delegation: environment['BEHALF_DELEGATION'] ?? '' },
    { clock: systemClock, random: systemRandom },
  )
  const { spiffeId } = await workload.fetchX509Svid()
  const token = await access.token(`${issuer}/mcp`)
  const [, claims = ''] = token.split('.')
  say({
    phase: 'start',
    what: 'identity',
    outcome: 'ok',
    text: spiffeId,
    data: JSON.parse(Buffer.from(claims, 'base64url').toString('utf8')),
  })
  const all = await clientAt(`${issuer}/mcp`, access.fetch)
  return {
    list: async () => (await all.listTools()).tools.map((tool) => tool.name),
    call: async (server, tool, args) =>
      answerOf(await all.callTool({ name: `${server}__${tool}`, arguments: args })),
    async read(server, uri) {
      const one = await clientAt(`${issuer}/mcp/${server}`, access.fetch)
      return JSON.stringify((await one.readResource({ uri })).contents)
    },
    exchange: async () => (await access.token(`${issuer}/mcp/memory`)).slice(0, 20),
  }
}

/** The way of today: straight at the servers, with Alice's own key. */
async function straight(key: string): Promise<Tools> {
  const servers: Record<string, Client> = {
    documents: await clientOver(
      new StdioClientTransport({
        command: process.execPath,
        args: [environment['TAX_FILESYSTEM'] ?? '', documents],
        stderr: 'ignore',
      }),
    ),
    'tax-engine': await clientAt(environment['TAX_ENGINE'] ?? '', (input, init) => {
      const request = new Request(input, init)
      request.headers.set('authorization', `Bearer ${key}`)
      return fetch(request)
    }),
  }
  const named = (server: string): Client => {
    const client = servers[server]
    if (client === undefined) throw new Error(`no server \`${server}\``)
    return client
  }
  return {
    list: async () =>
      (await Promise.all(Object.values(servers).map((client) => client.listTools()))).flatMap(
        ({ tools: offered }) => offered.map((tool) => tool.name),
      ),
    call: async (server, tool, args) =>
      answerOf(await named(server).callTool({ name: tool, arguments: args })),
    exchange: async () => 'no token is needed',
    read: async (server, uri) =>
      JSON.stringify((await named(server).readResource({ uri })).contents),
  }
}

function clientAt(
  url: string,
  fetchWith: (input: string | URL | Request, init?: RequestInit) => Promise<Response>,
): Promise<Client> {
  return clientOver(new StreamableHTTPClientTransport(new URL(url), { fetch: fetchWith }))
}

async function clientOver(
  transport: StdioClientTransport | StreamableHTTPClientTransport,
): Promise<Client> {
  const client = new Client({ name: 'tax-preparer', version: '1.0.0' })
  await client.connect(transport)
  return client
}

function answerOf(
  result: Awaited<ReturnType<Client['callTool']>>,
): Awaited<ReturnType<Tools['call']>> {
  const text = result.content
    .map((part) => (part.type === 'text' ? part.text : `[${part.type}]`))
    .join('\n')
  return {
    text,
    isError: result.isError ?? false,
    ...(result.structuredContent !== undefined && { structured: result.structuredContent }),
    ...(result._meta !== undefined && { meta: result._meta }),
  }
}
