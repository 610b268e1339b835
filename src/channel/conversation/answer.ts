/** What the agent answers in a turn: `recordAnswer`. For whom it is, `audience.ts` says. */

import type { Actor } from '../../audit/entry.ts'
import { newId } from '../../base/id.ts'
import { ok, refuse, type Result } from '../../base/result.ts'
import type { Tx } from '../../store/store.ts'
import { audienceOf } from './audience.ts'
import type { Author, Facts, EventOf, MessageId, Participant, TurnId } from './conversation.ts'
import { speakersOf } from './directing.ts'
import { type Folded, foldDirectives, settingsFor } from './fold-directives.ts'
import { Returned } from './returned.ts'
import { addTo, checkRoomToAnswer, type ConversationEnv, sealOne, type Work } from './speaking.ts'
import { type Transcript, turnOf } from './transcript.ts'

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
  // It is worked out again where others keep talking: what was read of the log then is not read again.
  let returned: Returned | undefined
  const added = await addTo(id, as, env, async (tx, reading) => {
    const turn = turnOf(turnId, reading.transcript)
    if (turn === undefined) return refuse({ reason: 'unknown_turn' })
    const may = await mayAnswer(tx, turn, reading.transcript)
    if (!may.ok) return may
    const { events, conversation } = reading.transcript
    if (events.some((event) => event.kind === 'answered' && event.turn === turnId))
      return refuse({ reason: 'turn_answered' })
    const room = checkRoomToAnswer(reading.transcript)
    if (!room.ok) return room
    const transcript = await reading.withContents()
    const asker = turn.author as Participant
    const kept = admitted.slice(-MOST_ADMITTED)
    const folded = foldDirectives(withAdmitted(transcript, kept))
    const settings = settingsFor(asker, folded)
    const directing = settings.filter(({ message }) => kept.includes(message)).flatMap(speakersOf)
    const sealing = { value: { parts: [{ kind: 'utterance', text }] }, subject: conversation.owner }
    const value = sealOne(sealing, env)
    const message: MessageId = newId('msg', env)
    // A model that is served here calls no tools.
    if (turn.through !== 'channel') returned ??= new Returned(turn.entry + 1)
    const quiet = (await returned?.read(tx, conversation.delegation)) ?? []
    const audience = audienceOf(turn, transcript, {
      ...(returned !== undefined && { returned }),
      issuer: env.issuer,
    })
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
      quiet,
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
