/**
 * A conversation as its events tell it: who took part when, what was said, who may know of it.
 *
 * Call `loadTranscript`; everything else here is pure and looks at a conversation as it stood before an
 * event (`at`), so that a turn can be recomputed later.
 */

import type { Vault } from '../../audit/vault.ts'
import type { Tx } from '../../store/store.ts'
import {
  AUTHORITY,
  type Author,
  type Content,
  contentSchema,
  type Conversation,
  type ConversationEvent,
  type EventOf,
  type MessageId,
  type Participant,
  type Role,
} from './conversation.ts'
import { eventsOf } from './event-store.ts'

/** A conversation and all that happened in it. */
export interface Transcript {
  readonly conversation: Conversation
  readonly events: readonly ConversationEvent[]
  /** What was said, by message; what was erased is absent. */
  readonly contents: ReadonlyMap<MessageId, Content>
}

/** Reads a conversation as `tx` sees it. */
export async function loadTranscript(
  tx: Tx,
  conversation: Conversation,
  vault: Vault,
): Promise<Transcript> {
  const events = await eventsOf(tx, conversation.id)
  const held = events.filter((event) => event.kind === 'said' || event.kind === 'answered')
  const opened = await vault.openMany(
    tx,
    held.map(({ content }) => content),
  )
  const contents = new Map<MessageId, Content>()
  for (const { message, content } of held) {
    const value = opened.get(content.sealed)
    if (value !== undefined) contents.set(message, contentSchema.parse(value))
  }
  return { conversation, events, contents }
}

/** What somebody is in a conversation, and since which event. */
export interface Membership {
  readonly role: Role
  readonly since: number
}

/** Who takes part just before the event `at`; now when left out. */
export function membersAt(
  { conversation, events }: Pick<Transcript, 'conversation' | 'events'>,
  at = Infinity,
): ReadonlyMap<Participant, Membership> {
  const members = new Map<Participant, Membership>([
    [conversation.owner, { role: 'owner', since: 0 }],
  ])
  for (const event of events) {
    if (event.seq >= at) break
    if (event.kind === 'member_added') {
      const since = members.get(event.member)?.since ?? event.seq
      members.set(event.member, { role: event.role, since })
    }
    if (event.kind === 'member_removed') members.delete(event.member)
  }
  return members
}

/** Whether words of one who takes part, or took part, are a message. */
export type Message = EventOf<'said'> | EventOf<'answered'>

/** The messages before the event `at`, in order. */
export function messagesBefore(
  { events }: Pick<Transcript, 'events'>,
  at = Infinity,
): readonly Message[] {
  return events.filter(
    (event): event is Message =>
      event.seq < at && (event.kind === 'said' || event.kind === 'answered'),
  )
}

/**
 * Whether somebody may know of a message at the event `at`: they take part, did so when it was said, and
 * are of its audience, if it has one.
 */
export function maySee(
  viewer: Participant,
  message: Message,
  transcript: Pick<Transcript, 'conversation' | 'events'>,
  at = Infinity,
): boolean {
  const membership = membersAt(transcript, at).get(viewer)
  if (membership === undefined || message.seq < membership.since) return false
  return (
    message.audience === undefined || message.author === viewer || message.audience.includes(viewer)
  )
}

/**
 * The authority with which words count at the event `at`: that of their author when they were said, and no
 * more than now; of an agent, no more than that of the person it spoke for.
 *
 * INVARIANT (authority from the record): roles alone make it, never a text.
 */
export function authorityOf(
  message: Message,
  transcript: Pick<Transcript, 'conversation' | 'events'>,
  at = Infinity,
): number {
  const then = membersAt(transcript, message.seq)
  const now = membersAt(transcript, at)
  const speakers: readonly Author[] =
    message.kind === 'said' && message.onBehalfOf !== undefined
      ? [message.author, message.onBehalfOf]
      : [message.author]
  return Math.min(...speakers.flatMap((speaker) => [rankOf(speaker, then), rankOf(speaker, now)]))
}

function rankOf(speaker: Author, members: ReadonlyMap<Participant, Membership>): number {
  const membership = members.get(speaker as Participant)
  return membership === undefined ? AUTHORITY.data : AUTHORITY[membership.role]
}
