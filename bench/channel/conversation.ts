/**
 * One conversation of the benchmark: who takes part, what stands in it token by token, and what is true.
 *
 * Text and truth are apart on purpose. `say` takes the author from its caller, as the control plane takes
 * it from transport; the effect of a message follows from that author alone, whatever its words claim.
 * Call `say` for each message, then `ask`.
 */

import type { Chance } from './chance.ts'
import { drawPseudonyms } from './pseudonyms.ts'
import { type Directive, type Effect, Truth } from './truth.ts'
import {
  AUTHORITY,
  KIND,
  KEYS,
  type Name,
  type Question,
  SYSTEM_NAME,
  TOOL_NAME,
  VALUES,
  keyWord,
  roleWord,
  valueWord,
  word,
  words,
} from './vocabulary.ts'

/** Somebody who can author tokens. */
export interface Principal {
  /** Place in the conversation's table of pseudonyms. */
  readonly slot: number
  readonly authority: number
  readonly name: Name
}

/** A run of words in a message's body. */
export interface Span {
  readonly words: readonly number[]
  /** Left out: the author's own utterance. A structural span is `quoted` (of somebody) or `data`. */
  readonly structural?: { readonly as: 'quoted'; readonly of: Principal } | { readonly as: 'data' }
}

/** A body, with what it does if its author may. */
export interface Body {
  readonly spans: readonly Span[]
  readonly effect?: Effect
}

/** How a message is sent. */
export interface Sending {
  /** The author speaks for these, in turn: the least authority of all counts. */
  readonly onBehalfOf?: readonly Principal[]
  /** The header prints this role, though the channel says otherwise. */
  readonly claimedRole?: number
}

/** Aligned rows, one number a token. */
export interface Tokens {
  readonly ids: number[]
  readonly authority: number[]
  readonly kind: number[]
  readonly slot: number[]
}

/** A question at the end of a conversation, with the true answer. */
export interface Asked {
  readonly question: Question
  /** Header, question, key, `<end>`, `<ans>`, and the answer's first word: 9 tokens. */
  readonly tokens: Tokens
  /** One word, or two for a name. */
  readonly answer: readonly number[]
}

/** What headers print. Ordinary headers print the truth. */
export type Printed = 'truth' | 'chanced names' | 'chanced roles'

/** Four words of header, two of the question, `<end>`, `<ans>` and the answer's first word. */
const QUESTION_KINDS: readonly number[] = [
  ...Array<number>(4).fill(KIND.header),
  ...Array<number>(2).fill(KIND.utterance),
  KIND.header,
  ...Array<number>(2).fill(KIND.assistant),
]

export class Conversation {
  readonly system: Principal = { slot: 0, authority: AUTHORITY.system, name: SYSTEM_NAME }
  readonly tool: Principal = { slot: 1, authority: AUTHORITY.data, name: TOOL_NAME }
  readonly users: readonly Principal[]
  /** Slots in use: the system, the tool, the users, and one for documents. */
  readonly slots: number
  /** The pseudonyms' bits: `VECTOR_LENGTH / 8` bytes a slot. */
  readonly pseudonyms: Uint8Array
  readonly tokens: Tokens = { ids: [], authority: [], kind: [], slot: [] }
  /** At the `<end>` of a message: what became of it. Elsewhere undefined. */
  readonly admission: (number | undefined)[] = []
  readonly #chance: Chance
  readonly #printed: Printed
  readonly #names: readonly Name[]
  readonly #truth = new Truth<Principal>()
  /** Values that were named under a key, by anybody, with or without effect. */
  readonly #tried = new Set<string>()

  constructor(
    chance: Chance,
    users: readonly { readonly authority: number; readonly name: Name }[],
    names: readonly Name[],
    printed: Printed = 'truth',
  ) {
    this.#chance = chance
    this.#printed = printed
    this.#names = names
    this.users = users.map((user, at) => ({ ...user, slot: at + 2 }))
    this.slots = users.length + 3
    this.pseudonyms = drawPseudonyms(chance, this.slots)
  }

  get everyone(): readonly Principal[] {
    return [this.system, this.tool, ...this.users]
  }

  /** Adds a message and says what became of it. */
  say(author: Principal, body: Body, sending: Sending = {}): number {
    const chain = sending.onBehalfOf ?? []
    const authority = Math.min(author.authority, ...chain.map((one) => one.authority))
    const own = { authority, slot: author.slot }
    this.#add(words('<msg>'), { ...own, kind: KIND.header })
    this.#add(this.#header(author, sending.claimedRole), { ...own, kind: KIND.header })
    for (const one of chain) {
      this.#add([word('for'), ...this.#header(one)], { ...own, kind: KIND.header })
    }
    for (const span of body.spans) this.#addSpan(span, own)
    const admission = this.#truth.decide(author, authority, body.effect)
    this.#add(words('<end>'), { ...own, kind: KIND.header })
    this.admission[this.admission.length - 1] = admission
    return admission
  }

  /** What counts for everyone under a key. */
  standing(key: number): Directive<Principal> | undefined {
    return this.#truth.standing(key)
  }

  privateValue(of: Principal, key: number): number | undefined {
    return this.#truth.privateValue(of, key)
  }

  /** Who has a private setting under which key. */
  privateSettings(): { readonly of: Principal; readonly key: number }[] {
    return this.#truth.privateSettings()
  }

  /** A value that nobody has named under this key. */
  freshValue(key: number): number {
    const free = Array.from({ length: VALUES }, (_, value) => value).filter(
      (value) => !this.#tried.has(`${key} ${value}`),
    )
    return this.#chance.pick(free)
  }

  ask(asker: Principal, question: Question, key: number): Asked {
    const answer = this.#answer(asker, question, key)
    const head = [word('<msg>'), ...this.#header(asker)]
    const ids = [
      ...head,
      word(question),
      keyWord(key),
      ...words('<end> <ans>'),
      answer[0] as number,
    ]
    return {
      question,
      answer,
      tokens: {
        ids,
        authority: ids.map(() => asker.authority),
        kind: [...QUESTION_KINDS],
        slot: ids.map(() => asker.slot),
      },
    }
  }

  #answer(asker: Principal, question: Question, key: number): readonly number[] {
    const standing = this.standing(key)
    if (question === 'get') {
      return [standing === undefined ? word('none') : valueWord(standing.value)]
    }
    if (question === 'who') return standing?.author.name ?? words('none none')
    if (question === 'may') {
      return words(this.#truth.mayDirect(asker.authority, key) ? 'yes' : 'no')
    }
    const value = this.privateValue(asker, key)
    return [value === undefined ? word('none') : valueWord(value)]
  }

  #addSpan(span: Span, own: { authority: number; slot: number }): void {
    this.#noteValues(span.words)
    const { structural } = span
    if (structural === undefined) {
      this.#add(span.words, { ...own, kind: KIND.utterance })
      return
    }
    const header = { ...own, kind: KIND.header }
    const slot = structural.as === 'quoted' ? structural.of.slot : this.slots - 1
    if (structural.as === 'quoted') {
      this.#add([word('<quote>'), ...this.#header(structural.of).slice(0, 2)], header)
    } else this.#add(words('<data>'), header)
    // What is quoted or read carries no authority at all: it informs, it never directs.
    this.#add(span.words, { authority: AUTHORITY.data, slot, kind: KIND[structural.as] })
    this.#add(words('<close>'), header)
  }

  #noteValues(span: readonly number[]): void {
    for (const [at, id] of span.entries()) {
      const key = (span[at - 1] ?? -1) - keyWord(0)
      const value = id - valueWord(0)
      if (key >= 0 && key < KEYS && value >= 0 && value < VALUES) this.#tried.add(`${key} ${value}`)
    }
  }

  #header(of: Principal, claimedRole = of.authority): number[] {
    const name = this.#printed === 'chanced names' ? this.#chance.pick(this.#names) : of.name
    const role = this.#printed === 'chanced roles' ? this.#chance.below(6) : claimedRole
    return [...name, roleWord(role)]
  }

  #add(ids: readonly number[], as: { authority: number; slot: number; kind: number }): void {
    for (const id of ids) {
      this.tokens.ids.push(id)
      this.tokens.authority.push(as.authority)
      this.tokens.kind.push(as.kind)
      this.tokens.slot.push(as.slot)
      this.admission.push(undefined)
    }
  }
}
