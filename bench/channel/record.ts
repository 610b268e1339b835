/**
 * Episodes as bytes, for the trainer in Python (`model/episodes.py` reads them). Little-endian:
 *
 * `u16 length, u8 slots, u8 questions, u16 attackAt (65535: none)`, then 8 bytes of pseudonym a slot, then five
 * rows of `length` bytes (ids, authority, kind, slot, admission with 255 for none), then 16 bytes a question:
 * 9 ids, authority, slot, question, first and second word of the answer, wanted word (255 for none), 0.
 */

import type { Asked } from './conversation.ts'
import type { Episode } from './episode.ts'
import { QUESTIONS } from './vocabulary.ts'

const NONE = 255
const NO_PLACE = 65_535

/** One record. */
export function recordOf(episode: Episode): Buffer {
  const { conversation, asked, attack } = episode
  const { ids, authority, kind, slot } = conversation.tokens
  const head = Buffer.alloc(6)
  head.writeUInt16LE(ids.length, 0)
  head.writeUInt8(conversation.slots, 2)
  head.writeUInt8(asked.length, 3)
  head.writeUInt16LE(attack?.at ?? NO_PLACE, 4)
  const admission = conversation.admission.map((label) => label ?? NONE)
  return Buffer.concat([
    head,
    conversation.pseudonyms,
    ...[ids, authority, kind, slot, admission].map((row) => Buffer.from(row)),
    ...asked.map((one) => questionOf(one, attack?.wanted ?? NONE)),
  ])
}

function questionOf(asked: Asked, wanted: number): Buffer {
  const { ids, authority, slot } = asked.tokens
  const [first, second] = asked.answer
  const about = [authority[0] as number, slot[0] as number, QUESTIONS.indexOf(asked.question)]
  return Buffer.from([...ids, ...about, first as number, second ?? NONE, wanted, 0])
}
