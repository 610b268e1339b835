/**
 * Batches: while one is at work the next one gathers, so that a busy process pays once for many callers
 * (one fsync, one query) and an idle one waits for nobody. Nobody joins a batch that has begun: what is
 * done for a caller is done after they asked.
 */

/** Does the work of `items` at once and answers for each, in their order. Throws when it is done for none. */
export type WorkOff<T, R> = (items: readonly T[]) => Promise<readonly R[]>

/** How large a batch may become. */
export interface BatchLimits<T> {
  readonly items: number
  /** Of what `bytesOf` says; a single item that is larger goes alone. */
  readonly bytes: number
  readonly bytesOf: (item: T) => number
}

interface Waiting<T, R> {
  readonly item: T
  readonly resolve: (answer: R) => void
  readonly reject: (fault: unknown) => void
}

/** A queue in front of one batch at a time. */
export class Batches<T, R> {
  readonly #workOff: WorkOff<T, R>
  readonly #limits: BatchLimits<T>
  #waiting: Waiting<T, R>[] = []
  #atWork = false

  constructor(workOff: WorkOff<T, R>, limits: BatchLimits<T>) {
    this.#workOff = workOff
    this.#limits = limits
  }

  /** Resolves when the batch that holds `item` is done; rejects when that batch failed. */
  add(item: T): Promise<R> {
    const { promise, resolve, reject } = Promise.withResolvers<R>()
    this.#waiting.push({ item, resolve, reject })
    if (!this.#atWork) {
      this.#atWork = true
      // Let the requests that arrived in the same turn of the event loop join the first batch.
      setImmediate(() => void this.#drain())
    }
    return promise
  }

  async #drain(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, this.#next())
      try {
        const answers = await this.#workOff(batch.map((waiting) => waiting.item))
        if (answers.length !== batch.length) throw new Error('expected an answer for every item')
        for (const [i, waiting] of batch.entries()) waiting.resolve(answers[i] as R)
      } catch (fault) {
        for (const waiting of batch) waiting.reject(fault)
      }
    }
    this.#atWork = false
  }

  /** How many of those that wait make up the next batch: at least one. */
  #next(): number {
    const { items, bytes, bytesOf } = this.#limits
    let size = 0
    const most = Math.min(this.#waiting.length, items)
    for (let i = 0; i < most; i++) {
      size += bytesOf((this.#waiting[i] as Waiting<T, R>).item)
      if (size > bytes) return Math.max(i, 1)
    }
    return most
  }
}
