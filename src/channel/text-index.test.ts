import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  array,
  assert as check,
  constantFrom,
  integer,
  oneof,
  property,
  string,
  tuple,
} from 'fast-check'
import { FOLD, foldable, skeletonOf } from './fold.ts'
import { type Manner, TextIndex } from './text-index.ts'

/** In which of the texts a value stands, and how. */
function found(
  texts: readonly string[],
  value: string,
  how: { readonly numeric?: boolean } = {},
): [number, Manner][] {
  const index = new TextIndex<number>()
  texts.forEach((text, at) => index.add(at, text))
  return index.find(value, { most: texts.length, ...how }).map(({ of, manner }) => [of, manner])
}

const LETTERS = Array.from('abcXYZ019.,@/-_ \n“ü€ﬁİ\u0301\u200b')
const word = string({ unit: constantFrom(...LETTERS), maxLength: 12 })
const plain = string({
  unit: constantFrom(...Array.from('abAB01.@-ü')),
  minLength: 1,
  maxLength: 8,
})
/** Texts of very different length, so that pages and their chunks begin and end anywhere. */
const text = tuple(array(oneof(word, plain), { maxLength: 10 }), integer({ min: 1, max: 400 })).map(
  ([words, times]) => `${words.join(' ')} `.repeat(times),
)

test('many texts in one index answer as each by itself', () => {
  check(
    property(array(text, { maxLength: 12 }), oneof(word, plain), (texts, value) => {
      const each = texts.flatMap((one, at) =>
        found([one], value).map(([, manner]) => [at, manner] as const),
      )
      assert.deepEqual(found(texts, value), each)
    }),
    { numRuns: 400 },
  )
})

test('a word is found literally in each text that holds it, wherever it stands', () => {
  const filling = string({ unit: constantFrom(...Array.from('abAB01.@- ü')), maxLength: 2_000 })
  check(
    property(
      plain,
      array(tuple(filling, filling), { minLength: 1, maxLength: 20 }),
      (value, around) => {
        const texts = around.map(([before, after]) => `${before} ${value} ${after}`)
        const want = skeletonOf(value).length === 0 ? [] : texts.map((_, at) => [at, 'literal'])
        assert.deepEqual(found(texts, value), want)
      },
    ),
    { numRuns: 400 },
  )
})

test('nothing is found where its letters and digits do not stand', () => {
  check(
    property(array(text, { maxLength: 4 }), oneof(word, plain), (texts, value) => {
      for (const [at] of found(texts, value))
        assert.ok(skeletonOf(texts[at] ?? '').includes(skeletonOf(value)))
    }),
    { numRuns: 400 },
  )
})

test('of every character the same bytes are kept in either case', () => {
  for (let point = 0; point <= 0x10ffff; point++) {
    const character = String.fromCodePoint(point)
    // A sigma is another at the end of a word.
    for (const said of [character, `a${character}`, `${character}a`]) {
      const { source, lowered } = foldable(said)
      const [kept, low] = [source, lowered].map((bytes) =>
        [...bytes].map((byte) => FOLD[byte] !== 0),
      )
      assert.deepEqual(low, kept, `U+${point.toString(16)}`)
      if (point < 0x80) break
    }
  }
})

for (const [name, said, value, want] of [
  ['a decimal', 'pay 1.5 now', '1.5', 'literal'],
  ['a short value of two parts', 'room a-b', 'a-b', 'literal'],
  ['a short value within a word', 'xab', 'ab', undefined],
  ['a short value that begins a word', 'abc', 'ab', undefined],
  [
    'an account beside an umlaut',
    'an DE89370400440532013000 für Müller',
    'DE89370400440532013000',
    'literal',
  ],
  ['another case beside an umlaut', 'für /Clients/1042', '/clients/1042', 'case'],
  ['an umlaut in another case', 'MÜLLER', 'müller', 'case'],
  ['an umlaut in two characters', 'Mu\u0308ller', 'Müller', 'literal'],
  ['two characters for an umlaut', 'Müller', 'Mu\u0308ller', 'literal'],
  ['a letter without its mark', 'Müller', 'Muller', undefined],
  ['a ligature', 'the o\ufb03ce', 'office', 'literal'],
  ['a ligature in the value', 'the office', 'o\ufb03ce', 'encoded'],
  ['a ligature in both', 'the o\ufb03ce', 'o\ufb03ce', 'literal'],
  ['sharp s, its capital', 'STRAẞE 5', 'straße 5', 'case'],
  ['sharp s, which is not two letters', 'Straße', 'Strasse', undefined],
  ['a dotted capital i', 'nach İstanbul', 'İstanbul', 'literal'],
  ['a dotted capital i in capitals', 'İSTANBUL', 'İstanbul', 'encoded'],
  ['a dotted capital i, which is no i', 'İstanbul', 'istanbul', undefined],
  ['a final sigma, which is the other one within a word', 'ΟΔΟΣ', 'οδος', 'case'],
  ['a capital that is longer than its small letter', 'Ɐbc 1042', 'ɐbc', 'literal'],
  ['full-width figures', '１０４２', '1042', 'literal'],
  ['full-width figures in the value', '1042', '１０４２', 'encoded'],
  ['a look-alike letter', 'ann@acme.example', '\u0430nn@acme.example', undefined],
  ['a code between curly quotes', 'the code is “463820”.', '463820', 'literal'],
  ['an amount with its currency', 'for €1200', '1200', 'literal'],
  ['a word before a long dash', 'Borealis—tomorrow', 'Borealis', 'literal'],
  ['a word beside an emoji', 'Borealis🚀', 'Borealis', 'literal'],
  ['a code with something unseen in it', 'code 463\u200b820', '463820', 'literal'],
  ['a value with something unseen in it', 'code 463820', '463\u200b820', 'encoded'],
  [
    'the tail of an address behind another hyphen',
    'ann\u2010smith@x.example',
    'smith@x.example',
    undefined,
  ],
  ['the head of a host before another dot', 'bank.com\u3002au', 'bank.com', undefined],
  ['curly quotes that are meant', 'the “Budget”', '“Budget”', 'literal'],
  ['curly quotes for plain ones', 'the "Budget" plan', 'the “Budget” plan', 'encoded'],
  ['an apostrophe', 'O’Brien', "O'Brien", 'literal'],
  ['letters of another script', 'Привет, Анна', 'анна', 'case'],
] as const) {
  test(`finds ${name}: ${want ?? 'nowhere'}`, () => {
    assert.deepEqual(found([said], value), want === undefined ? [] : [[0, want]])
  })
}

for (const [said, value, want] of [
  ['pay 1.5 now', '1.5', 'literal'],
  ['pay 1,5 now', '1.5', 'number'],
  ['pay 1.50 now', '1.5', 'number'],
  ['pay 15 now', '1.5', undefined],
  ['for 500€ at most', '500', 'literal'],
  ['about 5.00', '5', 'number'],
] as const) {
  test(`reads ${value} in "${said}": ${want ?? 'not'}`, () => {
    assert.deepEqual(found([said], value, { numeric: true }), want === undefined ? [] : [[0, want]])
  })
}
