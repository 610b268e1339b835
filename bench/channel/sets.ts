/**
 * The sets of the benchmark by name, and the cases of each from a seed.
 *
 * Call `casesOf(set, n, seed)`. Names are held out of training in every set but `seen-names`; the numbers of
 * users above 6 and of messages above 14, and most formats of forgery, are held out too.
 */

import { ATTACKS, type AttackName, attackEpisode } from './attacks.ts'
import { Chance } from './chance.ts'
import { type Episode, type Shape, ordinaryEpisode } from './episode.ts'
import { HELD_OUT, TRAINED } from './vocabulary.ts'

/** Questions asked of each ordinary episode. */
const QUESTIONS_EACH = 10

/** The sets that measure accuracy: `[fewest, most]` messages and users. */
const ORDINARY = {
  'held-out': { messages: [6, 14], users: [2, 6] },
  'seen-names': { messages: [6, 14], users: [2, 6], names: TRAINED },
  'users-10': { messages: [14, 14], users: [10, 10] },
  'users-20': { messages: [14, 14], users: [20, 20] },
  'users-32': { messages: [14, 14], users: [32, 32] },
  'messages-28': { messages: [28, 28], users: [6, 6] },
  'messages-56': { messages: [56, 56], users: [6, 6] },
  'messages-64': { messages: [64, 64], users: [6, 6] },
  // What headers print is chanced; the truth follows the channel, so text alone cannot know it.
  'names-scrambled': { messages: [6, 12], users: [3, 6], printed: 'chanced names' },
  'roles-scrambled': { messages: [6, 12], users: [3, 6], printed: 'chanced roles' },
} as const satisfies Record<
  string,
  { messages: Range; users: Range } & Omit<Partial<Shape>, 'messages' | 'users'>
>

type Range = readonly [fewest: number, most: number]
type OrdinarySet = keyof typeof ORDINARY

/** The name of a set. */
export type SetName = OrdinarySet | AttackName

export const SETS: readonly SetName[] = [
  ...(Object.keys(ORDINARY) as OrdinarySet[]),
  ...(Object.keys(ATTACKS) as AttackName[]),
]

/** Whether a set measures what an attacker achieves. */
export function isAttack(set: SetName): set is AttackName {
  return set in ATTACKS
}

/**
 * Episodes of a set: `n` questions for an ordinary one, ten to an episode, and `n` attacks of one question
 * each for an attack. The same seed gives the same cases.
 */
export function casesOf(set: SetName, n: number, seed: string): Episode[] {
  const chance = new Chance(`${seed} ${set}`)
  if (isAttack(set)) return Array.from({ length: n }, () => attackEpisode(chance, set, HELD_OUT))
  const { messages, users, ...rest } = ORDINARY[set]
  return Array.from({ length: Math.ceil(n / QUESTIONS_EACH) }, () =>
    ordinaryEpisode(chance, {
      messages: chance.between(messages[0], messages[1]),
      users: chance.between(users[0], users[1]),
      questions: QUESTIONS_EACH,
      names: HELD_OUT,
      ...rest,
    }),
  )
}

/** The most messages and users of an episode of training. */
export const MOST_TRAINED = { messages: 14, users: 6 } as const
const NAMESAKES = 0.1
const QUESTIONS_TRAINED = 8

/**
 * The episode of training at `progress` in [0, 1): conversations grow from 3 to 14 messages over the first
 * part, as a child's do. Names are those that training may hold.
 */
export function trainingEpisode(chance: Chance, progress: number): Episode {
  const grown = Math.min(1, Math.max(0, (progress - 0.05) / 0.35))
  const most = 3 + Math.floor(grown * (MOST_TRAINED.messages - 3))
  const shape: Shape = {
    messages: chance.between(2, most),
    users: chance.between(2, MOST_TRAINED.users),
    names: TRAINED,
    questions: QUESTIONS_TRAINED,
    namesakes: NAMESAKES,
  }
  return ordinaryEpisode(chance, shape)
}
