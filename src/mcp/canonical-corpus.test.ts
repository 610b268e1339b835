/**
 * The corpus of hostile spellings, and a fuzzer that it seeds.
 *
 * Whatever is accepted must mean itself to every reader that is modelled here: one who decodes once more, who
 * normalises, who drops what cannot be seen, another parser of URLs, the path rules of Windows. A value that
 * some reader takes for another one is ambiguous and has to be refused.
 *
 * `BEHALF_FUZZ_RUNS=200000 BEHALF_SEED=… node --test src/mcp/canonical-corpus.test.ts` runs longer, and again.
 */

import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { basename, join, posix, win32 } from 'node:path'
import test from 'node:test'
import { domainToASCII, domainToUnicode, parse as parseAsBefore } from 'node:url'
import * as fc from 'fast-check'
import * as z from 'zod'
import { isCanonical, type SinkKind } from './canonical.ts'

const VECTORS = join(import.meta.dirname, '../../vectors/sinks')
const vector = z.strictObject({
  name: z.string(),
  value: z.json(),
  want: z.enum(['accept', 'refuse']),
  why: z.string().optional(),
})

const corpus = new Map(
  globSync(join(VECTORS, '*.json'))
    .toSorted()
    .map((file) => [
      basename(file, '.json') as SinkKind,
      z.array(vector).parse(JSON.parse(readFileSync(file, 'utf8'))),
    ]),
)

for (const [kind, vectors] of corpus) {
  test(`${kind}: ${vectors.length} spellings`, () => {
    for (const { name, value, want } of vectors) {
      assert.equal(isCanonical(kind, value) ? 'accept' : 'refuse', want, `${kind}: ${name}`)
    }
  })
}

const RUNS = Number(process.env['BEHALF_FUZZ_RUNS'] ?? 4_000)
const SEED = process.env['BEHALF_SEED']

/** What is put into values, or in the place of a character. */
const HOSTILE: readonly string[] = [
  ...'. .. / // \\ ; : @ % # ? ~ $ { } , - _ A 0x xn-- < %25 %2e %2E %2f %5c %00 %0a %3B'.split(
    ' ',
  ),
  ...'%c0%af %E2%80%AE %EF%BC%8F %252E'.split(' '),
  ...Array.from(' \t\n\0\'"'),
  // Not seen, or turning what is.
  ...Array.from(
    '\u00a0\u00ad\u034f\u061c\u115f\u180e\u200b\u200d\u202e\u2028\u2060\u2800\u3000\u3164\ufe0f',
  ),
  ...Array.from('\ufeff\uffa0\u{e0061}\ud800'),
  // Passing for something else.
  ...Array.from(
    '\u0430\u0435\u043e\u0456\u03b1\u0391\u0410\u0131\u017f\u212a\u00df\u0301\uff0e\uff0f\uff20\u3002',
  ),
  ...Array.from('\u2024\u2025\u2026\u2044\u2215\ufb01\uff11\u0661\u2212\u{1d41a}\u24d0'),
]

/** A few changes of a value of the corpus: something inserted, put in a place, taken out, folded, encoded. */
function mutated(values: readonly string[]): fc.Arbitrary<string> {
  const change = fc.tuple(
    fc.constantFrom('insert', 'replace', 'drop', 'upper', 'encode', 'repeat'),
    fc.nat(60),
    fc.constantFrom(...HOSTILE),
  )
  return fc
    .tuple(fc.constantFrom(...values), fc.array(change, { minLength: 1, maxLength: 3 }))
    .map(([value, changes]) => {
      let characters = Array.from(value)
      for (const [how, place, what] of changes) {
        const at = characters.length === 0 ? 0 : place % characters.length
        const here = characters[at] ?? ''
        const put: Readonly<Record<typeof how, string[]>> = {
          insert: [what, here],
          replace: [what],
          drop: [],
          upper: [here.toUpperCase()],
          encode: [encoded(here)],
          repeat: [here, here],
        }
        characters = characters.toSpliced(at, 1, ...put[how])
      }
      return characters.join('')
    })
}

function encoded(character: string): string {
  return [...Buffer.from(character)]
    .map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`)
    .join('')
}

/** How others may read a text before they use it. */
const READERS: Readonly<Record<string, (text: string) => string>> = {
  'drops what is not seen': (text) =>
    text.replaceAll(/\p{Default_Ignorable_Code_Point}|\p{Cf}/gu, ''),
  'drops control characters': (text) => text.replaceAll(/\p{Cc}/gu, ''),
  trims: (text) => text.trim(),
  composes: (text) => text.normalize('NFC'),
  'ends at NUL': (text) => text.split('\0', 1)[0] ?? '',
  'ends at a line break': (text) => text.split(/[\r\n\u2028\u2029]/, 1)[0] ?? '',
  'mends surrogates': (text) => text.toWellFormed(),
}

/** Folds characters to ASCII, where that is what they become. */
const folds = (text: string): string =>
  Array.from(text, (character) => {
    const folded = character.normalize('NFKC')
    return /^[ -~]+$/.test(folded) ? folded : character
  }).join('')

const decodes = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return Buffer.from(
      text.replaceAll(/%([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(parseInt(hex, 16))),
      'latin1',
    ).toString('latin1')
  }
}

const PATH_READERS: typeof READERS = {
  ...READERS,
  folds: folds,
  decodes: (text) => (/%[0-9a-f]{2}/i.test(text) ? decodes(text) : text),
  resolves: (text) => posix.normalize(text),
  'resolves as Windows does': (text) => win32.normalize(text).replaceAll('\\', '/'),
  'drops dots and spaces as Windows does': (text) =>
    text
      .split('/')
      .map((one) => one.replace(/[. ]+$/, ''))
      .join('/'),
  'drops parameters and resolves': (text) =>
    posix.normalize(text.replaceAll(/(?<=(?:^|\/)\.{1,2});[^/]*/g, '')),
}

const HOST_READERS: typeof READERS = {
  'folds case': (host) => host.toLowerCase(),
  'knows IDNA': (host) => (host.startsWith('[') ? host : domainToASCII(domainToUnicode(host))),
  'drops the last dot': (host) => host.replace(/\.$/, ''),
  'parses URLs': (host) => new URL(`https://${host}/`).hostname,
}

/** That every reader of `readers` takes `text` for what it is. */
function meansItself(text: string, readers: typeof READERS, what: string): void {
  for (const [reader, read] of Object.entries(readers)) {
    assert.equal(read(text), text, `${what} ${JSON.stringify(text)} to one who ${reader}`)
  }
}

const CHECKS: Readonly<Record<SinkKind, (text: string) => void>> = {
  path: (text) => meansItself(text, PATH_READERS, 'path'),
  name: (text) => meansItself(text, { ...READERS, folds }, 'name'),
  id: (text) => {
    meansItself(text, { ...READERS, folds }, 'id')
    const place = `/items/${text}`
    assert.ok(
      decodes(decodes(place))
        .split(/[/\\]/)
        .every((one) => !/^\.\.?(?:;|$)/.test(one)),
      text,
    )
  },
  account: (text) =>
    meansItself(text, { ...READERS, folds, 'folds case': (t) => t.toUpperCase() }, 'account'),
  amount: (text) => {
    meansItself(text, { ...READERS, folds }, 'amount')
    assert.match(text, /^\d{1,11}(?:\.\d{1,4})?$/)
    assert.ok(Number(text) >= 0 && Number(text) < 1e11 && String(Number(text)).length <= 17)
  },
  email: (text) => {
    meansItself(
      text,
      { ...READERS, folds, 'folds case': (t) => t.toLowerCase(), decodes },
      'address',
    )
    const parts = text.split('@')
    assert.equal(parts.length, 2, text)
    meansItself(parts[1] ?? '', HOST_READERS, 'domain')
  },
  url: (text) => {
    meansItself(text, { ...READERS, folds, parses: (t) => new URL(t).href }, 'URL')
    const { protocol, hostname, pathname } = new URL(text)
    if (!/^https?:$/.test(protocol)) return
    meansItself(hostname, HOST_READERS, 'host')
    // Another parser of the same language, and how a person reads it: up to the first thing that ends a host.
    assert.equal(parseAsBefore(text).hostname, hostname.replace(/^\[|\]$/g, ''), text)
    assert.equal(/^https?:\/\/(\[[^\]]*\]|[^/:?#]*)/.exec(text)?.[1], hostname, text)
    const once = decodes(pathname)
    assert.equal(decodes(once).split('/').length, pathname.split('/').length, text)
    assert.ok(
      once.split(/[/\\]/).every((one) => !/^\.\.?(?:;|$)/.test(one)),
      text,
    )
    assert.ok(!/[\p{Cc}\p{Cf}]/u.test(decodes(once)), text)
  },
}

for (const [kind, vectors] of corpus) {
  test(`${kind}: what is accepted means itself to everybody, whatever was tried`, () => {
    const values = vectors.flatMap(({ value }) => (typeof value === 'string' ? [value] : []))
    const seeds = [
      ...values,
      ...vectors.flatMap(({ value }) => (typeof value === 'number' ? [String(value)] : [])),
    ]
    let [accepted, refused] = [0, 0]
    fc.assert(
      fc.property(mutated(seeds), (text) => {
        if (!isCanonical(kind, text)) {
          refused++
          return
        }
        accepted++
        CHECKS[kind](text)
      }),
      { numRuns: RUNS, ...(SEED === undefined ? {} : { seed: Number(SEED) }) },
    )
    // A fuzzer that only ever meets one answer has tried nothing.
    assert.ok(
      accepted > RUNS / 100 && refused > RUNS / 100,
      `${accepted} accepted, ${refused} refused`,
    )
  })
}
