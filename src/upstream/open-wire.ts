/** Opens the way to a server, as its transport says: a program in the sandbox, or an address that is guarded. */

import type { Diagnostics } from '../base/diagnostics.ts'
import { ok, refuse, type Result } from '../base/result.ts'
import type { ServerTier } from '../registry/server.ts'
import type { SandboxEnv } from '../sandbox/sandboxed.ts'
import { destinationsFor } from './egress.ts'
import { shown, type FindCredential } from './credential.ts'
import { forbiddenAddress, refusedUrl, type Own } from './guarded-request.ts'
import { HttpWire } from './http.ts'
import type { HttpTransport, StdioTransport, UpstreamServer } from './server.ts'
import { startStdio, type StdioOptions } from './stdio.ts'
import type { ClientInfo, Wire, WireEvents } from './wire.ts'

/** What connections need from outside. */
export interface WireEnv extends SandboxEnv {
  readonly diagnostics: Diagnostics
  readonly own: Own
  readonly client: ClientInfo
  readonly credential: FindCredential
  /** A server said that what it offers may have changed. */
  readonly listChanged?: (serverId: string) => void
}

/** A wire on which nothing was said yet. */
export interface OpenedWire {
  readonly wire: Wire
  /** Where what answers runs. */
  readonly tier: ServerTier
  /** What must not come back over it: the credential that it shows, in the forms that it could take. */
  readonly needles: readonly string[]
}

/** There is no connection; nothing was sent. */
export interface ConnectRefusal {
  readonly reason: 'not_connected'
  readonly message: string
}

type Opened = Result<OpenedWire, ConnectRefusal>

/** Starts the program, or readies requests to the address. */
export async function openWire(server: UpstreamServer, env: WireEnv): Promise<Opened> {
  const { transport } = server
  return transport.type === 'stdio'
    ? await start(server, transport, env)
    : await reach(server, transport, env)
}

async function start(
  server: UpstreamServer,
  transport: StdioTransport,
  env: WireEnv,
): Promise<Opened> {
  const way = await destinationsFor(server, transport, env)
  if (!way.ok) return way
  const { egress, needles } = way.value
  const started = await startStdio(
    {
      program: {
        ...programOf(server, transport),
        ...(transport.tier !== undefined && { tier: transport.tier }),
        ...egress,
      },
      limits: transport.limits ?? {},
      maxLineBytes: server.outputLimitBytes,
      client: env.client,
      events: eventsOf(server, env),
    },
    { ...env, forbidden: (address, port) => forbiddenAddress(address, port, env.own) },
  )
  if (!started.ok) return notConnected(`${started.error.reason}: ${started.error.message}`)
  const { tier, fellBack } = started.value.sandbox
  env.diagnostics.info('upstream.started', { server: server.id, tier, fellBack })
  return ok({ wire: started.value, tier, needles })
}

/** The program as the sandbox is told of it, but for its tier, its limits and its way out. */
export function programOf(
  { id: label }: Pick<UpstreamServer, 'id'>,
  { command, args, env: environment = {}, cwd, readOnly = [], readWrite = [] }: StdioTransport,
): Omit<StdioOptions['program'], 'tier' | 'egress' | 'doors' | 'terminal' | 'output'> {
  const place = cwd === undefined ? {} : { cwd }
  return { command, args, readOnly, readWrite, environment, label, ...place }
}

async function reach(
  server: UpstreamServer,
  transport: HttpTransport,
  env: WireEnv,
): Promise<Opened> {
  const url = URL.parse(transport.url)
  if (url === null) return notConnected('expected a URL')
  const refused = refusedUrl(url, env.own)
  if (refused !== undefined) return notConnected(refused)
  const { credential: name } = transport
  const secret = name === undefined ? undefined : await env.credential(name, server.id)
  // Without the credential that was registered, somebody else would seem to speak.
  if (name !== undefined && secret === undefined) return notConnected('expected its credential')
  const options = {
    url,
    maxAnswerBytes: server.outputLimitBytes,
    client: env.client,
    events: eventsOf(server, env),
  }
  if (secret === undefined)
    return ok({ wire: new HttpWire(options, env), tier: 'remote', needles: [] })
  const { authorization, needles } = shown(secret)
  return ok({ wire: new HttpWire({ ...options, authorization }, env), tier: 'remote', needles })
}

function eventsOf(server: UpstreamServer, { listChanged }: WireEnv): WireEvents {
  return listChanged === undefined ? {} : { listChanged: () => listChanged(server.id) }
}

/** The refusal. */
export function notConnected(message: string): Result<never, ConnectRefusal> {
  return refuse({ reason: 'not_connected', message })
}
