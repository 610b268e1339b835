/**
 * What has to be looked at now and then although nobody asks: each duty runs at the start, twice a minute,
 * and soon after `soon`. Runs of one duty never overlap, and one that failed runs again a second later:
 * what a fault kept from being done must not wait for the next change.
 */

import type { Clock } from '../base/clock.ts'
import type { Diagnostics } from '../base/diagnostics.ts'

interface Env {
  readonly clock: Clock
  readonly diagnostics: Diagnostics
}

const INTERVAL_MILLISECONDS = 30_000
const RETRY_MILLISECONDS = 1_000

/** The duties of one process. */
export class Housekeeping<Name extends string> {
  readonly #env: Env
  readonly #wanted = new Set<Name>()
  readonly #sleeping = new Map<Name, AbortController>()
  #ended: Promise<unknown> = Promise.resolve()

  constructor(env: Env) {
    this.#env = env
  }

  /** Begins, until `signal` aborts. */
  start(duties: Readonly<Record<Name, () => Promise<unknown>>>, signal: AbortSignal): void {
    const names = Object.keys(duties) as Name[]
    this.#ended = Promise.all(names.map((name) => this.#repeat(name, duties[name], signal)))
  }

  /** Runs a duty now; after the run under way if there is one. */
  soon(name: Name): void {
    this.#wanted.add(name)
    this.#sleeping.get(name)?.abort()
  }

  /** Resolves when no duty runs any more, after the signal. */
  async ended(): Promise<void> {
    await this.#ended
  }

  async #repeat(name: Name, duty: () => Promise<unknown>, signal: AbortSignal): Promise<void> {
    const { clock, diagnostics } = this.#env
    while (!signal.aborted) {
      this.#wanted.delete(name)
      let pause = INTERVAL_MILLISECONDS
      try {
        await duty()
      } catch (fault) {
        if (signal.aborted) return
        diagnostics.error('housekeeping.failed', fault, { duty: name })
        pause = RETRY_MILLISECONDS
      }
      const woken = new AbortController()
      this.#sleeping.set(name, woken)
      if (!this.#wanted.has(name)) await clock.sleep(pause, AbortSignal.any([signal, woken.signal]))
      this.#sleeping.delete(name)
    }
  }
}
