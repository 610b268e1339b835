/**
 * One connection per server: opened by its first use, opened again after it was lost (a little later each
 * time), closed when what it belongs to changed.
 *
 * Requests wait for a connection that is being opened, within their own time: until they are sent, waiting is
 * safe. A request that was sent is never sent again over the next one.
 */

import { digestOfJson, type Digest } from '../base/bytes.ts'
import type { Diagnostics } from '../base/diagnostics.ts'
import { ok, refuse, type Result } from '../base/result.ts'
import type { SandboxEnv } from '../sandbox/sandboxed.ts'
import { shown, type FindCredential } from './credential.ts'
import { refusedUrl, type Own } from './guarded-request.ts'
import { shakeHands, type Hello } from './handshake.ts'
import { HttpWire } from './http.ts'
import type { HttpTransport, StdioTransport, UpstreamServer } from './server.ts'
import { startStdio } from './stdio.ts'
import type { ClientInfo, Wire, WireEvents } from './wire.ts'

/** An agreed conversation with a server. */
export interface Connection {
  readonly wire: Wire
  readonly hello: Hello
  /** What must not come back from it: the credential it is shown, in the forms that it could take. */
  readonly needles: readonly string[]
}

/** What connections need from outside. */
export interface ConnectionsEnv extends SandboxEnv {
  readonly diagnostics: Diagnostics
  readonly own: Own
  readonly client: ClientInfo
  readonly credential: FindCredential
  /** A server said that what it offers may have changed. */
  readonly listChanged?: (serverId: string) => void
}

/** There is no connection; nothing was sent. */
export interface ConnectRefusal {
  readonly reason: 'not_connected'
  readonly message: string
}

type Opened = Result<Connection, ConnectRefusal>
type Wired = Result<Pick<Connection, 'wire' | 'needles'>, ConnectRefusal>

interface Entry {
  /** The record that was seen last. */
  server: UpstreamServer
  /** What the connection was opened for: another transport, revision or era needs another one. */
  readonly key: Digest
  readonly stop: AbortController
  opening: Promise<Opened> | undefined
  failures: number
  notBefore: number
}

const HANDSHAKE_MILLISECONDS = 15_000
const FIRST_BACKOFF_MILLISECONDS = 250
const LONGEST_BACKOFF_MILLISECONDS = 30_000
/** After this long without a fault the next one is a first one again. */
const HEALTHY_MILLISECONDS = 60_000

/** The connections of one process. */
export class Connections {
  readonly #env: ConnectionsEnv
  readonly #entries = new Map<string, Entry>()
  #closed = false

  constructor(env: ConnectionsEnv) {
    this.#env = env
  }

  /** The connection to `server`, opened if need be; gives up when `signal` aborts. */
  async connect(server: UpstreamServer, signal: AbortSignal): Promise<Opened> {
    if (this.#closed) return notConnected('closed')
    const entry = await this.#entryFor(server)
    entry.opening ??= this.#open(server, entry)
    return await orAborted(entry.opening, signal)
  }

  /** Closes the connection to a server: it was withdrawn, quarantined, changed, or its credential was. */
  async drop(serverId: string): Promise<void> {
    const entry = this.#entries.get(serverId)
    this.#entries.delete(serverId)
    entry?.stop.abort('dropped')
    const opened = await entry?.opening
    if (opened?.ok === true) await opened.value.wire.close()
  }

  async close(): Promise<void> {
    this.#closed = true
    await Promise.all([...this.#entries.keys()].map((id) => this.drop(id)))
  }

  async #entryFor(server: UpstreamServer): Promise<Entry> {
    const { transport, revision, era, outputLimitBytes } = server
    const known = this.#entries.get(server.id)
    // The same record as the last time: nothing to compare.
    if (known?.server === server) return known
    const key = digestOfJson({
      transport,
      revision,
      era,
      outputLimitBytes,
    })
    if (known?.key === key) {
      known.server = server
      return known
    }
    const entry: Entry = {
      server,
      key,
      stop: new AbortController(),
      opening: undefined,
      failures: 0,
      notBefore: 0,
    }
    const replaced = this.drop(server.id)
    this.#entries.set(server.id, entry)
    await replaced
    return entry
  }

  async #open(server: UpstreamServer, entry: Entry): Promise<Opened> {
    const { clock, diagnostics } = this.#env
    const wait = entry.notBefore - clock.nowMilliseconds()
    if (wait > 0) await clock.sleep(wait, entry.stop.signal)
    const opened = await this.#attempt(server, entry.stop.signal).catch(
      (fault: unknown): Opened => {
        diagnostics.error('upstream.fault', fault, { server: server.id })
        return notConnected('a fault of ours')
      },
    )
    if (entry.stop.signal.aborted) {
      if (opened.ok) await opened.value.wire.close()
      return notConnected('closed')
    }
    if (!opened.ok) {
      diagnostics.warn('upstream.not_connected', { server: server.id, why: opened.error.message })
      this.#lost(entry, 0)
      return opened
    }
    const openedAt = clock.nowMilliseconds()
    const { wire } = opened.value
    const ended = (): void => {
      // What we closed ourselves was not lost.
      if (entry.stop.signal.aborted) return
      diagnostics.warn('upstream.lost', { server: server.id, why: String(wire.ended.reason) })
      void wire.close()
      this.#lost(entry, clock.nowMilliseconds() - openedAt)
    }
    if (wire.ended.aborted) ended()
    else wire.ended.addEventListener('abort', ended, { once: true })
    return opened
  }

  /** The next use opens it again, not before the backoff has passed. */
  #lost(entry: Entry, livedMilliseconds: number): void {
    entry.failures = livedMilliseconds > HEALTHY_MILLISECONDS ? 0 : entry.failures
    const backoff = Math.min(
      FIRST_BACKOFF_MILLISECONDS * 2 ** entry.failures++,
      LONGEST_BACKOFF_MILLISECONDS,
    )
    entry.notBefore = this.#env.clock.nowMilliseconds() + backoff
    entry.opening = undefined
  }

  async #attempt(server: UpstreamServer, stop: AbortSignal): Promise<Opened> {
    const wired = await this.#wire(server)
    if (!wired.ok) return wired
    const { wire, needles } = wired.value
    const { clock, client } = this.#env
    const late = new AbortController()
    const done = new AbortController()
    void clock.sleep(HANDSHAKE_MILLISECONDS, done.signal).then(() => late.abort())
    const signal = AbortSignal.any([stop, late.signal])
    const era = server.era === undefined ? {} : { era: server.era }
    const hello = await shakeHands(wire, { ...era, client, signal }, { clock })
    done.abort()
    if (hello.ok) return ok({ wire, hello: hello.value, needles })
    await wire.close()
    return notConnected(hello.error.message)
  }

  async #wire(server: UpstreamServer): Promise<Wired> {
    const { transport } = server
    return transport.type === 'stdio'
      ? await this.#start(server, transport)
      : await this.#reach(server, transport)
  }

  async #start(server: UpstreamServer, transport: StdioTransport): Promise<Wired> {
    const { command, args, env = {}, cwd, readOnly = [], readWrite = [] } = transport
    const place = cwd === undefined ? {} : { cwd }
    const started = await startStdio(
      {
        program: { command, args, readOnly, readWrite, environment: env, ...place },
        maxLineBytes: server.outputLimitBytes,
        client: this.#env.client,
        events: this.#events(server),
      },
      this.#env,
    )
    if (!started.ok) return notConnected(`${started.error.reason}: ${started.error.message}`)
    const { tier, fellBack } = started.value.sandbox
    this.#env.diagnostics.info('upstream.started', { server: server.id, tier, fellBack })
    return ok({ wire: started.value, needles: [] })
  }

  async #reach(server: UpstreamServer, transport: HttpTransport): Promise<Wired> {
    const url = URL.parse(transport.url)
    if (url === null) return notConnected('expected a URL')
    const refused = refusedUrl(url, this.#env.own)
    if (refused !== undefined) return notConnected(refused)
    const { credential: name } = transport
    const secret = name === undefined ? undefined : await this.#env.credential(name, server.id)
    // Without the credential that review named, another identity would speak.
    if (name !== undefined && secret === undefined) return notConnected('expected its credential')
    const options = {
      url,
      maxAnswerBytes: server.outputLimitBytes,
      client: this.#env.client,
      events: this.#events(server),
    }
    if (secret === undefined) return ok({ wire: new HttpWire(options, this.#env), needles: [] })
    const { authorization, needles } = shown(secret)
    return ok({ wire: new HttpWire({ ...options, authorization }, this.#env), needles })
  }

  #events(server: UpstreamServer): WireEvents {
    const { listChanged } = this.#env
    return listChanged === undefined ? {} : { listChanged: () => listChanged(server.id) }
  }
}

/** `opening`, or a refusal as soon as `signal` aborts; the connection goes on being opened for others. */
async function orAborted(opening: Promise<Opened>, signal: AbortSignal): Promise<Opened> {
  const { promise, resolve } = Promise.withResolvers<Opened>()
  const give = (): void => resolve(notConnected('it was not connected in time'))
  if (signal.aborted) give()
  signal.addEventListener('abort', give, { once: true })
  const first = await Promise.race([opening, promise])
  signal.removeEventListener('abort', give)
  return first
}

function notConnected(message: string): Result<never, ConnectRefusal> {
  return refuse({ reason: 'not_connected', message })
}
