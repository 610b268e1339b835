/**
 * Refusals of strangers, counted: an entry for each would let anybody fill the log.
 */

import type { Clock } from '../base/clock.ts'
import type { Diagnostics } from '../base/diagnostics.ts'

const INTERVAL_MILLISECONDS = 60_000

/** Counts by reason, told to the operator at most once a minute. */
export class RefusalCounts {
  readonly #env: { readonly clock: Clock; readonly diagnostics: Diagnostics }
  #counts: Record<string, number> = {}
  #toldAt = -Infinity

  constructor(env: { readonly clock: Clock; readonly diagnostics: Diagnostics }) {
    this.#env = env
  }

  /** Counts one; the first after a quiet minute is told at once. */
  count(reason: string): void {
    this.#counts[reason] = (this.#counts[reason] ?? 0) + 1
    const now = this.#env.clock.nowMilliseconds()
    if (now - this.#toldAt < INTERVAL_MILLISECONDS) return
    this.#env.diagnostics.info('token.refused', this.#counts)
    this.#counts = {}
    this.#toldAt = now
  }
}
