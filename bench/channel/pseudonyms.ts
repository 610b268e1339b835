/** The pseudonyms of a benchmark's conversation, as the control plane's HMAC would give them. */

import type { Chance } from './chance.ts'
import { VECTOR_LENGTH } from './vocabulary.ts'

/** Uniform bits, `VECTOR_LENGTH / 8` bytes a slot, drawn anew where two agree in three quarters (cosine 0.5). */
export function drawPseudonyms(chance: Chance, slots: number): Uint8Array {
  const bytes = VECTOR_LENGTH / 8
  const drawn = new Uint8Array(slots * bytes)
  for (let slot = 0; slot < slots; slot++) {
    do {
      for (let at = 0; at < bytes; at++) drawn[slot * bytes + at] = chance.below(256)
    } while (collides(drawn, slot, bytes))
  }
  return drawn
}

function collides(drawn: Uint8Array, slot: number, bytes: number): boolean {
  for (let other = 0; other < slot; other++) {
    let differ = 0
    for (let at = 0; at < bytes; at++) {
      let rest = (drawn[slot * bytes + at] as number) ^ (drawn[other * bytes + at] as number)
      for (; rest > 0; rest >>= 1) differ += rest & 1
    }
    if (differ <= VECTOR_LENGTH / 4) return true
  }
  return false
}
