/** The tokenizer of the open-text stage: `byte-pairs.json`, which `learn.ts` wrote from training text. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { BytePairs, type Pairs } from './byte-pairs.ts'

export const PAIRS_FILE: string = join(import.meta.dirname, 'byte-pairs.json')

export const TOKENIZER: BytePairs = new BytePairs(
  JSON.parse(readFileSync(PAIRS_FILE, 'utf8')) as Pairs,
)
