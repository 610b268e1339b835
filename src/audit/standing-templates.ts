/** Which templates stand, as the log tells it: what was proposed by one was proposed by one that did. */

import type { Entry, EntryOf, Subject } from './entry.ts'

/** Hand it every entry in order. */
export class StandingTemplates {
  /** The digest of each by kind of agent and name; empty where an older entry has none. */
  readonly #kept = new Map<string, string>()

  follow(entry: Entry): void {
    if (entry.kind === 'template_kept')
      this.#kept.set(keyOf(entry.archetype, entry.name), entry.template ?? '')
    if (entry.kind === 'template_removed') this.#kept.delete(keyOf(entry.archetype, entry.name))
  }

  /** What is wrong with a removal; undefined if nothing is. */
  missing({ archetype, name }: EntryOf<'template_removed'>): string | undefined {
    return this.#kept.has(keyOf(archetype, name))
      ? undefined
      : `expected a template \`${name}\` of \`${archetype}\`, got none that stands`
  }

  /** What is wrong with how a delegation says it was proposed; undefined if nothing is. */
  misproposed(entry: EntryOf<'delegation_created'>): string | undefined {
    const { proposed, by, person, parent } = entry
    if (proposed === undefined) return undefined
    if (by.type !== 'person' || by.person !== person || parent !== undefined)
      return `expected \`${person}\` to have confirmed what was proposed`
    if (proposed.by === 'words') return undefined
    const archetype = `archetype:${entry.delegate.archetype}`
    const { name, digest } = proposed.template
    const kept = this.#kept.get(keyOf(archetype, name))
    return kept === '' || kept === digest
      ? undefined
      : `expected the template \`${name}\` of \`${archetype}\` as it was kept, got another or none`
  }
}

function keyOf(archetype: Subject, name: string): string {
  return `${archetype} ${name}`
}
