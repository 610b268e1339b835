/**
 * What agents were shown, kept in memory and caught up with the store before each look-up.
 *
 * The rows are the truth: a replica, or a process that starts anew, reads the same. Call `of` with the
 * agents of an act chain: a value that a parent was shown is known to come from there.
 */

import type { Vault } from '../audit/vault.ts'
import type { Clock } from '../base/clock.ts'
import type { Store } from '../store/store.ts'
import { loadSegments } from './segment.ts'
import { Shown } from './shown.ts'

interface Kept {
  readonly shown: Shown
  readonly openedAt: number
  /** The entry of the last segment. */
  latest: number
}

/** Agents that are kept at once; the one that was asked for longest ago makes room. */
const MOST_AGENTS = 256
/** Erased content leaves memory within this time. */
const LIFETIME_MILLISECONDS = 600_000

/** What the agents of one installation were shown. */
export class ShownMemory {
  readonly #agents = new Map<string, Kept>()

  /** What each of `agents` was shown until now. */
  async of(
    agents: readonly string[],
    env: { readonly store: Store; readonly vault: Vault; readonly clock: Clock },
  ): Promise<readonly Shown[]> {
    return await Promise.all(agents.map((agent) => this.#caughtUp(agent, env)))
  }

  async #caughtUp(
    agent: string,
    env: { readonly store: Store; readonly vault: Vault; readonly clock: Clock },
  ): Promise<Shown> {
    const now = env.clock.nowMilliseconds()
    const found = this.#agents.get(agent)
    const kept =
      found !== undefined && now - found.openedAt < LIFETIME_MILLISECONDS
        ? found
        : { shown: new Shown(), openedAt: now, latest: -1 }
    this.#agents.delete(agent)
    this.#agents.set(agent, kept)
    for (const oldest of this.#agents.keys()) {
      if (this.#agents.size <= MOST_AGENTS) break
      this.#agents.delete(oldest)
    }
    const { shown } = kept
    const wanted = { agent, since: kept.latest }
    for (const segment of await loadSegments(env.store.db, wanted, env.vault)) {
      shown.add(segment)
      kept.latest = Math.max(kept.latest, segment.step)
    }
    return shown
  }
}
