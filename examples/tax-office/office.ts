/** The tax office: people, groups, policies, servers. `openOffice` sets it up, or finds it set up. */

import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import {
  addServer,
  addStaff,
  must,
  reviewServer,
  signIn,
  type ToolReview,
} from '../../scripts/set-up.ts'
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
  const enter = async (name: string, oneTimeCode = ''): Promise<Client> => {
    const { client, session } = await signIn(place.url, oneTimeCode)
    sessions[name] = session
    return client
  }
  const administrator = await enter('administrator', code)
  const codes = await addStaff(administrator, [
    ['alice', 'Alice Ames', 'preparers'],
    ['paul', 'Paul Okri', 'partners'],
    ['sam', 'Sam Sand', 'interns'],
  ])
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
  const [alice, paul, sam] = [
    await enter('alice', codes.get('alice')),
    await enter('paul', codes.get('paul')),
    await enter('sam', codes.get('sam')),
  ]
  return { administrator, alice, paul, sam, sessions }
}

function policiesIn(folder: string): Record<string, string> {
  return Object.fromEntries(
    readdirSync(folder).map((file) => [
      basename(file, '.cedar'),
      readFileSync(join(folder, file), 'utf8'),
    ]),
  )
}

const FILESYSTEM: readonly ToolReview[] = [
  ...['read_text_file', 'list_directory', 'get_file_info'].map((name): ToolReview => ({
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
const MEMORY: readonly ToolReview[] = [
  ...['read_graph', 'search_nodes', 'open_nodes'].map((name): ToolReview => ({
    name,
    class: 'read',
    consequential: false,
  })),
  ...['create_entities', 'add_observations'].map((name): ToolReview => ({
    name,
    class: 'write',
    consequential: false,
  })),
]
const TAX_ENGINE: readonly ToolReview[] = [
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
  await addServer(
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
  await addServer(
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
  await reviewServer(administrator, 'tax-engine', TAX_ENGINE)
}
