/**
 * Time. The only file that touches the real clock and real timers; everything else receives a `Clock`.
 */

/** A source of time that tests can move by hand. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  nowMilliseconds(): number
  /** Resolves after `milliseconds`, or at once when `signal` aborts. Never rejects. */
  sleep(milliseconds: number, signal?: AbortSignal): Promise<void>
}

/** Whole seconds since the Unix epoch, the unit of every wire time (RFC 7519 §2 NumericDate). */
export function nowSeconds(clock: Clock): number {
  return Math.floor(clock.nowMilliseconds() / 1000)
}

/** The machine's clock. */
export const systemClock: Clock = {
  nowMilliseconds: () => Date.now(),
  sleep: (milliseconds, signal) => sleepFor(milliseconds, signal),
}

async function sleepFor(milliseconds: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) return
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, milliseconds)
  const stop = (): void => {
    clearTimeout(timer)
    resolve()
  }
  signal?.addEventListener('abort', stop, { once: true })
  await promise
  signal?.removeEventListener('abort', stop)
}

/** A clock for tests: it stands still until `advance`, which wakes the sleepers that are due, in order. */
export class FakeClock implements Clock {
  #now: number
  #sleepers: { at: number; wake: () => void }[] = []

  constructor(startMilliseconds = 1_767_225_600_000) {
    this.#now = startMilliseconds
  }

  nowMilliseconds(): number {
    return this.#now
  }

  /** How many sleep now: a test waits for its sleeper before it advances. */
  get sleepers(): number {
    return this.#sleepers.length
  }

  async sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#sleepers.push({ at: this.#now + milliseconds, wake: resolve })
    signal?.addEventListener('abort', () => resolve(), { once: true })
    await promise
  }

  /** Moves time forward and lets everything that became due run. */
  async advance(milliseconds: number): Promise<void> {
    this.#now += milliseconds
    const due = this.#sleepers.filter((s) => s.at <= this.#now).toSorted((a, b) => a.at - b.at)
    this.#sleepers = this.#sleepers.filter((s) => s.at > this.#now)
    for (const sleeper of due) sleeper.wake()
    await new Promise((resolve) => setImmediate(resolve))
  }
}
