/**
 * What everybody who does something in a conversation goes through: who it is by transport, whether they
 * take part, and the conversation as it stands, read under the lock of the log's head so that nothing
 * comes between what is read and what is written.
 */

import { lockHead } from '../../audit/append.ts'
import type { Actor } from '../../audit/entry.ts'
import type { Vault } from '../../audit/vault.ts'
import type { Clock } from '../../base/clock.ts'
import type { Random } from '../../base/random.ts'
import { ok, refuse, type Result } from '../../base/result.ts'
import type { DelegationId } from '../../delegation/delegation.ts'
import { findAgent } from '../../identity/agent-store.ts'
import type { AgentId } from '../../identity/agent.ts'
import type { MasterKey } from '../../keys/seal.ts'
import { findPerson } from '../../people/people-store.ts'
import type { PersonId } from '../../people/person.ts'
import { personActor, type Session } from '../../people/session.ts'
import type { Store, Tx } from '../../store/store.ts'
import { MOST_BYTES, MOST_EVENTS, type Participant } from './conversation.ts'
import { findConversation } from './event-store.ts'
import {
  type Contents,
  loadEvents,
  loadTranscript,
  type Membership,
  membershipAt,
  messagesBefore,
  type Transcript,
} from './transcript.ts'

/** Who speaks: a person in a session of their own, or an agent by the token that names its person. */
export type Speaker =
  | { readonly type: 'person'; readonly session: Session }
  | {
      readonly type: 'agent'
      readonly agent: AgentId
      readonly delegation: DelegationId
      readonly person: PersonId
    }

/** What conversations need. */
export interface ConversationEnv {
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly vault: Vault
  readonly masterKey: MasterKey
  /** The public origin: the issuer of every principal here. */
  readonly issuer: string
}

/** A conversation as one who takes part finds it; what was said is read by who needs it (`withContents`). */
export interface Attending {
  readonly transcript: Transcript
  readonly speaker: Participant
  readonly membership: Membership
  readonly by: Actor
  /** The place of the next event. */
  readonly next: number
}

/** Runs `work` in one transaction, if the speaker takes part and the conversation has room. */
export async function attend<T>(
  id: string,
  speaker: Speaker,
  env: ConversationEnv,
  work: (tx: Tx, attending: Attending) => Promise<Result<T>>,
): Promise<Result<T>> {
  return await env.store.transaction(async (tx): Promise<Result<T>> => {
    await lockHead(tx)
    const attending = await attendingIn(tx, id, speaker)
    if (!attending.ok) return attending
    if (isFull(attending.value)) return refuse({ reason: 'conversation_full' })
    return await work(tx, attending.value)
  })
}

function isFull({ next, transcript }: Attending): boolean {
  const bytes = messagesBefore(transcript).reduce((sum, { content }) => sum + content.bytes, 0)
  return next >= MOST_EVENTS || bytes >= MOST_BYTES
}

/**
 * What was said until now, read before a transaction that needs it: everybody who writes to the log waits
 * while one holds its head.
 */
export async function readBefore(
  id: string,
  env: Pick<ConversationEnv, 'store' | 'vault'>,
): Promise<Result<Contents>> {
  return await env.store.snapshot(async (tx): Promise<Result<Contents>> => {
    const conversation = await findConversation(tx, id)
    if (conversation === undefined) return refuse({ reason: 'unknown_conversation' })
    return ok((await loadTranscript(tx, conversation, env.vault)).contents)
  })
}

/** The conversation as the speaker finds it in `tx`. Who does not take part learns nothing of it. */
async function attendingIn(tx: Tx, id: string, speaker: Speaker): Promise<Result<Attending>> {
  const conversation = await findConversation(tx, id)
  if (conversation === undefined) return refuse({ reason: 'unknown_conversation' })
  const transcript = await loadEvents(tx, conversation)
  const participant = participantOf(speaker)
  const membership = membershipAt(participant, transcript)
  if (membership === undefined) return refuse({ reason: 'unknown_conversation' })
  if (!(await isActive(tx, participant))) return refuse({ reason: 'person_inactive' })
  return ok({
    transcript,
    membership,
    speaker: participant,
    by: actorOf(speaker),
    next: (transcript.events.at(-1)?.seq ?? -1) + 1,
  })
}

/** The participant that transport proved. */
export function participantOf(speaker: Speaker): Participant {
  return speaker.type === 'person' ? speaker.session.person : speaker.agent
}

/** The speaker as the actor of an entry. */
export function actorOf(speaker: Speaker): Actor {
  if (speaker.type === 'person') return personActor(speaker.session)
  const { agent, delegation, person } = speaker
  return { type: 'agent', agent, delegation, person }
}

/** Whether a participant exists and is active. */
export async function isActive(tx: Tx, participant: Participant): Promise<boolean> {
  if (participant.startsWith('per_')) return (await findPerson(tx, participant))?.active === true
  return (await findAgent(tx, participant as AgentId))?.state === 'active'
}
