/**
 * How principals are called in what a model is shown: nothing depends on it, and no two are called alike.
 *
 * People by their handles, which are unique and never given out again, except who has `system` or `document`
 * for one; servers by `server:` and their name, which no handle can be; agents by their identifiers. A display
 * name is never shown: anybody may have it.
 */

import { handlesOf } from '../../people/people-store.ts'
import type { PersonId } from '../../people/person.ts'
import type { Tx } from '../../store/store.ts'
import type { Names } from './compile-tensors.ts'
import type { Author } from './conversation.ts'
import type { ModelSegment, Principal } from './envelopes.ts'
import type { Transcript } from './transcript.ts'

/** Every principal that an envelope names, and how often it does. */
export function principalsOf(segments: readonly ModelSegment[]): readonly Principal[] {
  return segments.flatMap(({ envelope }) => [
    envelope.principal,
    envelope.sender.principal,
    ...(envelope.onBehalfOf === undefined ? [] : [envelope.onBehalfOf]),
  ])
}

const NOT_PEOPLE: ReadonlySet<string> = new Set(['system', 'document'] satisfies Author[])

/** The names of `principals`, by one look-up. */
export async function namesOf(
  tx: Tx,
  principals: readonly Principal[],
  { events }: Pick<Transcript, 'events'>,
): Promise<Names> {
  const subjects = new Set(principals.map(({ sub }) => sub))
  const people = [...subjects].filter((sub): sub is PersonId => sub.startsWith('per_'))
  const called = new Map<string, string>(await handlesOf(tx, people))
  // Whoever is called as one who is nobody's person is called by their identifier.
  for (const [person, handle] of called) if (NOT_PEOPLE.has(handle)) called.delete(person)
  for (const event of events) {
    if (event.kind === 'result') called.set(event.author, `server:${event.server}`)
  }
  return ({ sub }) => called.get(sub) ?? sub
}
