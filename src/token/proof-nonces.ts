/**
 * Nonces that a server wants in DPoP proofs (RFC 9449 §8), so that a proof is good at one process only.
 *
 * The key is made when the process starts and leaves it in no form: another replica, and the same one
 * after a restart, makes other nonces, and so refuses what was proven elsewhere. Where they are asked for,
 * the replay cache of a process (`seen-proofs.ts`) knows every proof that could be used there.
 */

import { createHmac, timingSafeEqual } from 'node:crypto'
import { base64url } from '../base/bytes.ts'
import { type Clock, nowSeconds } from '../base/clock.ts'
import type { Random } from '../base/random.ts'

/** How long a nonce is handed out; it is accepted as long again. Seconds. */
const TURN_SECONDS = 60

/** The nonces of one process. */
export class ProofNonces {
  readonly #clock: Clock
  readonly #key: Uint8Array

  constructor(env: { readonly clock: Clock; readonly random: Random }) {
    this.#clock = env.clock
    this.#key = env.random.bytes(32)
  }

  /** The nonce to prove with now. */
  current(): string {
    return this.#of(this.#turn())
  }

  /** Whether a proof may bear `nonce`: the one of this turn, or of the last. */
  accepts(nonce: string | undefined): boolean {
    if (nonce === undefined) return false
    const turn = this.#turn()
    return [turn, turn - 1].some((each) => isSame(this.#of(each), nonce))
  }

  #turn(): number {
    return Math.floor(nowSeconds(this.#clock) / TURN_SECONDS)
  }

  #of(turn: number): string {
    return base64url(createHmac('sha256', this.#key).update(String(turn)).digest().subarray(0, 16))
  }
}

function isSame(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)]
  return a.length === b.length && timingSafeEqual(a, b)
}
