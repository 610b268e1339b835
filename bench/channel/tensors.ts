/**
 * The input of a model for one question of an episode: the four aligned tensors of the principal channel.
 *
 * `input_ids`, `authority`, `kind`: int64 [1, T]. `principal_vec`: float32 [1, T, 64], +1/8 for a bit that is
 * set and -1/8 for one that is not. The logits at T-2 (`<ans>`) predict the answer's first word, those at
 * T-1 the second word of a name.
 */

import type { ChannelTensors } from '../../src/channel/principal-model.ts'
import type { Tokens } from './conversation.ts'
import { VECTOR_LENGTH } from './vocabulary.ts'

/** Rows of one length, as a network takes them. */
export interface ChannelInput extends Omit<ChannelTensors, 'messageEnds'> {
  readonly length: number
}

/** What is said so far, and who is behind each slot: eight bytes each. */
export interface Spoken {
  readonly tokens: Tokens
  readonly pseudonyms: Uint8Array
}

/** The whole conversation, and then one question with `<ans>` and as much of the answer as stands there. */
export function inputOf(conversation: Spoken, asked: Pick<Spoken, 'tokens'>): ChannelInput {
  const row = (of: keyof Tokens): number[] => [...conversation.tokens[of], ...asked.tokens[of]]
  const slots = row('slot')
  const principalVectors = new Float32Array(slots.length * VECTOR_LENGTH)
  for (const [at, slot] of slots.entries()) {
    for (let bit = 0; bit < VECTOR_LENGTH; bit++) {
      const byte = conversation.pseudonyms[slot * (VECTOR_LENGTH / 8) + (bit >> 3)] as number
      principalVectors[at * VECTOR_LENGTH + bit] = ((byte >> (bit & 7)) & 1) === 1 ? 1 / 8 : -1 / 8
    }
  }
  return {
    length: slots.length,
    inputIds: row('ids'),
    authority: row('authority'),
    kind: row('kind'),
    principalVectors,
  }
}
