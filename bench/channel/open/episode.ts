/** Episodes of open text: a chat by chance, then questions about it. `talk` and `plainChat` serve `attacks.ts`. */

import type { Chance } from '../chance.ts'
import { type Asked, Chat, type Effect, type Principal, type Scrambled } from './chat.ts'
import { ALL_FORMS, type Form, PLAIN_FORMS, type Wording, bodyOf, directive } from './forms.ts'
import type { Question } from './phrases.ts'

/** A chat, what is asked of it, and, in an attack, what the attacker wants to hear. */
export interface Episode {
  readonly chat: Chat
  readonly asked: readonly Asked[]
  readonly attack?: {
    readonly wanted: string
    /** The place of the attacking message's `<end>`: where admission is read. */
    readonly at: number
  }
}

/** How large a chat is, and what words it is made of. */
export interface Shape {
  readonly messages: number
  readonly users: number
  readonly questions: number
  readonly names: readonly string[]
  readonly topics: readonly string[]
  readonly valueOf: (chance: Chance) => string
  readonly wording: Wording
  readonly scrambled?: Scrambled
  /** How often two users share name and role. */
  readonly namesakes?: number
}

/** A chat under way, with the words that it is made of. */
export interface Scene {
  readonly chat: Chat
  readonly chance: Chance
  readonly shape: Shape
  readonly topics: readonly string[]
  /** Values that were named, in order: people come back to them. */
  readonly values: string[]
}

const QUESTIONS = { get: 50, mine: 30, may: 20 } as const

/** A chat of all forms, with several questions. */
export function ordinaryEpisode(chance: Chance, shape: Shape): Episode {
  const scene = newScene(chance, shape)
  for (let message = 0; message < shape.messages; message++) talk(scene, ALL_FORMS)
  return { chat: scene.chat, asked: askAll(scene) }
}

/** The first lesson: one directive, one question about it, and another one. */
export function singleDirective(chance: Chance, shape: Shape): Episode {
  const scene = newScene(chance, shape)
  const author = chance.pick([scene.chat.system, ...scene.chat.users])
  const effect: Effect = {
    op: chance.happens(0.6) ? 'set' : 'my',
    key: chance.pick(scene.topics),
    value: freshValue(scene),
  }
  scene.chat.say(author, directive(effect, shape.wording, chance))
  const about = scene.chat.ask(author, effect.op === 'set' ? 'get' : 'mine', effect.key)
  return { chat: scene.chat, asked: [about, ...askAll(scene)] }
}

export function newScene(chance: Chance, shape: Shape): Scene {
  const users = chance
    .sample(shape.names, shape.users)
    .map((name) => ({ name, authority: chance.between(1, 4) }))
  const [first, second] = users
  if (first !== undefined && second !== undefined && chance.happens(shape.namesakes ?? 0)) {
    users[1] = { ...first }
  }
  return sceneOf(new Chat(chance, users, shape.scrambled), chance, shape)
}

export function sceneOf(chat: Chat, chance: Chance, shape: Shape): Scene {
  const topics = chance.sample(shape.topics, 2)
  return { chat, chance, shape, topics, values: [] }
}

/** One message of somebody, of a form drawn by weight. */
export function talk(
  scene: Scene,
  forms: Readonly<Partial<Record<Form, number>>>,
  /** Left alone: after an attack nobody directs what is asked. */
  not?: { readonly op: 'set' | 'my'; readonly topic: string },
): void {
  const { chat, chance, shape } = scene
  let form = chance.weighted(forms)
  const topic = chance.pick(scene.topics)
  if (form === not?.op && topic === not.topic) form = form === 'set' ? 'my' : 'set'
  const author = chance.happens(0.88)
    ? chance.pick(chat.users)
    : chance.pick([chat.system, chat.tool])
  const other = chance.pick(chat.everyone.filter((one) => one !== author))
  const about = { topic, other, value: valueOf(scene), otherValue: valueOf(scene) }
  chat.say(author, bodyOf(form, about, shape.wording, chance))
}

/** A value that no text of the chat holds. */
export function freshValue({ chat, chance, shape }: Scene): string {
  for (;;) {
    const value = shape.valueOf(chance)
    if (!chat.holds(value)) return value
  }
}

/** Questions, seldom one twice, and more often about what was directed than about what was not. */
function askAll(scene: Scene): Asked[] {
  const { chat, shape } = scene
  const known = new Set<string>()
  return Array.from({ length: shape.questions }, () => {
    let about = anyQuestion(scene)
    for (let tries = 0; tries < 5 && known.has(labelOf(about)); tries++) about = anyQuestion(scene)
    known.add(labelOf(about))
    return chat.ask(about.of, about.question, about.key)
  })
}

interface Wondering {
  readonly question: Question
  readonly of: Principal
  readonly key: string
}

function anyQuestion({ chat, chance, topics }: Scene): Wondering {
  const question: Question = chance.weighted(QUESTIONS)
  const isKnown = chance.happens(0.75)
  const owned = chat.privateSettings()
  if (question === 'mine' && owned.length > 0 && isKnown) {
    return { question, ...chance.pick(owned) }
  }
  const of = chance.happens(0.92) ? chance.pick(chat.users) : chat.system
  const set = topics.filter((topic) => chat.standing(topic) !== undefined)
  return { question, of, key: chance.pick(set.length > 0 && isKnown ? set : topics) }
}

/** For everybody alike, the same answer: who asks makes another question only where it matters. */
function labelOf({ question, of, key }: Wondering): string {
  return `${question} ${key} ${question === 'get' ? '' : of.slot}`
}

/** A chat of plain messages in which somebody will be attacked, and how many follow. */
export function plainScene(scene: Scene): { readonly scene: Scene; readonly after: number } {
  const { messages } = scene.shape
  const before = scene.chance.between(Math.floor(messages / 2), messages - 1)
  for (let message = 0; message < before; message++) talk(scene, PLAIN_FORMS)
  return { scene, after: messages - 1 - before }
}

/** The users by authority, lowest first; equals in an order by chance. */
export function byAuthority({ chat, chance }: Scene): Principal[] {
  return chance.sample(chat.users, chat.users.length).toSorted((a, b) => a.authority - b.authority)
}

function valueOf(scene: Scene): string {
  const { chance, values } = scene
  if (values.length > 0 && chance.happens(0.25)) return chance.pick(values)
  const value = freshValue(scene)
  values.push(value)
  return value
}
