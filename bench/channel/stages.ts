/** The two stages of the benchmark: what weights must have been trained for, where ours lie, and the sets. */

import { join } from 'node:path'
import { ADAPTIVE, type AdaptiveSet } from './adaptive.ts'
import type { Job } from './job.ts'
import { OPEN_VERSION, SETS as OPEN_SETS } from './open/sets.ts'
import { TOKENIZER } from './open/tokenizer.ts'
import { SETS } from './sets.ts'
import { BENCHMARK_VERSION, VOCABULARY } from './vocabulary.ts'

const WEIGHTS = join(import.meta.dirname, '../../model/weights')

/** One stage. */
export interface Stage {
  readonly isOpen: boolean
  /** The version of the benchmark, and the words of the vocabulary by id. */
  readonly version: string
  readonly words: readonly string[]
  readonly sets: readonly Job['set'][]
  readonly weights: string
}

/** A closed vocabulary, with searching attackers. */
export const CLOSED: Stage = {
  isOpen: false,
  version: BENCHMARK_VERSION,
  words: VOCABULARY,
  sets: [...SETS, ...(Object.keys(ADAPTIVE) as AdaptiveSet[])],
  weights: WEIGHTS,
}

/** Open text. */
export const OPEN: Stage = {
  isOpen: true,
  version: OPEN_VERSION,
  words: TOKENIZER.names,
  sets: OPEN_SETS,
  weights: join(WEIGHTS, 'open'),
}
