/** Provenance as an approver reads it: one sentence for each value that a person should look at. */

import type { Provenance } from './trace.ts'
import type { Shown, TracedSegment } from './shown.ts'

/** What is said of the sources, by name. */
export interface Names {
  /** The person who delegated. */
  readonly person: string
  /** The title or name of a server, by its id. */
  readonly server: (id: string) => string
}

/**
 * Sentences such as "`to`: stands in what `read_page` of web showed at step 4, not in what alice asked
 * for". Grounded values are left out; the most doubtful come first.
 */
export function inWords(
  provenance: readonly Provenance[],
  shown: readonly Shown[],
  names: Names,
): readonly string[] {
  const all = shown
    .flatMap(({ segments }) => [...segments])
    .filter(({ trust }) => trust === 'untrusted')
    .toSorted((one, other) => one.step - other.step)
  const steps = new Map(all.map((segment, index) => [segment.id, { segment, step: index + 1 }]))
  return provenance
    .filter(({ grounded }) => !grounded)
    .toSorted((one, other) => ORDER.indexOf(one.ground) - ORDER.indexOf(other.ground))
    .slice(0, MOST_SENTENCES)
    .map((one) => `\`${one.path}\`: ${sentence(one, steps, names)}`)
}

const MOST_SENTENCES = 20
const ORDER: readonly Provenance['ground'][] = ['untrusted', 'claimed', 'unseen', 'unchosen']

function sentence(
  { ground, from, manner }: Provenance,
  steps: ReadonlyMap<string, { readonly segment: TracedSegment; readonly step: number }>,
  names: Names,
): string {
  const first = from.map((id) => steps.get(id)).find((one) => one !== undefined)
  const where = first === undefined ? 'nothing that was shown' : placeOf(first, names)
  const how = manner === undefined ? '' : ` (${HOW[manner]})`
  const asked = `what ${names.person} asked for`
  switch (ground) {
    case 'untrusted':
      return `stands in ${where}${how}, not in ${asked}`
    case 'claimed':
      return `stands in a field that others can fill, in ${where}, not in ${asked}`
    case 'unchosen':
      return `is genuine, from ${where}, but nothing in ${asked} chose it`
    case 'unseen':
      return `stands nowhere: the agent made it up, or put it together`
    case 'said':
    case 'chosen':
      return `comes from ${asked}`
    default:
      throw new Error(`expected a known ground, got \`${String(ground satisfies never)}\``)
  }
}

const HOW: Readonly<Record<NonNullable<Provenance['manner']>, string>> = {
  literal: 'as it is',
  case: 'in another case',
  spacing: 'with spaces',
  number: 'written differently',
  split: 'in parts',
  encoded: 'encoded',
}

function placeOf(
  { segment, step }: { readonly segment: TracedSegment; readonly step: number },
  names: Names,
): string {
  const what = segment.label?.replace(/^[a-z/]+:/, '') ?? 'a text'
  return `what \`${what}\` of ${names.server(segment.principal)} showed at step ${step}`
}
