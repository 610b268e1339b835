/** The reviewed servers, kept until one of them changes. `admit` relies on a server's subject like on any other. */

import type { Keyring } from '../keys/keyring.ts'
import { loadServer, reviewedServers } from '../registry/server-store.ts'
import { resourceDefinition, type Server } from '../registry/server.ts'
import { logSize } from '../store/changes.ts'
import type { Store } from '../store/store.ts'

/** A server, and the log size at which it was read. */
export interface KnownServer {
  readonly server: Server
  readonly readAt: number
}

interface Env {
  readonly store: Store
  readonly keyring: Keyring
  /** Whether the change feed is up to date. */
  readonly isFresh: () => boolean
  /** The log size up to which the feed has handed over every change. */
  readonly caughtUpTo: () => number
}

/** Servers by name. */
export class ServersCache {
  readonly #env: Env
  #kept: Promise<readonly KnownServer[]> | undefined

  constructor(env: Env) {
    this.#env = env
  }

  /** Every reviewed server, by name. */
  async all(): Promise<readonly KnownServer[]> {
    const kept = this.#env.isFresh() ? this.#kept : undefined
    if (kept === undefined) return await this.#readAndKeep()
    const known = await kept
    // INVARIANT (one instant): only what nothing has changed up to now stands on the log up to now. What
    // was forgotten while we waited was read at `readAt`, and at no later instant.
    return this.#kept === kept ? known.map((one) => this.#asOfNow(one)) : known
  }

  /** The server of that name, also one in quarantine: its callers are told so. */
  async named(name: string): Promise<KnownServer | undefined> {
    const known = (await this.all()).find(({ server }) => server.name === name)
    if (known !== undefined) return known
    return await this.#env.store.snapshot(async (tx) => {
      const readAt = await logSize(tx)
      const server = await loadServer(tx, name, this.#env)
      if (server?.name !== name) return undefined
      const { state } = server
      return state === 'quarantined' || state === 'reviewed' ? { server, readAt } : undefined
    })
  }

  /** The server as the database has it now: what was kept turned out to be stale. */
  async reread(name: string): Promise<KnownServer | undefined> {
    this.forget()
    return await this.named(name)
  }

  /** The server that offers a resource of this URI, if it is the only one: none stands in for another. */
  async offering(uri: string): Promise<KnownServer | undefined> {
    const [one, ...others] = (await this.all()).filter(
      ({ server }) => resourceDefinition(server, uri) !== undefined,
    )
    return others.length === 0 ? one : undefined
  }

  /** Forgets everything; the next call reads again. */
  forget(): void {
    this.#kept = undefined
  }

  /** What failed, or was forgotten while it was read, is not kept. */
  async #readAndKeep(): Promise<readonly KnownServer[]> {
    const reading = this.#read()
    this.#kept = reading
    reading.catch(() => this.#kept === reading && this.forget())
    return await reading
  }

  async #read(): Promise<readonly KnownServer[]> {
    return await this.#env.store.snapshot(async (tx) => {
      const readAt = await logSize(tx)
      return (await reviewedServers(tx, this.#env)).map((server) => ({ server, readAt }))
    })
  }

  #asOfNow({ server, readAt }: KnownServer): KnownServer {
    return { server, readAt: Math.max(readAt, this.#env.caughtUpTo()) }
  }
}
