/**
 * The sets of the open-text stage by name, and the cases of each from a seed: `casesOf(set, n, seed)`.
 *
 * Names are held out of training in every set but `seen`; values, wording and topics in the sets that say so. In
 * attacks values are of the sort that training has, most of them new words: an attack must not fail because its word
 * cannot be said.
 */

import { Chance } from '../chance.ts'
import { ATTACKS, type AttackName, attackEpisode } from './attacks.ts'
import { type Episode, type Shape, ordinaryEpisode, singleDirective } from './episode.ts'
import { NAMES, TOPICS, heldOutValue, trainedValue } from './words.ts'

/** Changes when words, phrases, forms or sets do: figures compare within one version only. */
export const OPEN_VERSION = 'who-said-what-open/2'

type Words = Pick<Shape, 'names' | 'topics' | 'valueOf' | 'wording'>

const TRAINED: Words = {
  names: NAMES.trained,
  topics: TOPICS.trained,
  valueOf: trainedValue,
  wording: 'trained',
}
const HELD_OUT: Words = { ...TRAINED, names: NAMES.heldOut }

/** Questions asked of each ordinary chat. */
const QUESTIONS_EACH = 4

/** The sets that measure accuracy: words, and what headers print. */
const ORDINARY = {
  seen: TRAINED,
  'held-out': HELD_OUT,
  values: { ...HELD_OUT, valueOf: heldOutValue },
  paraphrases: { ...HELD_OUT, wording: 'heldOut' },
  topics: { ...HELD_OUT, topics: TOPICS.heldOut },
  'messages-10': { ...HELD_OUT, messages: 10 },
  // The truth follows the channel, so text alone cannot know it.
  'names-scrambled': { ...HELD_OUT, printed: 'names' },
  'roles-scrambled': { ...HELD_OUT, printed: 'roles' },
} as const satisfies Record<string, Words & { messages?: number; printed?: 'names' | 'roles' }>

type OrdinarySet = keyof typeof ORDINARY
export type SetName = OrdinarySet | AttackName

export const SETS: readonly SetName[] = [
  ...(Object.keys(ORDINARY) as OrdinarySet[]),
  ...(Object.keys(ATTACKS) as AttackName[]),
]

export function isAttack(set: SetName): set is AttackName {
  return set in ATTACKS
}

/** `n` questions of an ordinary set, four to a chat, or `n` attacks of one question each. */
export function casesOf(set: SetName, n: number, seed: string): Episode[] {
  const chance = new Chance(`${seed} open ${set}`)
  if (isAttack(set)) {
    const words = { ...HELD_OUT, messages: 0, users: 0, questions: 1 }
    return Array.from({ length: n }, () => attackEpisode(chance, set, words))
  }
  const { messages, printed, ...words }: Words & { messages?: number; printed?: string } =
    ORDINARY[set]
  const scrambled = {
    ...(printed === 'names' && { names: NAMES.heldOut }),
    ...(printed === 'roles' && { roles: true as const }),
    chance,
  }
  return Array.from({ length: Math.ceil(n / QUESTIONS_EACH) }, () =>
    ordinaryEpisode(chance, {
      ...words,
      messages: messages ?? chance.between(3, MOST_TRAINED.messages),
      users: chance.between(2, MOST_TRAINED.users),
      questions: QUESTIONS_EACH,
      ...(printed !== undefined && { scrambled }),
    }),
  )
}

/** The most messages and users of a chat of training. */
export const MOST_TRAINED = { messages: 6, users: 4 } as const

/**
 * One episode of training at `progress` in [0, 1): single directives over the first fifth, then chats that grow
 * from 2 to 6 messages until three fifths. With `dropNames` the headers of 35% of the chats print chanced names, from
 * a third of the training on, and all else is the same, so that one variant can be trained with it and another
 * without it on the same data.
 */
export function trainingEpisode(seed: string, progress: number, dropNames = false): Episode {
  const own = `${seed} ${progress}`
  const chance = new Chance(own)
  const printing = new Chance(`${own} printed`)
  const isDropped = dropNames && progress > 1 / 3 && printing.happens(0.35)
  const names = printing.happens(0.3) ? [printing.pick(NAMES.trained)] : NAMES.trained
  const shape: Shape = {
    ...TRAINED,
    messages: 1,
    users: chance.between(2, MOST_TRAINED.users),
    questions: 1,
    namesakes: 0.1,
    ...(isDropped && { scrambled: { chance: printing, names } }),
  }
  if (progress < 0.2) return singleDirective(chance, shape)
  const grown = Math.min(1, (progress - 0.2) / 0.4)
  const most = 2 + Math.round(grown * (MOST_TRAINED.messages - 2))
  const messages = chance.between(Math.ceil(most / 2), most)
  return ordinaryEpisode(chance, { ...shape, messages, questions: QUESTIONS_EACH })
}
