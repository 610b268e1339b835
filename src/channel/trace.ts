/**
 * Where the values of a call came from: for each leaf of its arguments, the segments it stands in, and
 * whether that is ground enough.
 *
 * Call `trace`. A value is *grounded* if it stands in what a person said, if the person's own intent fixes or
 * encloses it, or if it stands in a system field of a record that the person's words chose. A value that stands only in untrusted free text, or nowhere, is not; nor
 * is one that is encoded, or was joined from parts. `carried` asks in the other direction: which
 * confidential segments do the arguments take with them.
 *
 * Pure; `shown-memory.ts` keeps what agents were shown.
 */

import type { Json, JsonObject } from '../base/canonical-json.ts'
import { samePath } from '../delegation/argument-path.ts'
import { areInWords, isChosen, type Words, wordsOf } from './chosen.ts'
import { decodings, skeletonOf } from './fold.ts'
import type { Shown, Standing, TracedSegment } from './shown.ts'
import { isPlainName } from './structure.ts'
import type { Hit, Manner } from './text-index.ts'

/** Why a value is grounded, or why not. */
export type Ground =
  /** A person said it. */
  | 'said'
  /** It stands in a system field of a record that the person's words chose. */
  | 'chosen'
  /** It stands in a system field, and nothing that a person said chose it. */
  | 'unchosen'
  /** It stands in a field that callers can write, first seen in free text or in no chosen record. */
  | 'claimed'
  /** It stands in untrusted free text only. */
  | 'untrusted'
  /** It stands nowhere as it is. */
  | 'unseen'

/** Where one argument value was found. */
export interface Provenance {
  /** Dotted path in the arguments, `[]` for list elements, `{}` for names that stand in the place of values. */
  readonly path: string
  /** Identifiers of the segments that the value stands in, oldest first. */
  readonly from: readonly string[]
  readonly grounded: boolean
  readonly ground: Ground
  /** How it stands there, where not literally. */
  readonly manner?: Manner
}

/** Different values beyond this are not looked up, and make the paths where they stand ungrounded. */
const MAX_LEAVES = 100
const MAX_SOURCES = 20

/** What is known of a call's arguments beside what was shown. */
export interface Known {
  /** Paths of declared sinks. */
  readonly sinks?: readonly string[]
  /** Paths whose values the person's own intent fixes or encloses, and the segment of that intent. */
  readonly named?: { readonly paths: readonly string[]; readonly by: string }
}

/**
 * The provenance of every string and number in `argumentsValue`, in document order. Names of members are
 * values too where they cannot be anything else, and where a sink (`shares{}`) says so. What stands twice
 * at a path is told once. At most 100 different ones are looked up: of the others each path that is told
 * already is told as ungrounded, and one that is not told grounds nothing either.
 */
export function trace(
  shown: readonly Shown[],
  argumentsValue: JsonObject,
  { sinks = [], named }: Known = {},
): readonly Provenance[] {
  const words = wordsIn(shown)
  const isNamed = (path: string): boolean =>
    named?.paths.some((one) => samePath(one, path)) === true
  const declared = new Set(sinks.map((path) => path.replaceAll('[]', '')))
  const isValue: IsValue = (name, path) =>
    !isPlainName(name) || declared.has(path.replaceAll('[]', ''))
  const all = leaves(argumentsValue, isValue)
  const different = [...new Map(all.map((leaf) => [`${leaf.path}\n${leaf.text}`, leaf])).values()]
  const looked = different.slice(0, MAX_LEAVES).map(({ path, text }): Provenance => {
    const found = groundOf(text, shown, words)
    if (found.grounded || named === undefined || !isNamed(path)) return { path, ...found }
    const from = [...new Set([named.by, ...found.from])].slice(0, MAX_SOURCES)
    return { path, from, grounded: true, ground: 'said' }
  })
  const left = new Set(different.slice(MAX_LEAVES).map(({ path }) => path))
  const told = new Set(looked.map(({ path }) => path))
  return [
    ...looked,
    ...[...told.intersection(left)].map((path) => ({
      path,
      from: [],
      grounded: false,
      ground: 'unseen' as const,
    })),
  ]
}

/**
 * Whether the person's words say what a look-up asks for: whatever it then shows, they chose. A look-up
 * without arguments chooses nothing.
 */
export function isDirected(shown: readonly Shown[], argumentsValue: JsonObject): boolean {
  const texts = leaves(argumentsValue, (name) => !isPlainName(name)).map((leaf) => leaf.text)
  return (
    texts.length > 0 &&
    areInWords(
      texts.filter((text) => !IS_SMALL.test(text)),
      wordsIn(shown),
    )
  )
}

/** Counts and flags are in nobody's words. */
const IS_SMALL = /^\d{1,3}$/

/**
 * The confidential segments of which the arguments carry something away, however written or taken apart: in
 * values, in names of members, in JSON within a text. Arguments too large to be looked through are taken
 * to carry all of them, and so are any where more is confidential than is kept.
 */
export function carried(shown: readonly Shown[], argumentsValue: JsonObject): readonly string[] {
  const secrets = shown.flatMap(({ confidential }) => confidential)
  if (secrets.length === 0) return []
  const values = leaves(argumentsValue).map((leaf) => leaf.text)
  const names = leaves(argumentsValue, () => true)
    .filter(({ path }) => path.endsWith('{}'))
    .map((leaf) => leaf.text)
  const nested = [...values, ...names].flatMap((text) => within(text))
  const whole = [...values, ...names, ...nested]
  const texts = [
    // A sentence may be taken apart, over arguments or over names.
    ...[values, names, nested].map((parts) => parts.join(' ')),
    ...whole.flatMap((text) => decodings(text)).map((one) => one.text),
  ]
  const looked = texts.flatMap(pieces)
  if (looked.length > MAX_PIECES || shown.some(({ forgets }) => forgets))
    return secrets.slice(0, MAX_SOURCES).map(({ id }) => id)
  const found = new Set<string>()
  for (const piece of new Set(looked)) {
    for (const one of shown) {
      for (const { of } of one.find(piece)) if (isConfidential(of)) found.add(of.id)
      for (const { segment } of one.fieldsWith(piece))
        if (isConfidential(segment)) found.add(segment.id)
    }
  }
  return [...found].slice(0, MAX_SOURCES)
}

function isConfidential({ confidential = false }: TracedSegment): boolean {
  return confidential
}

const MAX_PIECES = 10_000
const WORDS_IN_PIECE = 4

/** Runs of words that hardly recur by chance, and single words that are codes. */
function pieces(text: string): string[] {
  const words = text.split(/\s+/).filter((word) => word !== '')
  const found = words.filter((word) => /(?:\d\D?){4}|\d.*[A-Za-z].*\d|@/.test(word)).map(trimmed)
  for (let at = 0; at + WORDS_IN_PIECE <= words.length; at += 2) {
    const piece = trimmed(words.slice(at, at + WORDS_IN_PIECE).join(' '))
    if (skeletonOf(piece).length >= 12) found.push(piece)
  }
  return found
}

function trimmed(text: string): string {
  return text.replace(/^[^\p{L}\p{N}]+|[^\p{L}\p{N}]+$/gu, '')
}

/** Everything that people said, over all that is shown. */
function wordsIn(shown: readonly Shown[]): Words {
  const [only, ...others] = shown.map(spoken).filter((text) => text !== '')
  const text = [only ?? '', ...others].join('\n')
  const known = WORDS.get(text) ?? wordsOf(text)
  if (WORDS.size > 1_000) WORDS.clear()
  WORDS.set(text, known)
  return known
}

/** A delegation's words are read once. */
const WORDS = new Map<string, Words>()

function spoken({ trusted }: Shown): string {
  return trusted.map(({ words, text }) => words ?? text).join('\n')
}

function groundOf(value: string, shown: readonly Shown[], words: Words): Omit<Provenance, 'path'> {
  const whole = groundOfText(value, shown, words)
  if (whole.ground !== 'unseen') return whole
  // A text that holds JSON says what its parts say, and is never more than the worst of them.
  const parts = within(value)
    .slice(0, MAX_LEAVES)
    .map((part) => groundOfText(part, shown, words))
  const worst = WORST.map((ground) => parts.find((part) => part.ground === ground)).find(
    (part) => part !== undefined,
  )
  if (worst === undefined) return whole
  const from = [...new Set(parts.flatMap((part) => part.from))].slice(0, MAX_SOURCES)
  return { ...worst, from, grounded: false }
}

/** What makes a text that was put together doubtful, the worst first; what is not among them stays unseen. */
const WORST: readonly Ground[] = ['untrusted', 'claimed', 'unchosen']

const MOST_NESTED = 3

/** The values and names in a text that is JSON, and in texts within it. */
function within(text: string, depth = 0): string[] {
  if (depth >= MOST_NESTED || !/^\s*[[{"]/.test(text)) return []
  let value: Json
  try {
    value = JSON.parse(text) as Json
  } catch {
    return []
  }
  return leaves(value, (name) => !isPlainName(name)).flatMap((leaf) => [
    leaf.text,
    ...within(leaf.text, depth + 1),
  ])
}

function groundOfText(
  value: string,
  shown: readonly Shown[],
  words: Words,
): Omit<Provenance, 'path'> {
  const hits = shown.flatMap((one) => one.find(value))
  const standings = shown.flatMap((one) => one.fieldsWith(value))
  const ids = new Set([...hits.map((hit) => hit.of.id), ...standings.map((one) => one.segment.id)])
  const from = [...ids].slice(0, MAX_SOURCES)
  const said = hits.find(({ of, manner }) => of.trust === 'trusted' && grounds(manner, value))
  if (said !== undefined) return { from, grounded: true, ground: 'said', ...mannerOf(said) }
  const texts = hits.map((hit) => hit.of).filter((segment) => segment.trust === 'untrusted')
  const ground = standingGround(standings, texts, words)
  if (ground !== undefined) return { from, grounded: ground === 'chosen', ground }
  const hit = hits.find(({ of }) => of.trust === 'untrusted')
  if (hit === undefined) return { from, grounded: false, ground: 'unseen' }
  return { from, grounded: false, ground: 'untrusted', ...mannerOf(hit) }
}

function mannerOf({ manner }: Hit<unknown>): { readonly manner?: Manner } {
  return manner === 'literal' ? {} : { manner }
}

/** Which manners of standing in a person's words are saying the same. */
function grounds(manner: Manner, value: string): boolean {
  if (value === '') return false
  if (manner === 'literal' || manner === 'number') return true
  // Hosts and mail addresses have no case (RFC 4343); accounts are written in groups.
  if (manner === 'case') return value.includes('@')
  return manner === 'spacing' && /^[A-Z0-9]{8,}$/.test(value)
}

/** What the fields in which a value stands are worth. */
function standingGround(
  standings: readonly Standing[],
  texts: readonly TracedSegment[],
  words: Words,
): Ground | undefined {
  if (standings.length === 0) return undefined
  let ground: Ground = 'claimed'
  for (const { segment, record, field, step } of standings) {
    // What the agent itself made is its own to go on with.
    const own = segment.echo === true
    const chosen = isChosen(record, segment.records ?? [], words)
    if (field.kind === 'system') {
      if (own || chosen !== undefined || isDirectly(segment, words)) return 'chosen'
      ground = 'unchosen'
    } else if (!own && chosen === 'named' && !texts.some((text) => text.step < step)) {
      // A claim may only repeat what a text brought in before.
      return 'chosen'
    }
  }
  return ground
}

/**
 * Whether a look-up in the person's words chose all that it shows: not where it shows, among others, a
 * record that the words name.
 */
function isDirectly(segment: TracedSegment, words: Words): boolean {
  const { directed = false, records = [] } = segment
  return directed && !records.some((record) => isChosen(record, records, words) === 'named')
}

/** Whether the name of a member, at a path that ends in `{}`, is a value. */
type IsValue = (name: string, path: string) => boolean

/** Every string and number in `value` with its path, and every name that is a value too. */
export function leaves(value: Json, isValue: IsValue = () => false): Leaf[] {
  const found: Leaf[] = []
  collect(value, '', isValue, found)
  return found
}

interface Leaf {
  readonly path: string
  readonly text: string
}

function collect(value: Json | undefined, path: string, isValue: IsValue, found: Leaf[]): void {
  if (typeof value === 'string' || typeof value === 'number') {
    found.push({ path, text: String(value) })
  } else if (Array.isArray(value)) {
    for (const element of value as readonly Json[]) collect(element, `${path}[]`, isValue, found)
  } else if (typeof value === 'object' && value !== null) {
    const names = `${path}{}`
    for (const [key, member] of Object.entries(value as JsonObject)) {
      if (isValue(key, names)) found.push({ path: names, text: key })
      collect(member, path === '' ? key : `${path}.${key}`, isValue, found)
    }
  }
}
