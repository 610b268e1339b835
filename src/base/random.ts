/** Chance. The only file that touches the real generator; everything else receives a `Random`. */

import { createHash, randomBytes } from 'node:crypto'

/** A source of unpredictable bytes that tests can seed. */
export interface Random {
  bytes(length: number): Buffer
}

/** The operating system's generator. */
export const systemRandom: Random = { bytes: fromPool }

const POOL_BYTES = 4_096
const MOST_FROM_POOL = 64
let pool = Buffer.alloc(0)
let used = 0

/** Asks the system for many bytes at once: a call for a few costs as much. None is handed out twice. */
function fromPool(length: number): Buffer {
  if (length > MOST_FROM_POOL) return randomBytes(length)
  if (used + length > pool.length) {
    pool = randomBytes(POOL_BYTES)
    used = 0
  }
  return pool.subarray(used, (used += length))
}

/** A generator for tests: the same seed gives the same bytes (SHA-256 in counter mode). */
export class SeededRandom implements Random {
  readonly #seed: string
  #counter = 0

  constructor(seed: string | number) {
    this.#seed = String(seed)
  }

  bytes(length: number): Buffer {
    const blocks: Buffer[] = []
    for (let made = 0; made < length; made += 32) {
      blocks.push(
        createHash('sha256')
          .update(`${this.#seed}:${this.#counter++}`)
          .digest(),
      )
    }
    return Buffer.concat(blocks).subarray(0, length)
  }

  /** An integer in [0, below). For tests and load generators only: it has a slight bias. */
  below(below: number): number {
    return this.bytes(6).readUIntBE(0, 6) % below
  }
}

/** A random UUID (RFC 9562 §5.4, version 4). */
export function uuidV4(random: Random): string {
  const bytes = random.bytes(16)
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
  const hex = bytes.toString('hex')
  return [8, 12, 16, 20, 32].map((end, i, ends) => hex.slice(ends[i - 1] ?? 0, end)).join('-')
}
