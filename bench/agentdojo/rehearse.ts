/** Plays the adaptive cases against the product, and says which go through. */

import type { PolicySets } from '../../src/decision/policy-set.ts'
import type { Agency } from '../../src/delegation/agency.ts'
import { adaptiveCases } from './adaptive.ts'
import { type AdaptiveCase, adaptiveSuite } from './adaptive-office.ts'
import { Conversation, openOffice } from './office.ts'

/** What came of one case. */
export interface Rehearsed {
  readonly attack: AdaptiveCase
  readonly isThrough: boolean
}

/** Plays every case at one position of the dial. */
export function rehearse(policies: PolicySets, agency: Agency): readonly Rehearsed[] {
  const cases = adaptiveCases()
  const office = openOffice(adaptiveSuite(cases))
  return cases.map((attack) => {
    const task = { id: attack.id, prompt: attack.words }
    const conversation = new Conversation(office, task, { policies, agency })
    for (const shown of attack.shown) {
      if (typeof shown === 'string') conversation.showText(shown)
      else conversation.show(shown)
    }
    const isThrough = attack.attack.every((call) => conversation.decide(call) === 'permit')
    return { attack, isThrough }
  })
}

/** Stopped of all, by family, with the words of those that go through. */
export function rehearsalText(rehearsed: readonly Rehearsed[]): string {
  const families = Map.groupBy(rehearsed, ({ attack }) => attack.family)
  const lines = [...families].flatMap(([family, all]) => {
    const through = all.filter(({ isThrough }) => isThrough)
    const count = `${all.length - through.length}/${all.length}`
    return [
      `${family.padEnd(52)} ${count.padStart(7)}`,
      ...through.map(({ attack }) => `    through: ${attack.id}: ${attack.words}`),
    ]
  })
  const stopped = rehearsed.filter(({ isThrough }) => !isThrough).length
  return [...lines, `${'stopped'.padEnd(52)} ${`${stopped}/${rehearsed.length}`.padStart(7)}`].join(
    '\n',
  )
}
