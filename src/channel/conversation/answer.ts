/**
 * What the agent answers in a turn: `recordAnswer`.
 *
 * INVARIANT (entitled answers): an answer may hold anything of what its turn was shown, so it goes to those
 * who may know of all of that, and to nobody else. That is computed from the record, not asked of the model.
 */

import type { Actor } from '../../audit/entry.ts'
import { newId } from '../../base/id.ts'
import { ok, refuse, type Result } from '../../base/result.ts'
import type { Tx } from '../../store/store.ts'
import type { Author, Facts, EventOf, MessageId, Participant, TurnId } from './conversation.ts'
import { speakersOf } from './directing.ts'
import { mayKnow, segmentsFor } from './envelopes.ts'
import { type Folded, foldDirectives, settingsFor } from './fold-directives.ts'
import { addTo, type ConversationEnv, sealOne, type Work } from './speaking.ts'
import { maySee, membersAt, type Transcript, turnOf } from './transcript.ts'

/** What was answered. */
export interface AnswerRequest {
  readonly conversation: string
  readonly turn: TurnId
  readonly text: string
  /** Texts that a model took for directives. */
  readonly admitted: readonly MessageId[]
}

/** An answer as it was recorded. */
export interface RecordedAnswer {
  readonly message: MessageId
  readonly audience: readonly Participant[]
  /** What is settled for whoever asked, now that the model admitted what it did. */
  readonly settings: readonly Folded[]
}

/** The latest are kept when a model admits more than an entry holds. */
const MOST_ADMITTED = 500
const MOST_DIRECTING = 100

/** Records the one answer of a turn, if `mayAnswer` has nothing against it. */
export async function recordAnswer(
  { conversation: id, turn: turnId, text, admitted }: AnswerRequest,
  as: { readonly by: Actor; readonly author: Author },
  env: ConversationEnv,
  mayAnswer: (
    tx: Tx,
    turn: EventOf<'turn'>,
    transcript: Transcript,
  ) => Promise<Result<Standing>> = anyway,
): Promise<Result<RecordedAnswer>> {
  const added = await addTo(id, as, env, async (tx, reading) => {
    const turn = turnOf(turnId, reading.transcript)
    if (turn === undefined) return refuse({ reason: 'unknown_turn' })
    const may = await mayAnswer(tx, turn, reading.transcript)
    if (!may.ok) return may
    const { events, conversation } = reading.transcript
    if (events.some((event) => event.kind === 'answered' && event.turn === turnId))
      return refuse({ reason: 'turn_answered' })
    const transcript = await reading.withContents()
    const asker = turn.author as Participant
    const kept = admitted.slice(-MOST_ADMITTED)
    const folded = foldDirectives(withAdmitted(transcript, kept))
    const settings = settingsFor(asker, folded)
    const directing = settings.filter(({ message }) => kept.includes(message)).flatMap(speakersOf)
    const sealing = { value: { parts: [{ kind: 'utterance', text }] }, subject: conversation.owner }
    const value = sealOne(sealing, env)
    const message: MessageId = newId('msg', env)
    const audience = audienceOf(turn, transcript, env)
    const facts: Facts = {
      kind: 'answered',
      turn: turnId,
      message,
      admitted: [...kept],
      directing: [...new Set(directing)].slice(0, MOST_DIRECTING),
      audience: [...audience],
      content: value.sealed,
    }
    return ok({
      ...may.value,
      planned: { facts: [facts], values: [value] },
      value: { message, audience, settings },
    })
  })
  return added.ok ? ok(added.value.value) : added
}

/** What the right to answer rests on, and when that ends. */
export type Standing = Pick<Work<unknown>, 'relied' | 'until'>

/** A model that is served here answers what it was asked. */
async function anyway(): Promise<Result<Standing>> {
  return ok({})
}

/** The transcript as it is once an answer says what its model admitted. */
function withAdmitted(transcript: Transcript, admitted: readonly MessageId[]): Transcript {
  const event = { kind: 'answered', admitted, seq: Number.MAX_SAFE_INTEGER } as EventOf<'answered'>
  return { ...transcript, events: [...transcript.events, event] }
}

/**
 * Everybody who takes part now and might be shown all that the turn was shown, and all that tools have
 * returned to the agent since: which turn it called them for is not asked of it.
 */
function audienceOf(
  turn: EventOf<'turn'>,
  transcript: Transcript,
  { issuer }: { readonly issuer: string },
): readonly Participant[] {
  const showing = { at: turn.seq, through: turn.through, issuer } as const
  const drawnOn = segmentsFor(turn.author as Participant, transcript, showing)
  // A model that is served here calls no tools.
  const returned = turn.through === 'channel' ? [] : resultsSince(turn, transcript)
  return [...membersAt(transcript).keys()].filter(
    (member) =>
      mayKnow(member, drawnOn, transcript, turn.seq) &&
      returned.every((result) => maySee(member, result, transcript)),
  )
}

function resultsSince(turn: EventOf<'turn'>, { events }: Transcript): readonly EventOf<'result'>[] {
  return events.filter(
    (event): event is EventOf<'result'> => event.kind === 'result' && event.seq > turn.seq,
  )
}
