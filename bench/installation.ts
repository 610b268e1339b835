/** A real installation to measure: a server process of its own, an echo server under review, agents at work. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { addServer, must, signIn } from '../scripts/set-up.ts'
import { startServer } from '../scripts/start-server.ts'
import { systemClock } from '../src/base/clock.ts'
import { silentDiagnostics } from '../src/base/diagnostics.ts'
import { systemRandom } from '../src/base/random.ts'
import type { Client } from '../src/client/client.ts'
import { type DpopKey, newDpopKey } from '../src/client/dpop.ts'
import { workloadApi } from '../src/client/workload.ts'
import { startEmbeddedPostgres } from '../src/store/embedded.ts'
import { postBytes } from './load.ts'
import { startPeer } from './peer.ts'

/** An agent with everything that it needs to act. */
export interface BenchAgent {
  readonly key: DpopKey
  /** Its JWT-SVID for the issuer. */
  readonly svid: string
  /** The signed delegation that it works under. */
  readonly delegation: string
  /** Its access token for the echo server. */
  readonly token: string
}

/** What is measured. */
export interface Installation {
  readonly url: string
  readonly upstream: string
  /** The database that the server uses, for the floors. */
  readonly database: string
  readonly administrator: Client
  readonly agents: readonly BenchAgent[]
  stop(): Promise<void>
}

/** Agents: enough that what is kept per agent is found among others. */
const AGENTS = 8
const ARCHETYPE = 'worker'

/** Starts Postgres, the echo server and ours, and brings agents to life. `profile` is where a CPU profile goes. */
export async function openInstallation(options: {
  readonly profile?: string
}): Promise<Installation> {
  const folder = mkdtempSync(join(tmpdir(), 'behalf-bench-'))
  const undo: (() => Promise<void>)[] = [async () => rmSync(folder, { recursive: true })]
  const stop = async (): Promise<void> => {
    for (const step of undo.splice(0).toReversed()) await step()
  }
  try {
    const env = { clock: systemClock, diagnostics: silentDiagnostics }
    const postgres = await startEmbeddedPostgres({ ...env, folder: join(folder, 'postgres') })
    undo.push(() => postgres.stop())
    const upstream = await startPeer('echo')
    undo.push(() => upstream.stop())
    const server = await startServer({
      home: folder,
      // A handful of agents asks for what thousands would.
      flags: ['--exchange-burst', '10000000'],
      environment: {
        DATABASE_URL: postgres.url,
        ...(options.profile !== undefined && {
          NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${options.profile}`,
        }),
      },
    })
    undo.push(() => server.stop())
    const { url, code = '' } = server
    const administrator = await openOffice({ url, code, upstream: upstream.url })
    const agents: BenchAgent[] = []
    for (let i = 0; i < AGENTS; i++) agents.push(await enliven(administrator))
    return { url, upstream: upstream.url, database: postgres.url, administrator, agents, stop }
  } catch (fault) {
    await stop()
    throw fault
  }
}

/** Brings an agent to life; its socket answers when this resolves. */
export async function createAgent(administrator: Client): Promise<string> {
  const { socket = '' } = await must(administrator, 'createAgent', { archetype: ARCHETYPE })
  return `unix://${socket}`
}

/** A token request with a proof of its own. */
export function exchangeBytes(url: string, agent: BenchAgent, at = url): Buffer {
  const endpoint = `${url}/oauth/token`
  const jwt = 'urn:ietf:params:oauth:token-type:jwt'
  const form = new URLSearchParams({
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-spiffe',
    client_assertion: agent.svid,
    subject_token: agent.delegation,
    subject_token_type: jwt,
    actor_token: agent.svid,
    actor_token_type: jwt,
    resource: `${url}/mcp/echo`,
  })
  const headers = {
    'content-type': 'application/x-www-form-urlencoded',
    dpop: agent.key.prove('POST', endpoint),
  }
  return postBytes(`${at}/oauth/token`, headers, form.toString())
}

function permit(principal: string): string {
  return `@id("works") permit (principal in ${principal}, action in Action::"use", resource in Server::"echo");
    @id("browse") permit (principal, action in Action::"browse", resource);`
}

async function openOffice(at: {
  readonly url: string
  readonly code: string
  readonly upstream: string
}): Promise<Client> {
  const { client: administrator } = await signIn(at.url, at.code)
  await must(administrator, 'createArchetype', {
    name: ARCHETYPE,
    description: 'Calls the echo server.',
    owner: 'administrators',
  })
  await must(administrator, 'setRotation', {
    id: 'administrators',
    members: ['administrator'],
    start: '2026-01-05T09:00:00',
    timeZone: 'Europe/Berlin',
    shift: 'P7D',
  })
  await must(administrator, 'activatePolicies', {
    sets: {
      agent: permit(`Archetype::"${ARCHETYPE}"`),
      person: permit('Group::"administrators"'),
    },
  })
  await addServer(
    administrator,
    { name: 'echo', title: 'Echo', transport: { type: 'http', url: at.upstream } },
    ['echo', 'look', 'count'].map((name) => ({
      name,
      class: 'read',
      consequential: false,
      sinks: name === 'look' ? [{ path: 'path', kind: 'path' }] : [],
    })),
  )
  return administrator
}

async function enliven(administrator: Client): Promise<BenchAgent> {
  const { url } = administrator
  const locations = [`${url}/mcp/echo`]
  const { signed } = await must(administrator, 'delegate', {
    purpose: 'look at what client 1042 handed in',
    archetype: ARCHETYPE,
    details: [
      {
        type: 'mcp_call',
        locations,
        actions: ['tools/call:echo', 'tools/call:look'],
        arguments: Object.fromEntries(
          ['echo', 'look'].map((tool) => [tool, { path: { prefix: '/clients/1042' } }]),
        ),
        stages: ['collect'],
      },
      {
        type: 'mcp_call',
        locations,
        actions: ['tools/call:count'],
        limits: { calls: 1_000_000_000 },
      },
    ],
    stages: ['collect', 'draft'],
    expiresIn: 3_600,
  })
  const env = { clock: systemClock, random: systemRandom }
  const workload = workloadApi(await createAgent(administrator), env)
  const { svid } = await workload.fetchJwtSvid(url)
  workload.close()
  const agent = { key: newDpopKey(env), svid, delegation: signed, token: '' }
  return { ...agent, token: await tokenOf(url, agent) }
}

async function tokenOf(url: string, agent: BenchAgent): Promise<string> {
  const [head = '', body = ''] = exchangeBytes(url, agent).toString('utf8').split('\r\n\r\n')
  const response = await fetch(`${url}/oauth/token`, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      dpop: /\r\ndpop: (\S+)/.exec(head)?.[1] ?? '',
    },
    body,
  })
  const { access_token: token } = (await response.json()) as { access_token?: string }
  if (token === undefined) throw new Error(`expected a token, got ${response.status}`)
  return token
}
