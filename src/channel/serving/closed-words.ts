/**
 * The tokenizer of a closed vocabulary: words, and places for what a conversation calls its settings, their
 * values and its people.
 *
 * A word outside of the vocabulary is the name of a setting, a value or a name where one of these must stand
 * (`set style cupcakes`), and takes the next free place. Anything else makes the whole text unreadable, and
 * an unreadable text becomes `UNREAD`, which directs nothing: a sentence of which only the middle was read
 * could say the opposite. No text yields a structural token, because none has a spelling here.
 */

import type { Called, ChannelTokenizer } from '../principal-model.ts'

/** Small talk: what stands for a text that the model cannot read. */
const UNREAD = ['ok', 'now'] as const

/** Ordinals of the tensor `kind`. */
const KINDS = { header: 0, utterance: 1, quoted: 2, data: 3, assistant: 4 } as const

/** After these words the name of a setting stands. */
const BEFORE_KEY = new Set(['set', 'my', 'like', 'get', 'who', 'may', 'mine'])
/** After the setting, a value stands behind these. */
const BEFORE_VALUE = new Set(['set', 'my', 'like'])
/** Between a setting and its value, for people's ease: `set style to serious`. */
const BETWEEN = new Set(['to', '=', 'is'])
const KEY = /^[a-z][a-z0-9_.-]{0,39}$/
/** A value of one word; longer ones stand in quotation marks. */
const VALUE = /^[\p{L}\p{N}][\p{L}\p{N}_.,:%+-]{0,199}$/u
/** Words, quotation marks with what they hold, and the punctuation of the vocabulary. */
const PIECE = /"\(|\)"|"[^"\n]{1,200}"|[[\]{}]|:(?=\s|$)|[^\s[\]{}"]+|\n|"/gu

const SYSTEM = 5

/** The tokenizer of one conversation over `words`, of which the place is the id. */
export function closedWords(words: readonly string[]): ChannelTokenizer {
  const ids = new Map(words.map((word, id) => [word, id]))
  const idOf = (word: string): number => idIn(word, ids)
  const places = {
    keys: new Places(words, /^k\d+$/),
    values: new Places(words, /^v\d+$/),
    names: new NamePlaces(words),
  }
  const reader: Reader = { ids: textWords(words), places }
  const unread = UNREAD.map(idOf)
  const calling = ({ name, authority }: Called): number[] => [
    ...nameOf(name, authority, { idOf, places }),
    idOf(ROLE_WORDS[authority] ?? '@tool'),
  ]
  return {
    kinds: KINDS,
    reads: (text) => {
      const taken = { keys: places.keys.taken, values: places.values.taken }
      const isRead = read(text, reader) !== undefined
      places.keys.giveBack(taken.keys)
      places.values.giveBack(taken.values)
      return isRead
    },
    encode: (text) => read(text, reader) ?? unread,
    directive: ({ scope, key, value }) => {
      const place = { key: places.keys.of(key), value: places.values.of(value) }
      if (place.key === undefined || place.value === undefined) return unread
      return [idOf(scope === 'all' ? 'set' : 'my'), place.key, place.value]
    },
    header: (author, onBehalfOf = []) => [
      idOf('<msg>'),
      ...calling(author),
      ...onBehalfOf.flatMap((each) => [idOf('for'), ...calling(each)]),
    ],
    end: [idOf('<end>')],
    around: (kind, author) => ({
      before:
        kind === 'data'
          ? [idOf('<data>')]
          : [idOf('<quote>'), ...nameOf(author.name, author.authority, { idOf, places })],
      after: [idOf('<close>')],
    }),
    answer: [idOf('<ans>')],
    isWhole: (answered) => answered.length !== 1 || !places.names.isPart(answered[0]),
    decode: (answered) =>
      places.names.nameOf(answered) ?? answered.map((id) => spelled(id, words, places)).join(' '),
  }
}

/** The word of each level of authority. */
const ROLE_WORDS = ['@tool', '@guest', '@member', '@lead', '@admin', '@system']

interface Reader {
  /** The words that a text may hold. */
  readonly ids: ReadonlyMap<string, number>
  readonly places: {
    readonly keys: Places
    readonly values: Places
    readonly names: NamePlaces
  }
}

/**
 * Places of a vocabulary for the words of one conversation, given out in the order in which they come. A text
 * that turns out unreadable gives back what it took.
 */
class Places {
  readonly #ids: readonly number[]
  readonly #given = new Map<string, number>()

  constructor(words: readonly string[], pattern: RegExp) {
    this.#ids = words.flatMap((word, id) => (pattern.test(word) ? [id] : []))
  }

  get taken(): number {
    return this.#given.size
  }

  /** The place of a word; none when all are taken. */
  of(word: string): number | undefined {
    const place = this.#given.get(word) ?? this.#ids[this.#given.size]
    if (place !== undefined) this.#given.set(word, place)
    return place
  }

  /** Forgets all but the first `taken`. */
  giveBack(taken: number): void {
    for (const word of [...this.#given.keys()].slice(taken)) this.#given.delete(word)
  }

  wordAt(id: number): string | undefined {
    for (const [word, given] of this.#given) if (given === id) return word
    return undefined
  }
}

/** Names take two words each, the same pair for the same name. */
class NamePlaces {
  readonly #ids: readonly number[]
  readonly #given = new Map<string, readonly [number, number]>()

  constructor(words: readonly string[]) {
    this.#ids = words.flatMap((word, id) => (/^s\d+$/.test(word) ? [id] : []))
  }

  of(name: string): readonly [number, number] {
    const known = this.#given.get(name)
    if (known !== undefined) return known
    const count = this.#ids.length
    const at = this.#given.size
    const step = 1 + (Math.floor(at / count) % (count - 1))
    const pair = [this.#ids[at % count] ?? 0, this.#ids[(at + step) % count] ?? 0] as const
    this.#given.set(name, pair)
    return pair
  }

  /** The pair of a name that a header has called. */
  known(name: string): readonly [number, number] | undefined {
    return this.#given.get(name)
  }

  /** Whether an id is half of a name. */
  isPart(id: number | undefined): boolean {
    return id !== undefined && this.#ids.includes(id)
  }

  /** Whose pair two ids are; a pair that was not given out is nobody's. */
  nameOf([first, second, ...more]: readonly number[]): string | undefined {
    if (!this.isPart(first) || second === undefined || more.length > 0) return undefined
    for (const [name, pair] of this.#given) if (pair[0] === first && pair[1] === second) return name
    return 'nobody'
  }
}

function nameOf(
  name: string,
  authority: number,
  env: { readonly idOf: (word: string) => number; readonly places: Reader['places'] },
): readonly number[] {
  // The channel says who the system is; its name is what was trained.
  if (authority >= SYSTEM) return [env.idOf('SYS'), env.idOf('SYS')]
  return env.places.names.of(name)
}

/** Words that a text may hold: neither structural ones nor the places. */
function textWords(words: readonly string[]): ReadonlyMap<string, number> {
  return new Map(
    words.flatMap((word, id) =>
      /^<(?!nl>$).+>$|^[kvs]\d+$/.test(word) ? [] : [[word, id] as const],
    ),
  )
}

/** The tokens of a text; none if a part of it cannot be read, and then no place is taken. */
function read(text: string, reader: Reader): readonly number[] | undefined {
  const { keys, values } = reader.places
  const before = { keys: keys.taken, values: values.taken }
  const tokens = readPieces(text, reader)
  if (tokens !== undefined && tokens.length > 0) return tokens
  keys.giveBack(before.keys)
  values.giveBack(before.values)
  return undefined
}

function readPieces(text: string, reader: Reader): number[] | undefined {
  const tokens: number[] = []
  let next: Expected = 'word'
  let operator = ''
  for (const piece of text.match(PIECE) ?? []) {
    if (next === 'value' && BETWEEN.has(piece)) {
      next = 'value after a word'
      continue
    }
    const held =
      next === 'word'
        ? wordIn(piece, reader)
        : next === 'key'
          ? keyIn(piece, reader)
          : valueIn(piece, reader)
    if (held === undefined) return undefined
    tokens.push(...held)
    if (next === 'word') operator = piece.toLowerCase()
    next = after(next, operator)
  }
  return next === 'word' ? tokens : undefined
}

/** What must stand next in a text. */
type Expected = 'word' | 'key' | 'value' | 'value after a word'

function after(done: Expected, operator: string): Expected {
  if (done === 'word') return BEFORE_KEY.has(operator) ? 'key' : 'word'
  return done === 'key' && BEFORE_VALUE.has(operator) ? 'value' : 'word'
}

function wordIn(piece: string, reader: Reader): readonly number[] | undefined {
  const { ids, places } = reader
  const inner = QUOTED.exec(piece)?.[1]
  if (inner !== undefined) {
    const held = readPieces(inner, reader)
    return held === undefined ? undefined : [idIn('"(', ids), ...held, idIn(')"', ids)]
  }
  const word = piece === '\n' ? '<nl>' : unstopped(piece)
  const id = ids.get(word) ?? ids.get(word.toLowerCase())
  return id === undefined ? places.names.known(word) : [id]
}

function keyIn(piece: string, { ids, places }: Reader): readonly number[] | undefined {
  const key = unstopped(piece)
  const place = KEY.test(key) && !ids.has(key) ? places.keys.of(key) : undefined
  return place === undefined ? undefined : [place]
}

function valueIn(piece: string, { ids, places }: Reader): readonly number[] | undefined {
  const inner = QUOTED.exec(piece)?.[1]
  const value = inner ?? unstopped(piece)
  if (inner === undefined && (!VALUE.test(value) || ids.has(value))) return undefined
  const place = places.values.of(value)
  return place === undefined ? undefined : [place]
}

const QUOTED = /^"([^"]+)"$/

/** Without what ends a sentence. */
function unstopped(piece: string): string {
  return piece.length > 1 ? piece.replace(/[.,;!?]+$/, '') : piece
}

function idIn(word: string, ids: ReadonlyMap<string, number>): number {
  const id = ids.get(word)
  if (id === undefined) throw new Error(`expected the word \`${word}\` in the vocabulary, got none`)
  return id
}

function spelled(id: number, words: readonly string[], { keys, values }: Reader['places']): string {
  const word = values.wordAt(id) ?? keys.wordAt(id) ?? words[id]
  return word === 'SYS' ? 'system' : (word ?? `?${id}`)
}
