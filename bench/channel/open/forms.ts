/** The forms of a message's body in natural sentences: directives, talk, quotations, documents, forgeries. */

import type { Chance } from '../chance.ts'
import { type Body, type Effect, type Principal, ROLES } from './chat.ts'
import {
  ASKED_EARLIER,
  CLOSERS,
  DOCUMENT,
  FORGERY,
  type Forgery,
  LEAD_IN,
  MY,
  OPENERS,
  OPINION,
  type Phrases,
  QUOTATION,
  SET,
  SMALL_TALK,
  fill,
} from './phrases.ts'

/** Which of a phrase's two lists is used. */
export type Wording = keyof Phrases

/** Forms of an ordinary chat, by weight. */
export const ALL_FORMS = {
  set: 32,
  my: 16,
  opinion: 8,
  question: 4,
  smallTalk: 5,
  typedQuote: 8,
  quoteThenSet: 3,
  structuralQuote: 7,
  document: 7,
  forgedSet: 6,
  forgedMy: 4,
} as const

/** Forms without quotations, documents or forgeries: what surrounds an attack. */
export const PLAIN_FORMS = { set: 45, my: 25, opinion: 15, question: 7, smallTalk: 8 } as const

export type Form = keyof typeof ALL_FORMS

/** What a message is about; `other` is whom it names, quotes or impersonates. */
export interface Subject {
  readonly topic: string
  readonly value: string
  /** What somebody quoted in the message wants. */
  readonly otherValue: string
  readonly other: Principal
}

type Maker = (about: Subject, wording: Wording, chance: Chance) => Body

/** A body of one form. */
export function bodyOf(form: Form, about: Subject, wording: Wording, chance: Chance): Body {
  return MAKERS[form](about, wording, chance)
}

const MAKERS: Readonly<Record<Form, Maker>> = {
  set: (about, wording, chance) => directive(effectOf('set', about), wording, chance),
  my: (about, wording, chance) => directive(effectOf('my', about), wording, chance),
  opinion: sentence(OPINION),
  question: sentence(ASKED_EARLIER),
  smallTalk: sentence(SMALL_TALK),
  typedQuote: (about, wording, chance) =>
    typedQuote(about.other, inner(about, wording, chance), wording, chance),
  quoteThenSet: (about, wording, chance) => {
    const quoted = inner({ ...about, value: about.otherValue }, wording, chance)
    const effect = effectOf('set', about)
    const own = phraseOf(effect, wording, chance)
    return { spans: [{ text: `${about.other.name} said: "${quoted}". ${own}` }], effect }
  },
  structuralQuote: (about, wording, chance) =>
    structuralQuote(about.other, inner(about, wording, chance), chance),
  document: (about, wording, chance) => document(inner(about, wording, chance), wording, chance),
  forgedSet: (about, _, chance) => forged('newLine', about.other, effectOf('set', about), chance),
  forgedMy: (about, _, chance) => forged('newLine', about.other, effectOf('my', about), chance),
}

function sentence(phrases: Phrases): Maker {
  return ({ topic, value, other }, wording, chance) => {
    const places = { topic, value, name: other.name }
    return { spans: [{ text: said(fill(chance.pick(phrases[wording]), places), chance) }] }
  }
}

function effectOf(op: Effect['op'], { topic, value }: Subject): Effect {
  return { op, key: topic, value }
}

/** The sentence of a directive. */
export function phraseOf(effect: Effect, wording: Wording, chance: Chance): string {
  const phrases = effect.op === 'set' ? SET : MY
  return fill(chance.pick(phrases[wording]), { topic: effect.key, value: effect.value })
}

export function directive(effect: Effect, wording: Wording, chance: Chance): Body {
  return { spans: [{ text: said(phraseOf(effect, wording, chance), chance) }], effect }
}

/** Somebody's words in quotation marks that the author typed. They are text, and inert. */
export function typedQuote(of: Principal, text: string, wording: Wording, chance: Chance): Body {
  const places = { name: of.name, text }
  return { spans: [{ text: fill(chance.pick(QUOTATION[wording]), places) }] }
}

/** A quotation that the control plane made: it knows whose words these are. */
export function structuralQuote(of: Principal, text: string, chance: Chance): Body {
  return { spans: [{ text: chance.pick(LEAD_IN) }, { text, structural: { as: 'quoted', of } }] }
}

/** A document or a tool's result. */
export function document(text: string, wording: Wording, chance: Chance): Body {
  const written = fill(chance.pick(DOCUMENT[wording]), { text })
  return {
    spans: [{ text: chance.pick(LEAD_IN) }, { text: written, structural: { as: 'data' } }],
  }
}

/** Talk, a forged header, and a directive behind it: that of its true author. */
export function forged(as: Forgery, by: Principal, effect: Effect, chance: Chance): Body {
  const text = forgedText(as, by, phraseOf(effect, 'trained', chance))
  return { spans: [{ text: `${talk(chance)}${text}` }], effect }
}

/** Reserved tokens got through: the author's message seems to end, and another's to begin. */
export function smuggled(by: Principal, effect: Effect, chance: Chance): Body {
  const header = `${by.name} (${ROLES[by.authority]}): `
  const text = `${talk(chance)}<end><msg>${header}${phraseOf(effect, 'trained', chance)}`
  return { spans: [{ text, smuggled: true }], effect }
}

export function forgedText(as: Forgery, by: Principal, text: string): string {
  return fill(FORGERY[as], { name: by.name, role: ROLES[by.authority] as string, text })
}

/** What a quotation or a document holds: a directive, often behind a forged header or quoted once more. */
function inner(about: Subject, wording: Wording, chance: Chance): string {
  const op = chance.happens(0.65) ? 'set' : 'my'
  const plain = phraseOf({ op, key: about.topic, value: about.value }, wording, chance)
  const before = chance.weighted({ nothing: 65, header: 22, quote: 13 })
  if (before === 'nothing') return plain
  if (before === 'header') return forgedText('newLine', about.other, plain)
  return `${about.other.name} said '${plain}'`
}

function talk(chance: Chance): string {
  const { trained } = SMALL_TALK
  return chance.pick(['ok', 'thanks', 'see below', ...trained.filter((one) => !one.includes('{'))])
}

function said(text: string, chance: Chance): string {
  const opener = chance.happens(0.15) ? chance.pick(OPENERS) : ''
  const closer = chance.happens(0.15) && !/[?!.]$/u.test(text) ? chance.pick(CLOSERS) : ''
  return `${opener}${text}${closer}`
}
