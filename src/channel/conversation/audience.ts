/**
 * Who may have an answer: `audienceOf`. Computed from the record, by whoever records the answer and by
 * whoever verifies it; nothing is asked of the agent.
 *
 * INVARIANT (entitled answers): an answer may hold anything of what its turn was shown and of what tools
 * returned since, so it goes to those who may know of all of that, and to nobody else.
 */

import type { EventOf, Participant } from './conversation.ts'
import { mayKnow, segmentsFor } from './envelopes.ts'
import type { Returned } from './returned.ts'
import { membersAt, type Transcript } from './transcript.ts'

/** When the answer is recorded, and what tools had returned by then. */
export interface Answering {
  /** The event that the answer is; the next one when left out. */
  readonly at?: number
  /** Absent for a model that is served here: it calls no tools. */
  readonly returned?: Returned
  readonly issuer: string
}

/**
 * Everybody who takes part at the answer and might be shown all that the turn was shown, and who was
 * permitted every call that returned since it began, to the agent or below it. For which turn the agent
 * called is not asked of it.
 */
export function audienceOf(
  turn: EventOf<'turn'>,
  transcript: Transcript,
  { at = Infinity, returned, issuer }: Answering,
): readonly Participant[] {
  const showing = { at: turn.seq, through: turn.through, issuer } as const
  const drawnOn = segmentsFor(turn.author as Participant, transcript, showing)
  const { events, conversation } = transcript
  return [...membersAt(transcript, at)].flatMap(([member, { since }]) => {
    const joined = events[since]?.entry ?? Infinity
    // Who came back meanwhile may know of what they were shown before no more than who came late.
    const stayed = since < turn.seq
    // Whoever delegated is asked about every call; of the others nobody knows.
    const isKnown = returned?.isCut !== true || member === conversation.owner
    const may =
      stayed &&
      mayKnow(member, drawnOn, transcript, turn.seq) &&
      isKnown &&
      returned?.isFor(member, joined) !== false
    return may ? [member] : []
  })
}
