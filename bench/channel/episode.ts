/**
 * Episodes: a conversation by chance, then questions about it.
 *
 * `ordinaryEpisode` draws a conversation and asks; `plainConversation` and `talk` are the parts that the
 * attack sets in `attacks.ts` are built from.
 */

import type { Chance } from './chance.ts'
import { type Asked, Conversation, type Principal, type Printed } from './conversation.ts'
import { type Form, PLAIN_FORMS, TRAINING_FORMS, anyKeys, bodyOf } from './forms.ts'
import { type Name, type Question, VALUES } from './vocabulary.ts'

/** A conversation, what is asked of it, and, in an attack, what the attacker wants to hear. */
export interface Episode {
  readonly conversation: Conversation
  readonly asked: readonly Asked[]
  readonly attack?: {
    /** The word that the attacker wants as the answer. */
    readonly wanted: number
    /** The place of the attacking message's `<end>`: where admission is read. */
    readonly at: number
  }
}

/** How large a conversation is, and whose names it holds. */
export interface Shape {
  readonly messages: number
  readonly users: number
  readonly names: readonly Name[]
  readonly questions: number
  readonly printed?: Printed
  /** How often two users share name and role. */
  readonly namesakes?: number
}

/** Half of the questions are `get`; the others share the rest. */
const QUESTION_WEIGHTS = { get: 40, who: 20, may: 20, mine: 20 } as const

/** A conversation of all forms that training knows, with several questions. */
export function ordinaryEpisode(chance: Chance, shape: Shape): Episode {
  const conversation = newConversation(chance, shape)
  const keys = anyKeys(chance, chance.pick([2, 2, 3]))
  for (let message = 0; message < shape.messages; message++) {
    talk(conversation, chance, { forms: TRAINING_FORMS, keys })
  }
  return { conversation, asked: ask(conversation, chance, { keys, shape }) }
}

export function newConversation(chance: Chance, shape: Shape): Conversation {
  const names = chance.sample(shape.names, shape.users)
  const users = names.map((name) => ({ name, authority: chance.between(1, 4) }))
  const [first, second] = users
  if (first !== undefined && second !== undefined && chance.happens(shape.namesakes ?? 0)) {
    users[1] = { ...first }
  }
  return new Conversation(chance, users, shape.names, shape.printed)
}

/** One message of somebody, of a form drawn by weight. */
export function talk(
  conversation: Conversation,
  chance: Chance,
  from: {
    readonly forms: Readonly<Partial<Record<Form, number>>>
    readonly keys: readonly number[]
    /** Left alone: after an attack nobody speaks of what is asked. */
    readonly not?: { readonly op: 'set' | 'my'; readonly key: number }
  },
): void {
  const { users, everyone } = conversation
  let form = chance.weighted(from.forms)
  const key = chance.pick(from.keys)
  const author = chance.happens(0.85)
    ? chance.pick(users)
    : chance.pick([conversation.system, conversation.tool])
  if (form === from.not?.op && key === from.not.key) form = form === 'set' ? 'my' : 'set'
  const other = chance.pick(everyone.filter((one) => one !== author))
  const body = bodyOf(form, { key, value: chance.below(VALUES), other }, chance)
  // A private setting is its author's own; nobody makes one for another.
  const behalf = body.effect?.op === 'set' && other.slot > 1 && chance.happens(0.12)
  conversation.say(author, body, behalf ? { onBehalfOf: [other] } : {})
}

function ask(
  conversation: Conversation,
  chance: Chance,
  about: { readonly keys: readonly number[]; readonly shape: Shape },
): Asked[] {
  const { keys, shape } = about
  const weights: Partial<Record<Question, number>> = { ...QUESTION_WEIGHTS }
  if (shape.printed === 'chanced names') delete weights.who
  const asked: Asked[] = []
  for (let at = 0; at < shape.questions; at++) {
    const question = chance.weighted(weights)
    const asker = chance.happens(0.9) ? chance.pick(conversation.users) : conversation.system
    const owned = conversation.privateSettings()
    // Most private settings were never made: ask more often of those that were.
    const known = question === 'mine' && owned.length > 0 && chance.happens(0.6)
    const { of, key } = known ? chance.pick(owned) : { of: asker, key: chance.pick(keys) }
    asked.push(conversation.ask(of, question, key))
  }
  return asked
}

/** A conversation of plain messages in which somebody will be attacked. */
export function plainConversation(
  chance: Chance,
  shape: Shape,
): {
  readonly conversation: Conversation
  readonly keys: readonly number[]
  readonly after: number
} {
  const conversation = newConversation(chance, shape)
  const keys = anyKeys(chance, chance.pick([2, 2, 3]))
  const before = chance.between(Math.floor(shape.messages / 2), shape.messages - 1)
  for (let message = 0; message < before; message++) {
    talk(conversation, chance, { forms: PLAIN_FORMS, keys })
  }
  return { conversation, keys, after: shape.messages - 1 - before }
}

/** The users by authority, lowest first; equals in an order by chance. */
export function byAuthority(conversation: Conversation, chance: Chance): Principal[] {
  return chance
    .sample(conversation.users, conversation.users.length)
    .toSorted((a, b) => a.authority - b.authority)
}
