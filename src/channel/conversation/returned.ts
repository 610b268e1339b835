/**
 * For whom it is what tools returned to the agent of a conversation and to all agents below it: `Returned`.
 *
 * What an agent below is returned is no message of the conversation: it belongs to another context. But it
 * can come up from there outside of the record, and the agent's answer may hold it.
 *
 * INVARIANT (entitled answers): nobody reads through an agent, or through those that it passed work on to,
 * what they were not permitted to ask for. It is read from the log: who was permitted a call stands in the
 * entry by which it was let out.
 */

import { delegationTree, endedCalls } from '../../audit/queries.ts'
import type { DelegationId } from '../../delegation/delegation.ts'
import type { Tx } from '../../store/store.ts'
import type { Participant } from './conversation.ts'

/** Calls that were permitted to the same people. */
interface Permitted {
  readonly people: ReadonlySet<string>
  /** The entry by which the first of them ended. */
  readonly first: number
}

/** So many calls of one turn are looked at, with those below; who was permitted the others is not known. */
const MOST_CALLS = 10_000
const PAGE = 200

/** A call that ended, and who was permitted it if it returned something. */
export interface Ended {
  readonly index: number
  readonly people?: readonly string[]
}

/** The calls that ended under a delegation and below it, in the range of entries, at most `limit`. */
export async function endedUnder(
  tx: Tx,
  tree: readonly string[],
  range: { readonly from: number; readonly to?: number; readonly limit?: number },
): Promise<readonly Ended[]> {
  const { to = Number.MAX_SAFE_INTEGER, limit = Infinity } = range
  const found: Ended[] = []
  for (let from = range.from; found.length < limit;) {
    const page = await endedCalls(tx, tree, { from, to, limit: PAGE })
    for (const { intended, outcome } of page) {
      // A call that failed returned nothing; one that is under way has not.
      const returned = outcome.entry.result !== undefined
      const people = (intended.facts?.people ?? []).map(({ person }) => person)
      found.push({ index: outcome.index, ...(returned && { people }) })
    }
    from = (found.at(-1)?.index ?? from) + 1
    if (page.length < PAGE) break
  }
  return found.slice(0, limit)
}

/** What tools returned under a delegation and below it, as far as it was read. */
export class Returned {
  readonly #permitted = new Map<string, Permitted>()
  #next: number
  #left: number

  /** Nothing yet, of what ended from the entry `from` on. */
  constructor(from: number, most = MOST_CALLS) {
    this.#next = from
    this.#left = most
  }

  /**
   * Reads on from where it has come to, and returns the delegations that it looked at. What the log holds
   * stays as it is, so nothing is read twice.
   */
  async read(tx: Tx, root: DelegationId): Promise<readonly string[]> {
    const tree = await delegationTree(tx, root)
    if (this.isCut) return tree
    // One more than is looked at says that there are more.
    const limit = this.#left + 1
    for (const ended of await endedUnder(tx, tree, { from: this.#next, limit })) this.take(ended)
    return tree
  }

  /** Takes the next call that ended. */
  take({ index, people }: Ended): void {
    this.#left--
    this.#next = index + 1
    if (this.isCut || people === undefined) return
    const key = people.toSorted().join(' ')
    if (!this.#permitted.has(key))
      this.#permitted.set(key, { people: new Set(people), first: index })
  }

  /** Whether there was more than is looked at. */
  get isCut(): boolean {
    return this.#left < 0
  }

  /** Whether somebody who takes part since the entry `joined` was permitted all that was looked at. */
  isFor(member: Participant, joined: number): boolean {
    return this.#permitted
      .values()
      .every(({ people, first }) => people.has(member) && joined < first)
  }
}
