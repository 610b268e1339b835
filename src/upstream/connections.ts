/**
 * One connection per server: opened by its first use, opened again after it was lost (a little later each
 * time), closed when what it belongs to changed.
 *
 * Requests wait for a connection that is being opened, within their own time: until they are sent, waiting is
 * safe. A request that was sent is never sent again over the next one.
 */

import { digestOfJson, type Digest } from '../base/bytes.ts'
import { ok, type Result } from '../base/result.ts'
import type { ServerTier } from '../registry/server.ts'
import { shakeHands, type Hello } from './handshake.ts'
import {
  notConnected,
  openWire,
  type ConnectRefusal,
  type OpenedWire,
  type WireEnv,
} from './open-wire.ts'
import type { UpstreamServer } from './server.ts'
import { expectedTier } from './tier.ts'

/** An agreed conversation with a server. */
export interface Connection extends OpenedWire {
  readonly hello: Hello
}

type Opened = Result<Connection, ConnectRefusal>

interface Entry {
  /** The record that was seen last. */
  server: UpstreamServer
  /** What the connection was opened for: another transport, revision or era needs another one. */
  readonly key: Digest
  readonly stop: AbortController
  opening: Promise<Opened> | undefined
  /** Where it ran when it was opened last. */
  tier: ServerTier | undefined
  failures: number
  notBefore: number
}

const HANDSHAKE_MILLISECONDS = 30_000
const FIRST_BACKOFF_MILLISECONDS = 250
const LONGEST_BACKOFF_MILLISECONDS = 30_000
/** After this long without a fault the next one is a first one again. */
const HEALTHY_MILLISECONDS = 60_000

/** The connections of one process. */
export class Connections {
  readonly #env: WireEnv
  readonly #entries = new Map<string, Entry>()
  #closed = false

  constructor(env: WireEnv) {
    this.#env = env
  }

  /** The connection to `server`, opened if need be; gives up when `signal` aborts. */
  async connect(server: UpstreamServer, signal: AbortSignal): Promise<Opened> {
    if (this.#closed) return notConnected('closed')
    const entry = await this.#entryFor(server)
    entry.opening ??= this.#open(server, entry)
    return await orAborted(entry.opening, signal)
  }

  /** Where `server` runs, or will run when it is called. */
  async tierOf(server: UpstreamServer): Promise<ServerTier> {
    const ran = this.#entries.get(server.id)
    const isSame = ran !== undefined && (ran.server === server || ran.key === keyOf(server))
    return (isSame ? ran.tier : undefined) ?? (await expectedTier(server, this.#env))
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
    const known = this.#entries.get(server.id)
    // The same record as the last time: nothing to compare.
    if (known?.server === server) return known
    const key = keyOf(server)
    if (known?.key === key) {
      known.server = server
      return known
    }
    const entry: Entry = {
      server,
      key,
      stop: new AbortController(),
      opening: undefined,
      tier: undefined,
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
    entry.tier = opened.value.tier
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
    const wired = await openWire(server, this.#env)
    if (!wired.ok) return wired
    const { wire } = wired.value
    const { clock, client } = this.#env
    const late = new AbortController()
    const done = new AbortController()
    void clock.sleep(HANDSHAKE_MILLISECONDS, done.signal).then(() => late.abort())
    const signal = AbortSignal.any([stop, late.signal])
    const era = server.era === undefined ? {} : { era: server.era }
    const hello = await shakeHands(wire, { ...era, client, signal }, { clock })
    done.abort()
    if (hello.ok) return ok({ ...wired.value, hello: hello.value })
    await wire.close()
    return notConnected(hello.error.message)
  }
}

function keyOf({ transport, revision, era, outputLimitBytes }: UpstreamServer): Digest {
  return digestOfJson({ transport, revision, era, outputLimitBytes })
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
