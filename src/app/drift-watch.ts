/**
 * Looks again at what reviewed servers offer: at the start, when one says that something changed, and
 * once a minute. What differs from its review goes into quarantine (`registry/observe.ts`).
 */

import type { Clock } from '../base/clock.ts'
import type { Diagnostics } from '../base/diagnostics.ts'
import type { Keyring } from '../keys/keyring.ts'
import { observeListing } from '../registry/observe.ts'
import { loadServer, reviewedServers } from '../registry/server-store.ts'
import type { Server } from '../registry/server.ts'
import type { Store } from '../store/store.ts'
import type { Upstreams } from '../upstream/upstreams.ts'

interface Env {
  readonly store: Store
  readonly clock: Clock
  readonly keyring: Keyring
  readonly diagnostics: Diagnostics
}

const INTERVAL_MILLISECONDS = 60_000

/** The watch of one process. */
export class DriftWatch {
  readonly #env: Env
  readonly #looking = new Map<string, Promise<void>>()
  /** Servers that are to be looked at and are not yet. */
  readonly #asked = new Set<string>()
  #upstreams: Upstreams | undefined

  constructor(env: Env) {
    this.#env = env
  }

  /** Looks at every reviewed server now and then until `signal` aborts. */
  start({ upstreams }: { readonly upstreams: Upstreams }, signal: AbortSignal): void {
    this.#upstreams = upstreams
    void this.#run(signal)
  }

  /** Looks at one server soon; a server that says so again and again is looked at once at a time. */
  look(id: string): void {
    if (this.#asked.has(id)) return
    this.#asked.add(id)
    const next = this.#lookAfter(this.#looking.get(id), id)
    this.#looking.set(id, next)
    void next.finally(() => this.#looking.get(id) === next && this.#looking.delete(id))
  }

  async #lookAfter(other: Promise<void> | undefined, id: string): Promise<void> {
    await other
    this.#asked.delete(id)
    await this.#lookAt(id)
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      for (const id of await this.#reviewed()) {
        this.look(id)
        await this.#looking.get(id)
      }
      await this.#env.clock.sleep(INTERVAL_MILLISECONDS, signal)
    }
  }

  async #reviewed(): Promise<string[]> {
    try {
      const servers = await this.#env.store.snapshot((tx) => reviewedServers(tx, this.#env))
      return servers.map(({ id }) => id)
    } catch (fault) {
      this.#env.diagnostics.error('registry.drift', fault)
      return []
    }
  }

  /** Never rejects: what became of one server is no reason not to look at the next. */
  async #lookAt(id: string): Promise<void> {
    try {
      const server = await this.#env.store.snapshot((tx) => loadServer(tx, id, this.#env))
      if (server?.state === 'reviewed') await this.#observe(server)
    } catch (fault) {
      this.#env.diagnostics.error('registry.drift', fault, { server: id })
    }
  }

  async #observe(server: Server): Promise<void> {
    const listing = await this.#upstreams?.observe(server)
    // A server that cannot be reached has not drifted; calls to it fail by themselves.
    if (!listing?.ok) return
    const observed = await observeListing(server.id, listing.value, this.#env)
    // What cannot even be pinned is in quarantine too.
    if (observed.ok && observed.value.drifted.length === 0) return
    this.#env.diagnostics.warn('registry.quarantined', { server: server.id })
    await this.#upstreams?.drop(server.id)
  }
}
