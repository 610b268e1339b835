/**
 * What somebody says: `say`.
 *
 * INVARIANT (immutable author): the author is the speaker that transport proved. A quotation is a reference
 * to a message that the speaker may see; its words and their author come from the record. A document is
 * data, whoever brings it.
 */

import type { SealedRow } from '../../audit/vault.ts'
import { newId } from '../../base/id.ts'
import { ok, refuse, type Result } from '../../base/result.ts'
import type { EventOf, MessageId, Part, Participant, Span } from './conversation.ts'
import { leavesOf, messagesById, MOST_LEAVES } from './envelopes.ts'
import { findConversation } from './event-store.ts'
import { type Folded, foldDirectives } from './fold-directives.ts'
import {
  attend,
  type Attending,
  checkRoom,
  type ConversationEnv,
  sealOne,
  type Speaker,
} from './speaking.ts'
import { loadTranscript, maySee, membersAt, type Transcript } from './transcript.ts'

/** What is said, and who may know of it. */
export interface SayRequest {
  readonly conversation: string
  readonly parts: readonly Part[]
  /** Only these, and the author; everybody who takes part when absent. */
  readonly audience?: readonly Participant[]
}

/** A message that was recorded, and what became of the directives in it. */
export interface Said {
  readonly message: MessageId
  readonly seq: number
  /** The index of its entry in the log. */
  readonly entry: number
  readonly directives: readonly Folded[]
}

/** The most that a message holds, in characters of its canonical form. */
const MOST_CHARACTERS = 100_000

/** Records a message of the speaker. */
export async function say(
  request: SayRequest,
  speaker: Speaker,
  env: ConversationEnv,
): Promise<Result<Said>> {
  const added = await attend(request.conversation, speaker, env, async (_tx, attending) => {
    const room = checkRoom(attending)
    if (!room.ok) return room
    const checked = checkMessage(request, attending)
    if (!checked.ok) return checked
    const { facts, value } = saidFacts(request, { speaker, attending }, env)
    return ok({ planned: { facts: [facts], values: [value] }, value: facts.message })
  })
  if (!added.ok) return added
  const { value: message, events } = added.value
  const [event] = events
  if (event === undefined) throw new Error('expected one event, got none')
  const directs = request.parts.some(({ kind }) => kind === 'directive')
  const directives = directs ? await becomeOf(message, request.conversation, env) : []
  return ok({ message, seq: event.seq, entry: event.entry, directives })
}

/** What became of the directives in a message. */
async function becomeOf(
  message: MessageId,
  id: string,
  env: ConversationEnv,
): Promise<readonly Folded[]> {
  return await env.store.snapshot(async (tx) => {
    const found = await findConversation(tx, id)
    if (found === undefined) throw new Error(`expected the conversation \`${id}\` to exist`)
    const folded = foldDirectives(await loadTranscript(tx, found, env.vault))
    return folded.filter((one) => one.message === message)
  })
}

/** A message before it has a place. */
export type SaidFacts = Omit<EventOf<'said'>, 'seq' | 'entry' | 'author' | 'time'>

/** Seals what is said: the facts to record, and the value to keep with them. */
export function saidFacts(
  { parts, audience }: Pick<SayRequest, 'parts' | 'audience'>,
  { speaker, attending }: { readonly speaker: Speaker; readonly attending: Attending },
  env: Pick<ConversationEnv, 'vault' | 'clock' | 'random'>,
): { readonly facts: SaidFacts; readonly value: SealedRow } {
  const person = speaker.type === 'person' ? speaker.session.person : speaker.person
  const value = sealOne({ value: { parts: [...parts] }, subject: person }, env)
  // What somebody settles for themselves is nobody else's business.
  const isPrivate = parts.some((part) => part.kind === 'directive' && part.scope === 'mine')
  const whom = isPrivate ? [person] : audience
  const facts: SaidFacts = {
    kind: 'said',
    message: newId('msg', env),
    ...(speaker.type === 'agent' && { onBehalfOf: speaker.person }),
    spans: parts.map(spanOf),
    ...(whom !== undefined && { audience: [...new Set([...whom, attending.speaker])] }),
    content: value.sealed,
  }
  return { facts, value }
}

function spanOf(part: Part): Span {
  switch (part.kind) {
    case 'directive':
      return { kind: part.kind, scope: part.scope }
    case 'quoted':
      return { kind: part.kind, from: part.message }
    case 'utterance':
    case 'data':
      return { kind: part.kind }
    default:
      throw new Error(`expected a known part, got \`${JSON.stringify(part satisfies never)}\``)
  }
}

/** Why a message cannot be recorded as it is. */
export function checkMessage(
  { parts, audience }: Pick<SayRequest, 'parts' | 'audience'>,
  { transcript, speaker }: Attending,
): Result<undefined> {
  if (JSON.stringify(parts).length > MOST_CHARACTERS) return refuse({ reason: 'message_too_large' })
  const members = membersAt(transcript)
  if (audience?.some((each) => !members.has(each)) === true)
    return refuse({ reason: 'unknown_member' })
  const scopes = new Set(parts.map((part) => (part.kind === 'directive' ? part.scope : 'none')))
  if (scopes.has('mine') && (scopes.size > 1 || audience !== undefined)) {
    const message = 'expected what you settle for yourself alone in a message of its own'
    return refuse({ reason: 'private_alone', message })
  }
  if (scopes.has('all') && audience !== undefined) {
    const message = 'expected what is settled for everybody in a message for everybody'
    return refuse({ reason: 'directive_for_all', message })
  }
  return checkQuotations(parts, { audience, speaker, transcript })
}

function checkQuotations(
  parts: readonly Part[],
  said: {
    readonly audience: readonly Participant[] | undefined
    readonly speaker: Participant
    readonly transcript: Transcript
  },
): Result<undefined> {
  const { audience, speaker, transcript } = said
  const byId = messagesById(transcript)
  let leaves = 0
  for (const part of parts) {
    if (part.kind !== 'quoted') continue
    const quoted = byId.get(part.message)
    if (quoted === undefined || !maySee(speaker, quoted, transcript))
      return refuse({ reason: 'unknown_message' })
    const found = leavesOf(part.message, byId)
    const whom = audience ?? [...membersAt(transcript).keys()]
    // What was said to some is repeated to none but those, also when it is quoted from a quotation.
    const discloses = [quoted, ...found.map(({ of }) => of)].some(
      ({ audience: among }) => among !== undefined && !whom.every((each) => among.includes(each)),
    )
    if (discloses) {
      const message = 'expected a quotation of what was said to some to go to those alone'
      return refuse({ reason: 'quotation_discloses', message })
    }
    leaves += found.length
  }
  return leaves > MOST_LEAVES ? refuse({ reason: 'too_many_spans' }) : ok()
}
