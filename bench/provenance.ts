/**
 * What provenance costs: a megabyte of segments indexed, and one look-up in it.
 *
 * `node bench/provenance.ts [--json]`. The floor of indexing is folding the same text with the platform's
 * own means, of a look-up a plain search for the value in the whole text. Ratios are the median over
 * rounds.
 */

import { TextIndex } from '../src/channel/text-index.ts'
import { type Round, type Row, rowOf, tableOf } from './rows.ts'

const ROUNDS = 15
const SEGMENT = 16_384
const WORDS =
  'the quarterly report about invoices and payments was sent to the client on 2024-05-15 with notes from john@x.example Recipient Budget 1,200.50'.split(
    ' ',
  )

/** About a megabyte of text, always the same. */
function megabyte(): string {
  let seed = 1
  let text = ''
  while (text.length < 1 << 20) {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fffffff
    text += `${WORDS[seed % WORDS.length]}${seed % 9 === 0 ? seed.toString(36) : ''} `
  }
  return text
}

function milliseconds(work: () => void): number {
  const start = performance.now()
  work()
  return performance.now() - start
}

type What = 'index' | 'fold' | 'miss' | 'hit' | 'search'

const text = megabyte()
const segments = text.match(new RegExp(`[\\s\\S]{1,${SEGMENT}}`, 'g')) ?? []
const rounds: Round<What>[] = []
for (let round = -5; round < ROUNDS; round++) {
  const index = new TextIndex<number>()
  const measured = {
    index: milliseconds(() => segments.forEach((segment, at) => index.add(at, segment))),
    fold: milliseconds(() => text.toLowerCase().replaceAll(/[^a-z0-9]/g, '')),
    miss: milliseconds(() => {
      for (let at = 0; at < 100; at++) index.find(`nobody${at}@nowhere.example`)
    }),
    hit: milliseconds(() => {
      for (let at = 0; at < 100; at++) index.find('john@x.example')
    }),
    search: milliseconds(() => {
      for (let at = 0; at < 100; at++) text.indexOf(`nobody${at}@nowhere.example`)
    }),
  }
  // The first rounds only warm up.
  if (round >= 0) rounds.push(measured)
}
const perLookUp = rounds.map((round) => ({
  ...round,
  miss: round.miss / 100,
  hit: round.hit / 100,
  search: round.search / 100,
}))
const folded = { name: 'lower case and letters only, by the platform', of: 'fold' } as const
const searched = { name: 'a plain search in the whole text', of: 'search' } as const
const rows: Row[] = [
  rowOf(rounds, { name: 'index 1 MB of segments', of: 'index', unit: 'ms', aim: '≤ 5 ms' }, folded),
  rowOf(
    perLookUp,
    { name: 'look-up, stands nowhere', of: 'miss', unit: 'ms', aim: '≤ 0.2 ms' },
    searched,
  ),
  rowOf(
    perLookUp,
    { name: 'look-up, stands in 20 segments', of: 'hit', unit: 'ms', aim: '≤ 0.2 ms' },
    searched,
  ),
]
if (process.argv.includes('--json')) for (const row of rows) console.log(JSON.stringify(row))
else console.log(tableOf(rows))
