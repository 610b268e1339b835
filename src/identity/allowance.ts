/** How often something may be done: a burst, then a steady rate (a token bucket); `Allowances` for many. */

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

/** A burst, and what is earned back each second. */
export interface Rate {
  readonly burst: number
  readonly perSecond: number
}

/** So many are remembered; whoever is forgotten starts full. */
const MOST = 10_000

/** An allowance each, by name: of this process alone. */
export class Allowances {
  readonly #rate: Rate
  readonly #env: { readonly clock: Clock }
  readonly #known = new Map<string, Allowance>()

  constructor(rate: Rate, env: { readonly clock: Clock }) {
    this.#rate = rate
    this.#env = env
  }

  /** Takes one of `name`; `false` if there is none left now. */
  take(name: string): boolean {
    const { burst, perSecond } = this.#rate
    const allowance = this.#known.get(name) ?? new Allowance(burst, perSecond, this.#env)
    this.#known.delete(name)
    this.#known.set(name, allowance)
    if (this.#known.size > MOST) this.#known.delete(this.#known.keys().next().value ?? '')
    return allowance.take()
  }
}
