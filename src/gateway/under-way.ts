/**
 * Calls that were admitted and not answered yet. When what one of them stood on ends (its delegation,
 * agent, person or server), it is cancelled upstream: authority that is taken back also stops what it
 * set going. What the server did until then stays done; the outcome says `unknown`.
 *
 * INVARIANT (revocation): held calls end within the time that the change feed takes.
 */

import { type Clock, nowSeconds } from '../base/clock.ts'
import type { Diagnostics } from '../base/diagnostics.ts'
import { standing } from '../delegation/standing.ts'
import type { FactsCache } from './facts-cache.ts'
import type { JudgedCall } from './judge.ts'
import type { ServersCache } from './servers-cache.ts'

interface Env {
  readonly clock: Clock
  readonly diagnostics: Diagnostics
  readonly facts: FactsCache
  readonly servers: ServersCache
}

interface Held {
  readonly judged: JudgedCall
  readonly cancel: AbortController
}

/** The calls of one process. */
export class CallsUnderWay {
  readonly #env: Env
  readonly #held = new Set<Held>()

  constructor(env: Env) {
    this.#env = env
  }

  /** How many there are. */
  get size(): number {
    return this.#held.size
  }

  /** Runs the effect of an admitted call with a signal that aborts when its authority ends. */
  async run<T>(judged: JudgedCall, effect: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const held = { judged, cancel: new AbortController() }
    this.#held.add(held)
    try {
      return await effect(AbortSignal.any([judged.call.signal, held.cancel.signal]))
    } finally {
      this.#held.delete(held)
    }
  }

  /** Looks again at the calls that stand on one of `subjects`. */
  touched(subjects: ReadonlySet<string>): void {
    for (const held of this.#held) {
      const { known, call } = held.judged
      const relied = [...known.facts.relied, call.server.id]
      if (!relied.some((subject) => subjects.has(subject))) continue
      // A fault here cancels nothing: the next change, or the time limit of the call, will.
      void this.#cancelUnlessStanding(held).catch((fault: unknown) =>
        this.#env.diagnostics.error('gateway.under_way', fault, { call: call.id }),
      )
    }
  }

  async #cancelUnlessStanding({ judged, cancel }: Held): Promise<void> {
    const { call } = judged
    const { facts, tree } = await this.#env.facts.fresh(call.caller)
    const server = await this.#env.servers.reread(call.server.name)
    const stands =
      standing(tree, nowSeconds(this.#env.clock)).ok &&
      facts.agents.every(({ state }) => state === 'active') &&
      facts.people.every(({ active }) => active) &&
      server?.server.state === 'reviewed'
    if (stands) return
    this.#env.diagnostics.info('gateway.call_cancelled', { call: call.id })
    cancel.abort(new Error('the authority of the call has ended'))
  }
}
