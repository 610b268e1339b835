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

/** What tools returned under a delegation and below it, from one entry on. */
export class Returned {
  readonly #permitted = new Map<string, Permitted>()
  #next: number
  #left: number

  constructor(from: number, most = MOST_CALLS) {
    this.#next = from
    this.#left = most
  }

  /**
   * Reads on from where it has come to, up to the entry `to`, and returns the delegations that it looked
   * at. What the log holds stays as it is, so nothing is read twice.
   */
  async read(tx: Tx, root: DelegationId, to = Number.MAX_SAFE_INTEGER): Promise<readonly string[]> {
    const tree = await delegationTree(tx, root)
    while (!this.isCut) {
      const page = await endedCalls(tx, tree, { from: this.#next, to, limit: PAGE })
      for (const { intended, outcome } of page) {
        this.#left--
        this.#next = outcome.index + 1
        // A call that failed returned nothing; one that is under way has not.
        if (outcome.entry.result !== undefined && !this.isCut)
          this.#add(intended.facts?.people ?? [], outcome.index)
      }
      if (page.length < PAGE) break
    }
    return tree
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

  #add(permitted: readonly { readonly person: string }[], first: number): void {
    const people = new Set(permitted.map(({ person }) => person))
    const key = [...people].toSorted().join(' ')
    if (!this.#permitted.has(key)) this.#permitted.set(key, { people, first })
  }
}
