/**
 * Selection: whether it was the person's words that chose a record.
 *
 * A value from a system field is genuine; *which* of many genuine values is used may still be what a
 * hostile text asked for ("delete file 13"). Call `isChosen`: a record is chosen when the look-up that
 * showed it was put in the person's own words, when the words name it, or when they ask for the greatest
 * or least of a list and it is that. Whatever cannot be told is not claimed.
 */

import type { AnswerRecord, Field } from './structure.ts'

/** The person's words, read once. */
export interface Words {
  /** Everything that was said, in lower case. */
  readonly text: string
  /** The words that carry meaning, in a rough stem. */
  readonly stems: ReadonlySet<string>
  /** Words that were written as names: with a capital inside a sentence, or between quotes. */
  readonly names: ReadonlySet<string>
  /** Numbers of three digits or with decimals. */
  readonly numbers: ReadonlySet<number>
  readonly superlatives: readonly Superlative[]
}

interface Superlative {
  readonly direction: 1 | -1
  /** Which measures it can mean. */
  readonly of: RegExp
}

/** What "largest" can be the largest of: common words, and the columns that they speak of. */
const SUPERLATIVES: readonly (Superlative & { readonly said: RegExp })[] = [
  {
    said: /\b(?:largest|biggest|heaviest)\b/i,
    direction: 1,
    of: /size|bytes|length|amount|total|count/i,
  },
  { said: /\bsmallest\b/i, direction: -1, of: /size|bytes|length|amount|total|count/i },
  {
    said: /\b(?:highest|most expensive|dearest)\b/i,
    direction: 1,
    of: /price|cost|amount|total|rating|score/i,
  },
  {
    said: /\b(?:lowest|cheapest|least expensive)\b/i,
    direction: -1,
    of: /price|cost|amount|total|rating|score/i,
  },
  { said: /\b(?:best|top)[- ](?:rated|reviewed|scored)\b/i, direction: 1, of: /rating|score/i },
  {
    said: /\b(?:newest|latest|most recent)\b/i,
    direction: 1,
    of: /date|time|created|modified|updated|_at$/i,
  },
  { said: /\boldest\b/i, direction: -1, of: /date|time|created|modified|updated|_at$/i },
]

const EMPTY =
  /^(?:the|and|for|with|from|this|that|these|those|all|any|each|every|you|your|please|can|could|would|should|have|has|had|was|were|are|will|not|but|about|into|onto|than|then|them|they|their|there|what|when|where|which|who|how|our|its|his|her|him|she|out|get|make|made|also|just|need|want|like|some|one|two|new|file|files|email|emails|mail|event|events|message|messages|document|copy|re|fwd)$/

/** Reads the person's words. */
export function wordsOf(text: string): Words {
  const names = new Set<string>()
  for (const [, quoted] of text.matchAll(/["'‘“]([^"'’”]{2,80})["'’”]/g))
    for (const word of split(quoted ?? '')) names.add(word)
  for (const [, name] of text.matchAll(/(?<=[\p{L}\p{N},;]["'’]?\s+)(\p{Lu}[\p{L}\p{N}-]+)/gu))
    for (const word of split(name ?? '')) names.add(word)
  const numbers = [...text.matchAll(/(?<![\w.-])\d+(?:\.\d+)?(?![\w-])/g)].map(([n]) => n)
  return {
    text: text.toLowerCase(),
    stems: new Set(split(text)),
    names,
    numbers: new Set(numbers.filter((n) => n.length >= 3).map(Number)),
    superlatives: SUPERLATIVES.filter(({ said }) => said.test(text)),
  }
}

/** The words of a text that carry meaning, in a rough stem. */
function split(text: string): string[] {
  return text
    .toLowerCase()
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word.length >= 3 && !EMPTY.test(word) && !/^\d+$/.test(word))
    .map((word) => word.replace(/(?:'s|ies|es|s)$/, '').replace(/(?:ing|ed)$/, ''))
}

/** Whether the words say what a look-up asked for: every word of it that carries meaning is theirs. */
export function areInWords(texts: readonly string[], words: Words): boolean {
  const asked = texts.filter((text) => text.trim() !== '')
  return (
    asked.length > 0 &&
    asked.every((text) => {
      const own = split(text)
      const said = own.length > 0 && own.every((word) => words.stems.has(word))
      return said || words.text.includes(text.toLowerCase())
    })
  )
}

/** Whether the words chose this record among the `others` of the same answer. */
export function isChosen(
  record: AnswerRecord,
  others: readonly AnswerRecord[],
  words: Words,
): 'named' | 'greatest' | undefined {
  if (record.fields.some((field) => isName(field, words))) return 'named'
  const is = words.superlatives.some((one) => isGreatest(record, others, one))
  return is ? 'greatest' : undefined
}

/** Longer values are no names: a text that holds many words holds the person's too. */
const LONGEST_NAME = 80

function isName({ text, measure, key, kind }: Field, words: Words): boolean {
  // An amount that the person said; an identifier that they did not write out is no amount.
  if (measure !== undefined)
    return kind === 'text' && /amount|price|total|sum/i.test(key) && words.numbers.has(measure)
  if (kind !== 'text' || text.length > LONGEST_NAME || text.includes('\n')) return false
  const own = split(text)
  if (own.length === 0) return false
  return own.every((word) => words.stems.has(word)) || own.some((word) => words.names.has(word))
}

function isGreatest(
  record: AnswerRecord,
  others: readonly AnswerRecord[],
  { direction, of }: Superlative,
): boolean {
  const rivals = others.filter((other) => other !== record && other.list === record.list)
  return record.fields.some(
    ({ key, measure }) =>
      measure !== undefined &&
      of.test(key) &&
      rivals.length > 0 &&
      rivals.every((rival) => {
        const theirs = rival.fields.find((field) => field.key === key)?.measure
        return theirs !== undefined && (measure - theirs) * direction > 0
      }),
  )
}
