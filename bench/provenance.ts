/**
 * What provenance costs: a megabyte of segments indexed, and one look-up in it.
 *
 * `npm run bench -- --only provenance`, or `node bench/provenance.ts [--json]` alone. The floor of indexing
 * is folding the same text with the platform's own means, of a look-up a plain search for the value in the
 * whole text. Ratios are the median over rounds.
 */

import { TextIndex } from '../src/channel/text-index.ts'
import { type Round, type Row, rowOf, tableOf } from './rows.ts'

const ROUNDS = 15
const SEGMENT = 16_384
const PLAIN =
  'the quarterly report about invoices and payments was sent to the client on 2024-05-15 with notes from john@x.example Recipient Budget 1,200.50'.split(
    ' ',
  )

/** Text of which every other word has a letter or a sign beyond ASCII. */
const OTHER =
  'die vierteljährliche Übersicht über Rechnungen “und” Zahlungen – wurde am 2024-05-15 an john@x.example geschickt für 1.200,50 € von Müller'.split(
    ' ',
  )

/** About a megabyte of text in segments, always the same. */
function megabyte(words: readonly string[]): string[] {
  let seed = 1
  let text = ''
  while (text.length < 1 << 20) {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fffffff
    text += `${words[seed % words.length]}${seed % 9 === 0 ? seed.toString(36) : ''} `
  }
  return text.match(new RegExp(`[\\s\\S]{1,${SEGMENT}}`, 'g')) ?? []
}

function milliseconds(work: () => void): number {
  const start = performance.now()
  work()
  return performance.now() - start
}

type What = 'index' | 'fold' | 'other' | 'otherFold' | 'miss' | 'hit' | 'search'

/** Measures everything here. */
export function measureProvenance(): Row[] {
  const [segments, others] = [megabyte(PLAIN), megabyte(OTHER)]
  const [text, other] = [segments.join(''), others.join('')]
  const rounds: Round<What>[] = []
  for (let round = -10; round < ROUNDS; round++) {
    const index = new TextIndex<number>()
    const measured = {
      index: milliseconds(() => segments.forEach((segment, at) => index.add(at, segment))),
      fold: milliseconds(() => text.toLowerCase().replaceAll(/[^a-z0-9]/g, '')),
      other: milliseconds(() => {
        const its = new TextIndex<number>()
        others.forEach((segment, at) => its.add(at, segment))
      }),
      otherFold: milliseconds(() =>
        other
          .normalize('NFKC')
          .toLowerCase()
          .replaceAll(/[^\p{L}\p{N}]/gu, ''),
      ),
      miss: milliseconds(() => {
        for (let at = 0; at < LOOK_UPS; at++) index.find(`nobody${at}@nowhere.example`)
      }),
      hit: milliseconds(() => {
        for (let at = 0; at < LOOK_UPS; at++) index.find('john@x.example')
      }),
      search: milliseconds(() => {
        for (let at = 0; at < LOOK_UPS; at++) text.indexOf(`nobody${at}@nowhere.example`)
      }),
    }
    // The first rounds only warm up.
    if (round >= 0) rounds.push(measured)
  }
  const perLookUp = rounds.map((round) => ({
    ...round,
    miss: round.miss / LOOK_UPS,
    hit: round.hit / LOOK_UPS,
    search: round.search / LOOK_UPS,
  }))
  const searched = { name: 'a plain search in the whole text', of: 'search' } as const
  const lookUp = { unit: 'ms', aim: '≤ 0.2 ms' } as const
  return [
    rowOf(
      rounds,
      { name: 'index 1 MB of segments', of: 'index', unit: 'ms', aim: '≤ 5 ms' },
      { name: 'lower case and letters only, by the platform', of: 'fold' },
    ),
    rowOf(
      rounds,
      { name: '… of other scripts’ letters and signs', of: 'other', unit: 'ms' },
      { name: 'the same, and in normal form', of: 'otherFold' },
    ),
    rowOf(perLookUp, { name: 'look-up, stands nowhere', of: 'miss', ...lookUp }, searched),
    rowOf(perLookUp, { name: 'look-up, stands in 20 segments', of: 'hit', ...lookUp }, searched),
  ]
}

const LOOK_UPS = 100

if (import.meta.main) {
  const rows = measureProvenance()
  if (process.argv.includes('--json')) for (const row of rows) console.log(JSON.stringify(row))
  else console.log(tableOf(rows))
}
