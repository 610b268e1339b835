/**
 * Group commit: while one batch is being committed the next one gathers, so that a busy gateway pays
 * one fsync for many calls and an idle one waits for nobody.
 */

/**
 * Commits `items` in one transaction and answers for each, in order; an `Error` is the fault of that item
 * alone. Throws when nothing was committed.
 */
export type CommitBatch<T, R> = (items: readonly T[]) => Promise<readonly (R | Error)[]>

interface Waiting<T, R> {
  readonly item: T
  readonly resolve: (answer: R) => void
  readonly reject: (fault: unknown) => void
}

/** A queue in front of one committing transaction at a time. */
export class GroupCommit<T, R> {
  readonly #commit: CommitBatch<T, R>
  readonly #largest: number
  #waiting: Waiting<T, R>[] = []
  #committing = false

  constructor(commit: CommitBatch<T, R>, largestBatch = 256) {
    this.#commit = commit
    this.#largest = largestBatch
  }

  /** Resolves when the batch that holds `item` is durable; rejects when that batch failed. */
  add(item: T): Promise<R> {
    const { promise, resolve, reject } = Promise.withResolvers<R>()
    this.#waiting.push({ item, resolve, reject })
    if (!this.#committing) {
      this.#committing = true
      // Let the requests that arrived in the same turn of the event loop join the first batch.
      setImmediate(() => void this.#drain())
    }
    return promise
  }

  async #drain(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, this.#largest)
      try {
        const answers = await this.#commit(batch.map((waiting) => waiting.item))
        for (const [i, waiting] of batch.entries()) {
          const answer = answers[i]
          if (answer instanceof Error || answer === undefined) waiting.reject(answer)
          else waiting.resolve(answer)
        }
      } catch (fault) {
        for (const waiting of batch) waiting.reject(fault)
      }
    }
    this.#committing = false
  }
}
