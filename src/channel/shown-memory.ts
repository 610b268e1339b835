/**
 * What agents were shown, kept in memory and caught up with the store before each look-up.
 *
 * The rows are the truth: a replica, or a process that starts anew, reads the same. Call `of` with the
 * agents of an act chain: a value that a parent was shown is known to come from there.
 */

import type { Vault } from '../audit/vault.ts'
import type { Clock } from '../base/clock.ts'
import { Batches } from '../store/batches.ts'
import type { Store } from '../store/store.ts'
import { loadSegments } from './segment.ts'
import { Shown } from './shown.ts'

interface Kept {
  readonly agent: string
  readonly shown: Shown
  readonly openedAt: number
  /** The entry of the last segment, -1 if there is none; undefined until they are read. */
  latest: number | undefined
}

/** Agents that are kept at once; the one that was asked for longest ago makes room. */
const MOST_AGENTS = 256
/** Erased content leaves memory within this time. */
const LIFETIME_MILLISECONDS = 600_000

/** Agents that are caught up by one query. */
const BATCH = { items: 32, bytes: 32, bytesOf: () => 1 }

interface Env {
  readonly store: Store
  readonly vault: Vault
  readonly clock: Clock
}

interface Asked {
  readonly kept: Kept
  readonly env: Env
}

/** What the agents of one installation were shown. */
export class ShownMemory {
  readonly #agents = new Map<string, Kept>()
  readonly #catchUps = new Batches<Asked, Shown>(caughtUp, BATCH)

  /** What each of `agents` was shown until now. */
  async of(agents: readonly string[], env: Env): Promise<readonly Shown[]> {
    return await Promise.all(
      agents.map((agent) => this.#caughtUp({ kept: this.#keptOf(agent, env), env })),
    )
  }

  async #caughtUp(asked: Asked): Promise<Shown> {
    // Nobody waits for all that another agent was ever shown.
    if (asked.kept.latest !== undefined) {
      try {
        return await this.#catchUps.add(asked)
      } catch {
        // Nor fails because of what is wrong with another's.
      }
    }
    await caughtUp([asked])
    return asked.kept.shown
  }

  #keptOf(agent: string, { clock }: Env): Kept {
    const now = clock.nowMilliseconds()
    const found = this.#agents.get(agent)
    const kept =
      found !== undefined && now - found.openedAt < LIFETIME_MILLISECONDS
        ? found
        : { agent, shown: new Shown(), openedAt: now, latest: undefined }
    this.#agents.delete(agent)
    this.#agents.set(agent, kept)
    for (const oldest of this.#agents.keys()) {
      if (this.#agents.size <= MOST_AGENTS) break
      this.#agents.delete(oldest)
    }
    return kept
  }
}

/** What each was shown, with what came since it was asked for last. All are of one installation. */
async function caughtUp(asked: readonly Asked[]): Promise<readonly Shown[]> {
  const { store, vault } = (asked[0] as Asked).env
  const behind = [...new Set(asked.map(({ kept }) => kept))]
  const wanted = behind.map(({ agent, latest = -1 }) => ({ agent, since: latest }))
  const loaded = await loadSegments(store.db, wanted, vault)
  for (const [i, kept] of behind.entries()) {
    kept.latest ??= -1
    const { segments = [], forgets = false } = loaded[i] ?? {}
    if (forgets) kept.shown.forget()
    for (const segment of segments) {
      kept.shown.add(segment)
      kept.latest = Math.max(kept.latest, segment.step)
    }
  }
  return asked.map(({ kept }) => kept.shown)
}
