/** `node bench/channel/open/learn.ts`: learns the tokenizer from training text and writes `byte-pairs.json`. */

import { writeFileSync } from 'node:fs'
import { learnPairs } from './byte-pairs.ts'
import { trainingEpisode } from './sets.ts'
import { PAIRS_FILE } from './tokenizer.ts'

/** Ids of the tokenizer. */
const SIZE = 768
const EPISODES = 3000

/** What is learned from the first episodes of training, as the file holds it. */
export function learned(): string {
  const texts = Array.from(
    { length: EPISODES },
    (_, at) => trainingEpisode('tokenizer', 0.5 + at / EPISODES / 2).chat.texts,
  )
  const { special, merges } = learnPairs(texts.flat(), SIZE)
  return `${JSON.stringify({ special, merges })}\n`
}

if (import.meta.main) writeFileSync(PAIRS_FILE, learned())
