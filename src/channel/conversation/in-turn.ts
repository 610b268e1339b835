/** Work that is done one after the other where it has the same name, and at once where it has not. */
export class InTurn {
  readonly #last = new Map<string, Promise<void>>()

  /** Runs `work` when all work of that name has ended that was asked for before. */
  async run<T>(name: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(name)
    const { promise: ended, resolve: end } = Promise.withResolvers<void>()
    this.#last.set(name, ended)
    await before
    try {
      return await work()
    } finally {
      end()
      if (this.#last.get(name) === ended) this.#last.delete(name)
    }
  }
}
