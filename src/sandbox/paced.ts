/** Output of a program, read no faster than the others of our process can bear: `pace`. */

import type { Readable } from 'node:stream'
import type { Clock } from '../base/clock.ts'

/** How much may be read now; two outputs may share one. */
export class Allowance {
  readonly #bytesPerMillisecond: number
  readonly #most: number
  readonly #clock: Clock
  #bytes: number
  #at: number

  /** What was saved up in a fifth of a second may come at once: an answer does not wait. */
  constructor(bytesPerSecond: number, clock: Clock) {
    this.#bytesPerMillisecond = bytesPerSecond / 1_000
    this.#most = bytesPerSecond / 5
    this.#bytes = this.#most
    this.#clock = clock
    this.#at = clock.nowMilliseconds()
  }

  /** Takes `bytes`; the milliseconds to wait before the next are read. */
  take(bytes: number): number {
    const now = this.#clock.nowMilliseconds()
    const saved = this.#bytes + Math.max(0, now - this.#at) * this.#bytesPerMillisecond
    this.#at = now
    this.#bytes = Math.min(saved, this.#most) - bytes
    return this.#bytes >= 0 ? 0 : -this.#bytes / this.#bytesPerMillisecond
  }
}

/**
 * Lets `from` flow at the pace of `allowance`, once somebody lets it flow; while nothing is read, the program
 * waits. Whoever reads it may pause it while they are given something, and let it flow again whenever they
 * like. There is no second stream: it would cost each answer of a server more than its sandbox does.
 */
export function pace(from: Readable, allowance: Allowance, clock: Clock): void {
  let [isResting, isWanted] = [false, false]
  const rest = async (milliseconds: number): Promise<void> => {
    // Our listener is the last: if it does not flow any more, its reader had enough.
    isWanted = from.readableFlowing === true
    isResting = true
    from.pause()
    await clock.sleep(milliseconds)
    isResting = false
    if (isWanted) from.resume()
  }
  const count = (chunk: Buffer): void => {
    const wait = allowance.take(chunk.length)
    if (wait > 0 && !isResting) void rest(wait)
  }
  // To listen earlier would make it flow before anybody reads it.
  from.once('resume', () => from.on('data', count))
  from.on('resume', () => {
    if (!isResting) return
    isWanted = true
    from.pause()
  })
}
