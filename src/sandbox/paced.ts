/** Output of a program, read no faster than the others of our process can bear: `paced`. */

import { Readable } from 'node:stream'
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

/** What `kept` keeps of each piece of `from`, at the pace of `allowance`. While nothing is read, the program waits. */
export function paced(
  from: Readable,
  allowance: Allowance,
  { kept, clock }: { readonly kept: (chunk: Buffer) => Buffer; readonly clock: Clock },
): Readable {
  let [isResting, isWanted] = [false, true]
  const to = new Readable({
    read: () => {
      isWanted = true
      if (!isResting) from.resume()
    },
    destroy: (fault, done) => {
      // Nobody reads it any more: the program is not to wait for that.
      from.resume()
      done(fault)
    },
  })
  const rest = async (milliseconds: number): Promise<void> => {
    isResting = true
    from.pause()
    await clock.sleep(milliseconds)
    isResting = false
    if (isWanted) from.resume()
  }
  from.on('data', (chunk: Buffer) => {
    const part = kept(chunk)
    if (part.length > 0 && !to.destroyed) isWanted = to.push(part)
    const wait = allowance.take(chunk.length)
    if (wait > 0) void rest(wait)
    else if (!isWanted) from.pause()
  })
  from.once('end', () => to.push(null))
  from.once('error', (cause) => to.destroy(cause))
  from.once('close', () => void (from.readableEnded || to.destroy()))
  return to
}
