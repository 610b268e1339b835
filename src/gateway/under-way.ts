/**
 * The calls that this process is busy with, from their arrival until their outcome is recorded.
 *
 * INVARIANT (revocation): a call that waits for its server ends when the authority that it was admitted on
 * ends: hand what the change feed says to `touched`. Whether the server did what it was asked is then
 * not known, and that is what is recorded.
 *
 * Who looks for calls that were recorded and never answered (`recover.ts`) asks `has` first.
 */

import { type Clock, nowSeconds } from '../base/clock.ts'
import type { Diagnostics } from '../base/diagnostics.ts'
import { standing } from '../delegation/standing.ts'
import { tokenSubject } from '../token/revoked-tokens.ts'
import type { Call } from './call.ts'
import type { FactsCache, KnownFacts } from './facts-cache.ts'
import type { ServersCache } from './servers-cache.ts'

interface Env {
  readonly clock: Clock
  readonly diagnostics: Diagnostics
  readonly facts: FactsCache
  readonly servers: ServersCache
}

/** A call while somebody is busy with it. */
export interface Busy {
  /** Aborts when the caller goes away, or the authority of the call ends. */
  readonly signal: AbortSignal
  /** Aborts when this process ends and what is not done will not be done here. */
  readonly closing: AbortSignal
  /** From now on the call ends when one of `subjects` changes so that it may go on no longer. */
  standOn(subjects: readonly string[]): void
  /** Keeps the call under way until `done` settles, although its caller has been answered. */
  until(done: Promise<unknown>): void
}

interface Kept {
  readonly call: Call
  readonly ended: AbortController
  relied: ReadonlySet<string>
  done: Promise<unknown>
}

const NOTHING: ReadonlySet<string> = new Set()

/** Calls by id. */
export class CallsUnderWay {
  readonly #env: Env
  readonly #kept = new Map<string, Kept>()
  readonly #closing = new AbortController()

  constructor(env: Env) {
    this.#env = env
  }

  /** Whether somebody here is busy with the call. */
  has(id: string): boolean {
    return this.#kept.has(id)
  }

  /** How many there are. */
  get size(): number {
    return this.#kept.size
  }

  /** Does `work`, during which the call is under way. */
  async during<T>(call: Call, work: (busy: Busy) => Promise<T>): Promise<T> {
    const ended = new AbortController()
    const kept: Kept = { call, ended, relied: NOTHING, done: Promise.resolve() }
    this.#kept.set(call.id, kept)
    // By hand: `AbortSignal.any` costs some twenty times as much, and every call has one.
    const left = (): void => ended.abort(call.signal.reason)
    if (call.signal.aborted) left()
    else call.signal.addEventListener('abort', left)
    try {
      return await work({
        signal: ended.signal,
        closing: this.#closing.signal,
        standOn: (subjects) => {
          kept.relied = new Set(subjects)
        },
        until: (done) => {
          kept.done = done
        },
      })
    } finally {
      call.signal.removeEventListener('abort', left)
      const forget = (): boolean => this.#kept.delete(call.id)
      void kept.done.then(forget, forget)
    }
  }

  /** Ends the calls that stand on one of `subjects` and may go on no longer. */
  touched(subjects: ReadonlySet<string>): void {
    for (const { call, relied, ended } of this.#kept.values()) {
      if (relied.isDisjointFrom(subjects)) continue
      this.#whyEnded(call, subjects).then(
        (why) => why !== undefined && ended.abort(why),
        (fault: unknown) => {
          this.#env.diagnostics.error('gateway.call_ended', fault, { call: call.id })
          // What cannot be seen to stand does not.
          ended.abort('its authority cannot be read')
        },
      )
    }
  }

  /** Waits until nothing is under way, at most `milliseconds`: what is not recorded then, recovery finds. */
  async close(milliseconds: number): Promise<void> {
    const waiting = [...this.#kept.values()].map(({ done }) => done)
    const late = new AbortController()
    await Promise.race([
      Promise.allSettled(waiting),
      this.#env.clock.sleep(milliseconds, late.signal),
    ])
    late.abort()
    this.#closing.abort()
  }

  /** A stage or a policy that moved on ends no call that was admitted. */
  async #whyEnded(call: Call, subjects: ReadonlySet<string>): Promise<string | undefined> {
    if (subjects.has(tokenSubject(call.caller.jti))) return 'its token was revoked'
    const known = await this.#env.facts.fresh(call.caller)
    const fallen = whyFallen(known, nowSeconds(this.#env.clock))
    if (fallen !== undefined || !subjects.has(call.server.id)) return fallen
    const server = await this.#env.servers.named(call.server.name)
    return server?.server.state === 'reviewed' ? undefined : 'its server is not reviewed'
  }
}

/** What no longer stands behind a call, whatever it calls. */
function whyFallen({ tree, facts }: KnownFacts, now: number): string | undefined {
  const stands = standing(tree, now)
  if (!stands.ok) return stands.error.reason
  return facts.agents.every(({ state }) => state === 'active') ? undefined : 'agent_not_active'
}
