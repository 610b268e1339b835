/**
 * The facts that decisions stand on, kept until something they relied on changes.
 *
 * A cache only refuses earlier or saves a read: `admit` compares what was relied on with the log, and a
 * refusal on cached facts is decided again on fresh ones (`handle-call.ts`).
 */

import type { Clock } from '../base/clock.ts'
import { directingOf } from '../channel/conversation/directing.ts'
import { type ActedIn, actedIn } from '../channel/conversation/result.ts'
import { type Facts, loadFacts } from '../decision/load-facts.ts'
import type { PolicySets } from '../decision/policy-set.ts'
import { branchOf, loadTree, type Tree } from '../delegation/standing.ts'
import type { Keyring } from '../keys/keyring.ts'
import { currentPoliciesIn } from '../policy/current.ts'
import { logSize } from '../store/changes.ts'
import type { Store, Tx } from '../store/store.ts'
import type { Caller } from '../token/authenticate-token.ts'

/** Facts about one caller, and the log size at which they were read. */
export interface KnownFacts {
  readonly facts: Facts
  readonly tree: Tree
  /** The conversation that the call is made in: that of its delegation. */
  readonly actedIn?: ActedIn
  /** The policies in force: facts like the others. */
  readonly policies: PolicySets
  readonly readAt: number
  /** Whether they were read for an earlier call. */
  readonly cached: boolean
}

interface Env {
  readonly store: Store
  readonly keyring: Keyring
  readonly clock: Clock
  /** Whether the change feed is up to date, so that what is cached may be trusted to refuse and permit. */
  readonly isFresh: () => boolean
}

interface Kept extends KnownFacts {
  readonly keptAt: number
}

/** A rotation changes who answers without touching anything: facts are read again after this long. */
const LONGEST_KEPT = 10_000
/** At most this many callers are kept; the one unused for longest goes first. */
const MOST_CALLERS = 20_000

/** Facts by caller. */
export class FactsCache {
  readonly #env: Env
  readonly #known = new Map<string, Kept>()
  readonly #keysBySubject = new Map<string, Set<string>>()

  constructor(env: Env) {
    this.#env = env
  }

  /** The facts about a caller, from memory if nothing they relied on has changed since. */
  async of(caller: Caller): Promise<KnownFacts> {
    const key = keyOf(caller)
    const kept = this.#env.isFresh() ? this.#known.get(key) : undefined
    const isYoung =
      kept !== undefined && kept.keptAt + LONGEST_KEPT > this.#env.clock.nowMilliseconds()
    if (!isYoung) return await this.fresh(caller)
    this.#known.delete(key)
    this.#known.set(key, kept)
    return kept
  }

  /** The facts as they stand in the database now. */
  async fresh(caller: Caller): Promise<KnownFacts> {
    const known = await this.#env.store.snapshot(async (tx) => {
      const readAt = await logSize(tx)
      const tree = await loadTree(tx, caller.delegation)
      if (tree === undefined) throw new Error('expected the delegation of a token of ours to exist')
      const { facts, conversations } = await directedFacts(tx, tree, caller)
      // What is in no conversation pays for none.
      const talk = conversations > 0 ? await actedIn(tx, caller.delegation) : undefined
      const policies = await currentPoliciesIn(tx, this.#env)
      return {
        facts,
        tree,
        policies,
        readAt,
        cached: false,
        ...(talk !== undefined && { actedIn: talk }),
      }
    })
    this.#keep(keyOf(caller), { ...known, cached: true })
    return known
  }

  /** Forgets what relied on `subjects`. */
  forget(subjects: Iterable<string>): void {
    for (const subject of subjects) {
      for (const key of this.#keysBySubject.get(subject) ?? []) this.#drop(key)
    }
  }

  #keep(key: string, known: KnownFacts): void {
    this.#drop(key)
    this.#known.set(key, { ...known, keptAt: this.#env.clock.nowMilliseconds() })
    for (const subject of known.facts.relied) {
      const keys = this.#keysBySubject.get(subject)
      if (keys === undefined) this.#keysBySubject.set(subject, new Set([key]))
      else keys.add(key)
    }
    if (this.#known.size > MOST_CALLERS) this.#drop(this.#known.keys().next().value ?? '')
  }

  #drop(key: string): void {
    const known = this.#known.get(key)
    if (known === undefined) return
    this.#known.delete(key)
    for (const subject of known.facts.relied) {
      const keys = this.#keysBySubject.get(subject)
      keys?.delete(key)
      if (keys?.size === 0) this.#keysBySubject.delete(subject)
    }
  }
}

/**
 * Facts that count whoever directs the agent, in the conversation of its delegation or of one above.
 *
 * INVARIANT (everybody who directs): they come from the record, whatever the agent says.
 *
 * INVARIANT (one instant): a turn touches its conversation, so no call commits without those who directed
 * the agent before it.
 */
async function directedFacts(
  tx: Tx,
  tree: Tree,
  { agents }: Caller,
): Promise<{ readonly facts: Facts; readonly conversations: number }> {
  const above = branchOf(tree).map(({ id }) => id)
  const { conversations, people } = await directingOf(tx, above)
  const facts = await loadFacts(tx, { tree, agents, directing: people })
  return {
    facts: { ...facts, relied: [...facts.relied, ...conversations] },
    conversations: conversations.length,
  }
}

function keyOf(caller: Caller): string {
  return `${caller.delegation} ${caller.agents.join(' ')}`
}
