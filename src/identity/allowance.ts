/** How often something may be done: a burst, then a steady rate (a token bucket). */

import type { Clock } from '../base/clock.ts'

/** Starts full. */
export class Allowance {
  readonly #burst: number
  readonly #perSecond: number
  readonly #clock: Clock
  #left: number
  #since: number

  constructor(burst: number, perSecond: number, env: { readonly clock: Clock }) {
    this.#burst = burst
    this.#perSecond = perSecond
    this.#clock = env.clock
    this.#left = burst
    this.#since = env.clock.nowMilliseconds()
  }

  /** Takes one; `false` if there is none left now. */
  take(): boolean {
    const now = this.#clock.nowMilliseconds()
    const earned = (Math.max(now - this.#since, 0) / 1000) * this.#perSecond
    this.#left = Math.min(this.#left + earned, this.#burst)
    this.#since = now
    if (this.#left < 1) return false
    this.#left--
    return true
  }
}
