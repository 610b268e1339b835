/**
 * The replay cache: proofs that were used, for as long as they could be used again (RFC 9449 §11.1).
 *
 * It is this process's own. Where several serve one issuer, nonces tie each proof to one of them
 * (`proof-nonces.ts`); without, what one saw can be replayed at another within the window, by somebody who
 * has the token too.
 */

import { hash } from 'node:crypto'
import { type Clock, nowSeconds } from '../base/clock.ts'
import { ok, refuse, type Result } from '../base/result.ts'

/** Why a proof cannot be used. */
export interface Sighting {
  readonly reason: 'proof_replayed' | 'proofs_exhausted'
}

const CAPACITY = 500_000
/** One holder cannot crowd out the others. */
const CAPACITY_PER_KEY = 100_000

/** Proofs by the second after which they are stale. */
export class SeenProofs {
  readonly #clock: Clock
  readonly #capacity: number
  readonly #capacityPerKey: number
  readonly #bySecond = new Map<number, Map<string, string>>()
  readonly #perKey = new Map<string, number>()
  #size = 0
  #sweptAt = 0

  constructor(
    env: { readonly clock: Clock },
    { capacity = CAPACITY, capacityPerKey = CAPACITY_PER_KEY } = {},
  ) {
    this.#clock = env.clock
    this.#capacity = capacity
    this.#capacityPerKey = capacityPerKey
  }

  /** Remembers a proof through the second `until`; refuses one that it knows, and any when it is full. */
  see(jkt: string, jti: string, until: number): Result<undefined, Sighting> {
    this.#forgetStale()
    // A replay has the `iat` of the original, which is signed, and so falls into the same second.
    const proofs = this.#bySecond.get(until) ?? new Map<string, string>()
    const id = hash('sha256', `${jkt}.${jti}`, 'base64url')
    if (proofs.has(id)) return refuse({ reason: 'proof_replayed' })
    const own = this.#perKey.get(jkt) ?? 0
    if (this.#size >= this.#capacity || own >= this.#capacityPerKey) {
      return refuse({ reason: 'proofs_exhausted' })
    }

    proofs.set(id, jkt)
    this.#bySecond.set(until, proofs)
    this.#perKey.set(jkt, own + 1)
    this.#size++
    return ok()
  }

  #forgetStale(): void {
    const now = nowSeconds(this.#clock)
    if (now === this.#sweptAt) return
    this.#sweptAt = now
    for (const [until, proofs] of this.#bySecond) {
      if (until >= now) continue
      for (const jkt of proofs.values()) {
        const left = (this.#perKey.get(jkt) ?? 0) - 1
        if (left <= 0) this.#perKey.delete(jkt)
        else this.#perKey.set(jkt, left)
      }
      this.#size -= proofs.size
      this.#bySecond.delete(until)
    }
  }
}
