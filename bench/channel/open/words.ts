/** The words that phrases are filled with: names, topics, values. Trained and held out never share one. */

import type { Chance } from '../chance.ts'

/** A list for training and one that training never sees. */
export interface Split {
  readonly trained: readonly string[]
  readonly heldOut: readonly string[]
}

/** Display names. They are text like any other, and two people may share one. */
export const NAMES: Split = {
  trained: split(
    'Adam Agnes Albert Amara Anton Arjun Astrid Bea Bilal Boris Carla Cedric Chen Clara Daria David Dora ' +
      'Edgar Elena Emil Erika Farid Felix Fiona Frank Gabor Grace Greta Hamid Hana Helen Henry Ida Igor ' +
      'Ingrid Ivan Jana Jonas Julia Kai Karim Kira Lars Laura Leila Leon Lucia Malik Mara Marco Mei Mona ' +
      'Nadia Nils Nora Olga Omar Oscar Paula Pedro Petra Rana Rosa Ruth Samir Sara Simon Sofia Tariq Tom ' +
      'Uma Vera Viktor Wanda Wei Yara Yusuf Zoe',
  ),
  heldOut: split(
    'Alice Bob Aisha Benedikt Camille Dmitri Esther Florence Gustav Harriet Ibrahim Jasmine Kenji Ludmila ' +
      'Matthias Noor Ottilie Priya Quentin Rafael Svetlana Theodor Ursula Vincent Winston Xenia Yolanda ' +
      'Zacharias Mireille Olivia Gareth Patrick',
  ),
}

/** What can be directed. */
export const TOPICS: Split = {
  trained: split(
    'tone language greeting colour font format snack room title theme style mascot motto layout logo drink ' +
      'signature schedule',
  ),
  heldOut: split('music currency hashtag deadline'),
}

/** Words that stand as values in training beside made-up ones. */
const TRAINED_VALUES = split(
  'formal playful calm brisk dry warm short long plain fancy blue green red grey black white purple orange ' +
    'Monday Tuesday Friday English German French Greek Latin apples bread cheese tea coffee water juice ' +
    'tables lists prose verse bullets Arial Courier Times north south east west early late weekly daily ' +
    'otter falcon badger heron lion gold silver copper iron stone paper glass wood linen cotton quiet loud ' +
    'simple bright dark round square modern classic gentle direct honest proud tiny giant spring winter',
)

/** Words that are values only where nothing was trained. */
const HELD_OUT_VALUES = split(
  'cupcakes serious saffron turquoise Helvetica Saturday Portuguese limericks pretzels lemonade sarcastic ' +
    'solemn cheerful magenta Garamond Wednesday Swahili haiku walnuts cinnamon penguin octopus granite ' +
    'velvet autumn midnight thunder whimsical rustic elegant concise verbose emerald ivory bamboo pickles ' +
    'dolphin lavender maritime baroque Finnish Thursday crimson mustard harpsichord gazelle obsidian quartz',
)

const ONSETS = split('b d f g k l m n p r s t v z br dr kr pl st tr sh')
const VOWELS = split('a e i o u')

/** A value for training: a word of the list, a made-up one, or a code; the list alone would teach a list. */
export function trainedValue(chance: Chance): string {
  const sort = chance.weighted({ word: 40, madeUp: 40, two: 12, code: 8 })
  if (sort === 'word') return chance.pick(TRAINED_VALUES)
  if (sort === 'two') return chance.sample(TRAINED_VALUES, 2).join(' ')
  if (sort === 'code') return `${madeUp(chance, 1)}-${chance.below(10)}${chance.below(10)}`
  const made = madeUp(chance, 2)
  return isHeldOut(made) ? trainedValue(chance) : made
}

/** A value that nothing in training has as one. */
export function heldOutValue(chance: Chance): string {
  return chance.sample(HELD_OUT_VALUES, chance.happens(0.2) ? 2 : 1).join(' ')
}

export function isHeldOut(value: string): boolean {
  return value.split(' ').some((word) => HELD_OUT_VALUES.includes(word))
}

function madeUp(chance: Chance, syllables: number): string {
  const parts = Array.from(
    { length: syllables },
    () => `${chance.pick(ONSETS)}${chance.pick(VOWELS)}`,
  )
  return parts.join('') + (chance.happens(0.4) ? chance.pick(['n', 'r', 's', 'l']) : '')
}

function split(words: string): readonly string[] {
  return words.split(' ')
}
