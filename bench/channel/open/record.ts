/**
 * Episodes of open text as bytes, for the trainer in Python (`model/open_episodes.py` reads them). Little-endian:
 *
 * `u16 length, u8 slots, u8 questions, u16 attackAt (65535: none)`, 8 bytes of pseudonym a slot, `length` ids as u16,
 * then four rows of `length` bytes (authority, kind, slot, admission with 255 for none). A question is `u8 length,
 * u8 answerAt, u8 authority, u8 slot, u8 question, u8 wantedLength`, its ids as u16, its kinds as bytes, and the ids of
 * the wanted answer as u16, which end in `<end>` as answers do.
 */

import { special } from './byte-pairs.ts'
import type { Asked } from './chat.ts'
import type { Episode } from './episode.ts'
import { QUESTIONS } from './phrases.ts'
import { TOKENIZER } from './tokenizer.ts'

const NONE = 255
const NO_PLACE = 65_535

/** One record. */
export function recordOf({ chat, asked, attack }: Episode): Buffer {
  const { ids, authority, kind, slot } = chat.tokens
  const head = Buffer.alloc(6)
  head.writeUInt16LE(ids.length, 0)
  head.writeUInt8(chat.slots, 2)
  head.writeUInt8(asked.length, 3)
  head.writeUInt16LE(attack?.at ?? NO_PLACE, 4)
  const wanted =
    attack === undefined ? [] : [...TOKENIZER.encode(` ${attack.wanted}`), special('<end>')]
  const admission = chat.admission.map((label) => label ?? NONE)
  return Buffer.concat([
    head,
    chat.pseudonyms,
    words(ids),
    ...[authority, kind, slot, admission].map((row) => Buffer.from(row)),
    ...asked.map((one) => questionOf(one, wanted)),
  ])
}

function questionOf(of: Asked, wanted: readonly number[]): Buffer {
  const { asker, answerAt, ids, kind } = of
  const question = QUESTIONS.indexOf(of.question)
  const head = [ids.length, answerAt, asker.authority, asker.slot, question, wanted.length]
  return Buffer.concat([Buffer.from(head), words(ids), Buffer.from(kind), words(wanted)])
}

function words(ids: readonly number[]): Buffer {
  const bytes = Buffer.alloc(2 * ids.length)
  for (const [at, id] of ids.entries()) bytes.writeUInt16LE(id, 2 * at)
  return bytes
}
