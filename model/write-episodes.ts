/**
 * Writes what the trainer reads: `node model/write-episodes.ts --folder <folder> [--episodes 200000] [--seed 1]`.
 *
 * `train.bin` (with the curriculum in its order), one `<set>.bin` a set of the benchmark, `vocabulary.json`
 * and `data.json`: what was written, with the SHA-256 of each file. `bench/channel/record.ts` has the format.
 */

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Chance } from '../bench/channel/chance.ts'
import type { Episode } from '../bench/channel/episode.ts'
import { recordOf } from '../bench/channel/record.ts'
import { SETS, casesOf, trainingEpisode } from '../bench/channel/sets.ts'
import { BENCHMARK_VERSION, KIND, QUESTIONS, VOCABULARY } from '../bench/channel/vocabulary.ts'
import { type Written, writeRecords } from './write-records.ts'

const { values } = parseArgs({
  options: {
    folder: { type: 'string' },
    episodes: { type: 'string', default: '200000' },
    cases: { type: 'string', default: '2000' },
    seed: { type: 'string', default: '1' },
  },
})
if (values.folder === undefined) throw new Error('`--folder` is missing: where the files go')
const folder = values.folder
const episodes = Number(values.episodes)
const cases = Number(values.cases)
mkdirSync(folder, { recursive: true })

const files: Record<string, Written> = {}
files['train.bin'] = write('train.bin', training(`train ${values.seed}`, episodes))
for (const set of SETS) {
  files[`${set}.bin`] = write(`${set}.bin`, casesOf(set, cases, `held-out ${values.seed}`))
}
const about = { version: BENCHMARK_VERSION, seed: values.seed, files }
writeFileSync(join(folder, 'data.json'), `${JSON.stringify(about, null, 2)}\n`)
const words = { version: BENCHMARK_VERSION, words: VOCABULARY, kinds: KIND, questions: QUESTIONS }
writeFileSync(join(folder, 'vocabulary.json'), `${JSON.stringify(words, null, 2)}\n`)

function* training(seed: string, count: number): Generator<Episode> {
  const chance = new Chance(seed)
  for (let at = 0; at < count; at++) yield trainingEpisode(chance, at / count)
}

function write(name: string, of: Iterable<Episode>): Written {
  return writeRecords(
    join(folder, name),
    Iterator.from(of).map((episode) => recordOf(episode)),
  )
}
