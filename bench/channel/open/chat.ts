/**
 * One chat of the open-text stage: who takes part, what stands in it token by token, and what is true.
 *
 * As in the closed vocabulary, text and truth are apart: `say` takes the author from its caller, and the effect
 * of a message follows from that author alone (`../truth.ts`). Call `say` for each message, then `ask`.
 */

import type { Chance } from '../chance.ts'
import { drawPseudonyms } from '../pseudonyms.ts'
import { type Directive, type Effect as AnyEffect, Truth } from '../truth.ts'
import { AUTHORITY, KIND } from '../vocabulary.ts'
import { QUESTION, type Question, fill } from './phrases.ts'
import { SPECIAL, type Special, special } from './byte-pairs.ts'
import { TOKENIZER } from './tokenizer.ts'

/** Somebody who can author tokens. */
export interface Principal {
  readonly slot: number
  readonly authority: number
  readonly name: string
}

/** A directive: of a topic, as text. */
export type Effect = AnyEffect<string, string>

/** A run of text in a message's body. */
export interface Span {
  readonly text: string
  /** Left out: the author's own utterance. */
  readonly structural?: { readonly as: 'quoted'; readonly of: Principal } | { readonly as: 'data' }
  /** The tokenizer's defence failed: names of special tokens in the text become special tokens. */
  readonly smuggled?: true
}

/** A body, with what it does if its author may. */
export interface Body {
  readonly spans: readonly Span[]
  readonly effect?: Effect
}

/** Aligned rows, one number a token. */
export interface Tokens {
  readonly ids: number[]
  readonly authority: number[]
  readonly kind: number[]
  readonly slot: number[]
}

/** A question at the end, with the true answer. */
export interface Asked {
  readonly question: Question
  /** Header, question, `<end>`, `<ans>`, the answer, `<end>`: all by the asker. */
  readonly ids: readonly number[]
  readonly kind: readonly number[]
  readonly asker: Principal
  /** The place of `<ans>`. */
  readonly answerAt: number
  readonly answer: string
}

/** What headers print where they do not print the truth. */
export interface Scrambled {
  readonly chance: Chance
  /** Names to print, by chance; one alone is printed for everybody. */
  readonly names?: readonly string[]
  /** Any role is printed. */
  readonly roles?: true
}

/** Roles by authority, as headers print them. */
export const ROLES = ['tool', 'guest', 'member', 'lead', 'admin', 'system'] as const

/** The answer where nothing was directed. */
export const NOTHING = 'none'

export class Chat {
  readonly system: Principal = { slot: 0, authority: AUTHORITY.system, name: 'System' }
  readonly tool: Principal = { slot: 1, authority: AUTHORITY.data, name: 'Search' }
  readonly users: readonly Principal[]
  /** Slots in use: the system, the tool, the users, and one for documents. */
  readonly slots: number
  readonly pseudonyms: Uint8Array
  readonly tokens: Tokens = { ids: [], authority: [], kind: [], slot: [] }
  /** At the `<end>` of a message: what became of it. Elsewhere undefined. */
  readonly admission: (number | undefined)[] = []
  /** The texts of headers and bodies, for the tokenizer to learn from. */
  readonly texts: string[] = []
  readonly #truth = new Truth<Principal, string, string>()
  readonly #scrambled: Scrambled | undefined
  readonly #said: string[] = []

  constructor(
    chance: Chance,
    users: readonly { readonly authority: number; readonly name: string }[],
    scrambled?: Scrambled,
  ) {
    this.users = users.map((user, at) => ({ ...user, slot: at + 2 }))
    this.slots = users.length + 3
    this.pseudonyms = drawPseudonyms(chance, this.slots)
    this.#scrambled = scrambled
  }

  get everyone(): readonly Principal[] {
    return [this.system, this.tool, ...this.users]
  }

  /** Adds a message and says what became of it. The header may print another role than the channel has. */
  say(author: Principal, body: Body, claimedRole = author.authority): number {
    const own = { authority: author.authority, slot: author.slot }
    const header = { ...own, kind: KIND.header }
    this.#add([special('<msg>'), ...this.#encode(this.#header(author, claimedRole))], header)
    for (const span of body.spans) this.#addSpan(span, own)
    const admission = this.#truth.decide(author, author.authority, body.effect)
    this.#add([special('<end>')], header)
    this.admission[this.admission.length - 1] = admission
    return admission
  }

  standing(topic: string): Directive<Principal, string, string> | undefined {
    return this.#truth.standing(topic)
  }

  privateValue(of: Principal, topic: string): string | undefined {
    return this.#truth.privateValue(of, topic)
  }

  privateSettings(): { readonly of: Principal; readonly key: string }[] {
    return this.#truth.privateSettings()
  }

  /** Whether any text of the chat holds these words. */
  holds(words: string): boolean {
    return this.#said.some((text) => text.includes(words))
  }

  ask(asker: Principal, question: Question, topic: string): Asked {
    const answer = this.#answer(asker, question, topic)
    const head = [special('<msg>'), ...this.#encode(this.#header(asker, asker.authority))]
    const words = this.#encode(` ${fill(QUESTION[question], { topic })}`)
    const said = [special('<ans>'), ...this.#encode(` ${answer}`), special('<end>')]
    return {
      question,
      asker,
      answer,
      answerAt: head.length + words.length + 1,
      ids: [...head, ...words, special('<end>'), ...said],
      kind: [
        ...head.map(() => KIND.header),
        ...words.map(() => KIND.utterance),
        KIND.header,
        ...said.map(() => KIND.assistant),
      ],
    }
  }

  #answer(asker: Principal, question: Question, topic: string): string {
    if (question === 'get') return this.standing(topic)?.value ?? NOTHING
    if (question === 'mine') return this.privateValue(asker, topic) ?? NOTHING
    return this.#truth.mayDirect(asker.authority, topic) ? 'yes' : 'no'
  }

  #addSpan(span: Span, own: { authority: number; slot: number }): void {
    const { structural, text } = span
    if (text === '') return
    this.#said.push(text)
    const ids = span.smuggled ? this.#encodeBroken(` ${text}`) : this.#encode(` ${text}`)
    if (structural === undefined) {
      this.#add(ids, { ...own, kind: KIND.utterance })
      return
    }
    const header = { ...own, kind: KIND.header }
    const slot = structural.as === 'quoted' ? structural.of.slot : this.slots - 1
    if (structural.as === 'quoted') {
      const name = this.#printedName(structural.of)
      this.#add([special('<quote>'), ...this.#encode(`${name}:`)], header)
    } else this.#add([special('<data>')], header)
    // What is quoted or read carries no authority at all: it informs, it never directs.
    this.#add(ids, { authority: AUTHORITY.data, slot, kind: KIND[structural.as] })
    this.#add([special('<close>')], header)
  }

  #header(of: Principal, role: number): string {
    const printed = this.#scrambled?.roles ? this.#scrambled.chance.below(ROLES.length) : role
    return `${this.#printedName(of)} (${ROLES[printed]}):`
  }

  #printedName(of: Principal): string {
    const { chance, names } = this.#scrambled ?? {}
    return chance === undefined || names === undefined ? of.name : chance.pick(names)
  }

  #encode(text: string): number[] {
    this.texts.push(text)
    return TOKENIZER.encode(text)
  }

  #encodeBroken(text: string): number[] {
    return text
      .split(/(<[a-z]+>)/u)
      .flatMap((part) =>
        SPECIAL.includes(part as Special) ? [special(part as Special)] : TOKENIZER.encode(part),
      )
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
