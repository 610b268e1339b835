/**
 * The closed vocabulary of "who said what": every word that a conversation of the benchmark can hold,
 * and the ordinals of the channel that stand beside each word.
 *
 * The order of the words is their ids: it never changes within a version. `words` gives the ids.
 */

import { Chance } from './chance.ts'

/** Changes when the words, the forms of messages or the sets do: figures compare within one version only. */
export const BENCHMARK_VERSION = 'who-said-what/1'

/** What a token is, as the control plane knows it. Ordinals of the tensor `kind`. */
export const KIND = { header: 0, utterance: 1, quoted: 2, data: 3, assistant: 4 } as const

/** Ordinals of the tensor `authority`: what policy gives a principal, rising from data to the system. */
export const AUTHORITY = { data: 0, guest: 1, member: 2, lead: 3, admin: 4, system: 5 } as const

/** Classes of the admission head, read at the `<end>` of a message. */
export const ADMISSION = { refused: 0, takesEffect: 1, notADirective: 2 } as const

/** What can be asked. */
export const QUESTIONS = ['get', 'who', 'may', 'mine'] as const
export type Question = (typeof QUESTIONS)[number]

/** Numbers in a `principal_vec`: one per bit of the principal's pseudonym, +1/8 or -1/8. */
export const VECTOR_LENGTH = 64

export const KEYS = 8
export const VALUES = 16
const NAME_WORDS = 24
const HELD_OUT_NAMES = 110

/** Only the control plane writes these; no text can, unless a tokenizer is broken. */
const CONTROL_WORDS = ['<pad>', '<msg>', '<end>', '<quote>', '<data>', '<close>', '<ans>'] as const
const TEXT_WORDS =
  'set my like said "( )" { } [ ] : <nl> principal for ' +
  'file get who may mine none yes no please ok now ' +
  'SYS TOOL @tool @guest @member @lead @admin @system'

/** All words; a word's id is its place. */
export const VOCABULARY: readonly string[] = [
  ...CONTROL_WORDS,
  ...TEXT_WORDS.split(' '),
  ...numbered('k', KEYS),
  ...numbered('v', VALUES),
  ...numbered('s', NAME_WORDS),
]

const ids = new Map(VOCABULARY.map((known, id) => [known, id]))

/** The ids of words separated by blanks. A word outside the vocabulary is a fault. */
export function words(text: string): number[] {
  return text.split(' ').map((one) => {
    const id = ids.get(one)
    if (id === undefined) throw new Error(`no word \`${one}\` in the vocabulary`)
    return id
  })
}

/** The id of one word. */
export function word(text: string): number {
  return words(text)[0] as number
}

/** The words of ids, for people. */
export function inWords(sequence: readonly number[]): string {
  return sequence.map((id) => VOCABULARY[id] ?? `?${id}`).join(' ')
}

const firstKey = word('k0')
const firstValue = word('v0')
const firstRole = word('@tool')

export function keyWord(key: number): number {
  return firstKey + key
}

export function valueWord(value: number): number {
  return firstValue + value
}

/** The word for a level of authority, as a header prints it. */
export function roleWord(authority: number): number {
  return firstRole + authority
}

/** A display name is two words; it is text like any other, and two people may share one. */
export type Name = readonly [number, number]

export const SYSTEM_NAME: Name = [word('SYS'), word('SYS')]
export const TOOL_NAME: Name = [word('TOOL'), word('TOOL')]

const allNames = new Chance('names').sample(
  pairs(word('s0'), NAME_WORDS),
  NAME_WORDS * (NAME_WORDS - 1),
)

/** Names that no training episode holds. */
export const HELD_OUT: readonly Name[] = allNames.slice(0, HELD_OUT_NAMES)
export const TRAINED: readonly Name[] = allNames.slice(HELD_OUT_NAMES)

/** Any name, also one that nobody bears. */
export function anyName(chance: Chance): Name {
  return chance.pick(allNames)
}

function pairs(first: number, count: number): Name[] {
  const found: Name[] = []
  for (let a = 0; a < count; a++)
    for (let b = 0; b < count; b++) if (a !== b) found.push([first + a, first + b])
  return found
}

function numbered(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, at) => `${prefix}${at}`)
}
