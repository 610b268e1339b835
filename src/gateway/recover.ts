/**
 * Says of calls that were recorded and never answered that their outcome is unknown.
 *
 * Call `Recovery.sweep` before the first call is taken, and now and then: a process may have been killed,
 * and a fault of the database may leave a call recorded whose process was told that it was not.
 *
 * INVARIANT (record first): such a call may have been made or not; it is never made again from here.
 */

import { appendPrepared, lockHead, prepareEntry } from '../audit/append.ts'
import type { EntryOf } from '../audit/entry.ts'
import { callsWithoutOutcome, type PlacedEntry } from '../audit/queries.ts'
import type { Clock } from '../base/clock.ts'
import { logSize } from '../store/changes.ts'
import type { Store, Tx } from '../store/store.ts'
import type { CallsUnderWay } from './under-way.ts'

interface Env {
  readonly store: Store
  readonly clock: Clock
  readonly underWay: CallsUnderWay
}

type OpenCall = PlacedEntry<EntryOf<'call_intended'>>

/** Longer than any server may take (`registry/register.ts`): after it nobody anywhere is busy with a call. */
const ABANDONED_MILLISECONDS = 900_000
const MOST_AT_ONCE = 200

/** The recovery of one process. */
export class Recovery {
  readonly #env: Env
  readonly #instances: ReadonlySet<string>
  /** Every call that was intended before has its outcome. */
  #from = 0

  /** `instances` are this process and those of this home that ran before it, by name. */
  constructor(instances: ReadonlySet<string>, env: Env) {
    this.#instances = instances
    this.#env = env
  }

  /** Records `unknown` for every call that nobody is busy with, and returns how many there were. */
  async sweep(): Promise<number> {
    const { store } = this.#env
    const { open, size } = await store.snapshot((tx) => this.#openCalls(tx))
    const left = open.filter((call) => this.#isLeft(call))
    for (let at = 0; at < left.length; at += MOST_AT_ONCE) {
      await store.transaction((tx) => this.#recordUnknown(tx, left.slice(at, at + MOST_AT_ONCE)))
    }
    this.#from = open.find((call) => !left.includes(call))?.index ?? size
    return left.length
  }

  async #openCalls(tx: Tx): Promise<{ open: OpenCall[]; size: number }> {
    const size = await logSize(tx)
    const open: OpenCall[] = []
    for (let from = this.#from; ;) {
      const page = await callsWithoutOutcome(tx, size, { from })
      open.push(...page)
      const last = page.at(-1)
      if (last === undefined) return { open, size }
      from = last.index + 1
    }
  }

  /** A call of another process may be under way there, for as long as a call may take. */
  #isLeft({ entry }: OpenCall): boolean {
    if (this.#env.underWay.has(entry.call)) return false
    const [instance = ''] = entry.call.split('.')
    const age = this.#env.clock.nowMilliseconds() - entry.time
    return this.#instances.has(instance) || age > ABANDONED_MILLISECONDS
  }

  /** Under the lock of the head no outcome can come in between. */
  async #recordUnknown(tx: Tx, left: readonly OpenCall[]): Promise<void> {
    const [first, last] = [left[0], left.at(-1)]
    if (first === undefined || last === undefined) return
    await lockHead(tx)
    const range = { from: first.index, limit: Number.MAX_SAFE_INTEGER }
    const open = await callsWithoutOutcome(tx, last.index + 1, range)
    const still = new Set(open.map(({ index }) => index))
    const unknown = left.filter(({ index }) => still.has(index))
    if (unknown.length === 0) return
    const time = this.#env.clock.nowMilliseconds()
    await appendPrepared(
      tx,
      unknown.map(({ index, entry: { call, delegation } }) =>
        prepareEntry({
          v: 1,
          kind: 'call_outcome',
          time,
          by: { type: 'system', part: 'recovery' },
          call,
          intended: index,
          delegation,
          outcome: 'unknown',
          milliseconds: 0,
        }),
      ),
    )
  }
}
