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
  #upstreams: Upstreams | undefined

  constructor(env: Env) {
    this.#env = env
  }

  /** Looks at every reviewed server now and then until `signal` aborts. */
  start({ upstreams }: { readonly upstreams: Upstreams }, signal: AbortSignal): void {
    this.#upstreams = upstreams
    void this.#run(signal)
  }

  /** Looks at one server soon. */
  look(id: string): void {
    void this.#env.store
      .snapshot((tx) => loadServer(tx, id, this.#env))
      .then(async (server) => server?.state === 'reviewed' && (await this.#observe(server)))
      .catch((fault: unknown) =>
        this.#env.diagnostics.error('registry.drift', fault, { server: id }),
      )
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        const servers = await this.#env.store.snapshot((tx) => reviewedServers(tx, this.#env))
        for (const server of servers) await this.#observe(server)
      } catch (fault) {
        if (!signal.aborted) this.#env.diagnostics.error('registry.drift', fault)
      }
      await this.#env.clock.sleep(INTERVAL_MILLISECONDS, signal)
    }
  }

  async #observe(server: Server): Promise<void> {
    const listing = await this.#upstreams?.observe(server)
    // A server that cannot be reached has not drifted; calls to it fail by themselves.
    if (!listing?.ok) return
    const observed = await observeListing(server.id, listing.value, this.#env)
    if (observed.ok && observed.value.drifted.length > 0) {
      this.#env.diagnostics.warn('registry.quarantined', { server: server.id })
      await this.#upstreams?.drop(server.id)
    }
  }
}
