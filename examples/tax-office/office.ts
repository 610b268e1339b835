/** The tax office: people, groups, policies, servers. `openOffice` sets it up, or finds it set up. */

import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { Input, OperationName, Output } from '../../src/api/operations.ts'
import { type Client, connect } from '../../src/client/client.ts'

/** Where things lie and run. */
export interface Place {
  readonly url: string
  readonly documents: string
  readonly memory: string
  readonly taxEngine: string
  /** The key that the tax engine wants: Alice's own before, an upstream credential afterwards. */
  readonly taxEngineKey: string
}

/** The people of the office, signed in. */
export interface Office {
  readonly administrator: Client
  readonly alice: Client
  readonly paul: Client
  readonly sam: Client
  /** The sessions behind them, to sign in again with. */
  readonly sessions: Readonly<Record<string, string>>
}

const modules = join(import.meta.dirname, '../../node_modules')

/** The office as a former run left it; undefined when its sessions have ended. */
export async function findOffice(
  url: string,
  sessions: Readonly<Record<string, string>>,
): Promise<Office | undefined> {
  const named = (name: string): Client => connect({ url, session: sessions[name] ?? '' })
  const office = {
    administrator: named('administrator'),
    alice: named('alice'),
    paul: named('paul'),
    sam: named('sam'),
    sessions,
  }
  const known = await office.administrator.call('showSession', {})
  return known.ok ? office : undefined
}

/** Sets the office up in an empty installation; `code` makes the first administrator. */
export async function openOffice(place: Place, code: string): Promise<Office> {
  const sessions: Record<string, string> = {}
  const signIn = async (name: string, oneTimeCode: string): Promise<Client> => {
    const { token } = await must(connect({ url: place.url }), 'signIn', { code: oneTimeCode })
    sessions[name] = token
    return connect({ url: place.url, session: token })
  }
  const administrator = await signIn('administrator', code)
  const people = [
    ['alice', 'Alice Ames', 'preparers'],
    ['paul', 'Paul Okri', 'partners'],
    ['sam', 'Sam Sand', 'interns'],
  ] as const
  for (const [handle, name, group] of people) {
    await must(administrator, 'createPerson', { handle, name })
    await must(administrator, 'createGroup', { name: group })
    await must(administrator, 'addMember', { id: group, person: handle })
  }
  await must(administrator, 'setRotation', {
    id: 'partners',
    members: ['paul'],
    start: '2026-01-05T09:00:00',
    timeZone: 'America/Chicago',
    shift: 'P7D',
  })
  await must(administrator, 'createArchetype', {
    name: 'tax-preparer',
    description: 'Prepares tax returns from client documents.',
    owner: 'partners',
  })
  await must(administrator, 'activatePolicies', {
    sets: policiesIn(join(import.meta.dirname, 'policies')),
  })
  await registerServers(administrator, place)
  const codeOf = async (handle: string): Promise<string> =>
    (await must(administrator, 'issueCode', { id: handle })).code
  const [alice, paul, sam] = [
    await signIn('alice', await codeOf('alice')),
    await signIn('paul', await codeOf('paul')),
    await signIn('sam', await codeOf('sam')),
  ]
  return { administrator, alice, paul, sam, sessions }
}

/** What an operation answers; the demo cannot go on when it is refused. */
export async function must<N extends OperationName>(
  client: Client,
  name: N,
  input: Input<N>,
): Promise<Output<N>> {
  const result = await client.call(name, input)
  if (result.ok) return result.value
  throw new Error(`\`${name}\` was refused: ${result.error.message}`)
}

function policiesIn(folder: string): Record<string, string> {
  return Object.fromEntries(
    readdirSync(folder).map((file) => [
      basename(file, '.cedar'),
      readFileSync(join(folder, file), 'utf8'),
    ]),
  )
}

type Review = Input<'reviewServer'>['tools'][number]

const FILESYSTEM: readonly Review[] = [
  ...['read_text_file', 'list_directory', 'get_file_info'].map((name): Review => ({
    name,
    class: 'read',
    consequential: false,
    sinks: [{ path: 'path', kind: 'path' }],
  })),
  {
    name: 'write_file',
    class: 'write',
    consequential: true,
    sinks: [{ path: 'path', kind: 'path' }],
  },
]
const MEMORY: readonly Review[] = [
  ...['read_graph', 'search_nodes', 'open_nodes'].map((name): Review => ({
    name,
    class: 'read',
    consequential: false,
  })),
  ...['create_entities', 'add_observations'].map((name): Review => ({
    name,
    class: 'write',
    consequential: false,
  })),
]
const TAX_ENGINE: readonly Review[] = [
  { name: 'create_draft', class: 'write', consequential: false, warnings: 'warnings' },
  { name: 'override_warning', class: 'destructive', consequential: true },
  {
    name: 'file_return',
    class: 'money',
    consequential: true,
    sinks: [
      { path: 'client', kind: 'id' },
      { path: 'amount_due', kind: 'amount' },
    ],
  },
  { name: 'status', class: 'read', consequential: false },
]

/** The program of a server that comes from npm. */
function program(name: string): string {
  return join(modules, '@modelcontextprotocol', name, 'dist/index.js')
}

async function registerServers(administrator: Client, place: Place): Promise<void> {
  await register(
    administrator,
    {
      name: 'documents',
      title: 'Client documents',
      transport: {
        type: 'stdio',
        command: 'node',
        args: [program('server-filesystem'), place.documents],
        readWrite: [place.documents],
      },
    },
    FILESYSTEM,
  )
  await register(
    administrator,
    {
      name: 'memory',
      title: 'Case memory',
      transport: {
        type: 'stdio',
        command: 'node',
        args: [program('server-memory')],
        env: { MEMORY_FILE_PATH: join(place.memory, 'memory.jsonl') },
        readWrite: [place.memory],
      },
    },
    MEMORY,
  )
  await must(administrator, 'registerServer', {
    name: 'tax-engine',
    title: 'Tax engine',
    transport: { type: 'http', url: place.taxEngine, credential: 'office' },
  })
  await must(administrator, 'setCredential', {
    id: 'tax-engine',
    name: 'office',
    value: place.taxEngineKey,
  })
  await review(administrator, 'tax-engine', TAX_ENGINE)
}

async function register(
  administrator: Client,
  server: Input<'registerServer'>,
  tools: readonly Review[],
): Promise<void> {
  await must(administrator, 'registerServer', server)
  await review(administrator, server.name, tools)
}

/** What a reviewer does: looks at everything that the server offers, and accepts exactly that. */
async function review(administrator: Client, id: string, tools: readonly Review[]): Promise<void> {
  const { definitions } = await must(administrator, 'observeServer', { id })
  const digests = Object.fromEntries(
    definitions.map((each) => [`${each.kind}:${each.name}`, each.digest]),
  )
  await must(administrator, 'reviewServer', { id, tools: [...tools], digests })
}
