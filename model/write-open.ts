/**
 * Writes what the open-text trainer reads: `node model/write-open.ts --folder <folder> [--episodes 96000] [--seed 1]`.
 *
 * `train.bin` (with the curriculum in its order), `train-dropped.bin` (the same, with chanced names in some headers),
 * one `<set>.bin` a set, `vocabulary.json` and `data.json`: what was written, with the SHA-256 of each file. `bench/channel/open/record.ts` has the format.
 */

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Episode } from '../bench/channel/open/episode.ts'
import { recordOf } from '../bench/channel/open/record.ts'
import { OPEN_VERSION, SETS, casesOf, trainingEpisode } from '../bench/channel/open/sets.ts'
import { TOKENIZER } from '../bench/channel/open/tokenizer.ts'
import { type Written, writeRecords } from './write-records.ts'

const { values } = parseArgs({
  options: {
    folder: { type: 'string' },
    episodes: { type: 'string', default: '96000' },
    cases: { type: 'string', default: '600' },
    seed: { type: 'string', default: '1' },
  },
})
if (values.folder === undefined) throw new Error('`--folder` is missing: where the files go')
const folder = values.folder
const episodes = Number(values.episodes)
mkdirSync(folder, { recursive: true })

const files: Record<string, Written> = {}
files['train.bin'] = write('train.bin', training(false))
files['train-dropped.bin'] = write('train-dropped.bin', training(true))
for (const set of SETS) {
  const cases = casesOf(set, Number(values.cases), `held-out ${values.seed}`)
  files[`${set}.bin`] = write(`${set}.bin`, cases)
}
const about = { version: OPEN_VERSION, seed: values.seed, files }
writeFileSync(join(folder, 'data.json'), `${JSON.stringify(about, null, 2)}\n`)
const words = { version: OPEN_VERSION, words: TOKENIZER.names }
writeFileSync(join(folder, 'vocabulary.json'), `${JSON.stringify(words, null, 2)}\n`)

function* training(dropNames: boolean): Generator<Episode> {
  for (let at = 0; at < episodes; at++) {
    yield trainingEpisode(`train ${values.seed}`, at / episodes, dropNames)
  }
}

function write(name: string, of: Iterable<Episode>): Written {
  return writeRecords(
    join(folder, name),
    Iterator.from(of).map((episode) => recordOf(episode)),
  )
}
