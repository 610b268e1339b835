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
  type TurnId,
} from './conversation.ts'
import { eventsOf } from './event-store.ts'

/** A conversation and all that happened in it. */
export interface Transcript {
  readonly conversation: Conversation
  readonly events: readonly ConversationEvent[]
  /** What was said, by message; what was erased is absent. */
  readonly contents: ReadonlyMap<MessageId, Content>
}

/** What was said, by message. */
export type Contents = Transcript['contents']

/** Reads a conversation as `tx` sees it, with what was said. */
export async function loadTranscript(
  tx: Tx,
  conversation: Conversation,
  vault: Vault,
): Promise<Transcript> {
  return await withContents(tx, await loadEvents(tx, conversation), vault)
}

/** Reads a conversation without what was said: who, when and for whom. */
export async function loadEvents(tx: Tx, conversation: Conversation): Promise<Transcript> {
  return { conversation, events: await eventsOf(tx, conversation.id), contents: new Map() }
}

/** The same with what was said; what is in `known` was read before. */
export async function withContents(
  tx: Tx,
  { conversation, events }: Transcript,
  vault: Vault,
  known: Contents = new Map(),
): Promise<Transcript> {
  const held = messagesBefore({ events }).filter(({ message }) => !known.has(message))
  const opened = await vault.openMany(
    tx,
    held.map(({ content }) => content),
  )
  const contents = new Map(known)
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
  transcript: Pick<Transcript, 'conversation' | 'events'>,
  at = Infinity,
): ReadonlyMap<Participant, Membership> {
  const members = new Map<Participant, Membership>()
  for (const participant of indexOf(transcript).changes.keys()) {
    const membership = membershipAt(participant, transcript, at)
    if (membership !== undefined) members.set(participant, membership)
  }
  return members
}

/** What somebody is just before the event `at`; undefined for who does not take part. */
export function membershipAt(
  participant: Author,
  transcript: Pick<Transcript, 'conversation' | 'events'>,
  at = Infinity,
): Membership | undefined {
  const changes = indexOf(transcript).changes.get(participant as Participant)
  return changes?.findLast(({ seq }) => seq < at)?.membership
}

/** What is looked up of a list of events, made once for each that was read. */
interface Index {
  /** What became of each who ever took part, in order. */
  readonly changes: ReadonlyMap<Participant, readonly Change[]>
  readonly messages: ReadonlyMap<MessageId, Message>
  readonly turns: ReadonlyMap<TurnId, EventOf<'turn'>>
}

interface Change {
  readonly seq: number
  readonly membership?: Membership
}

const INDEXES = new WeakMap<readonly ConversationEvent[], Index>()

function indexOf({ conversation, events }: Pick<Transcript, 'conversation' | 'events'>): Index {
  const known = INDEXES.get(events)
  if (known !== undefined) return known
  const owner: Change = { seq: -1, membership: { role: 'owner', since: 0 } }
  const changes = new Map<Participant, Change[]>([[conversation.owner, [owner]]])
  const messages = new Map<MessageId, Message>()
  const turns = new Map<TurnId, EventOf<'turn'>>()
  for (const event of events) {
    if (event.kind === 'member_added') {
      const before = changes.get(event.member) ?? []
      const since = before.at(-1)?.membership?.since ?? event.seq
      changes.set(event.member, [
        ...before,
        { seq: event.seq, membership: { role: event.role, since } },
      ])
    } else if (event.kind === 'member_removed') {
      changes.set(event.member, [...(changes.get(event.member) ?? []), { seq: event.seq }])
    } else if (event.kind === 'turn') turns.set(event.turn, event)
    else if (isMessage(event)) messages.set(event.message, event)
  }
  const made = { changes, messages, turns }
  INDEXES.set(events, made)
  return made
}

/** A message by its identifier, whenever it was said. */
export function messageOf(
  id: MessageId,
  transcript: Pick<Transcript, 'conversation' | 'events'>,
): Message | undefined {
  return indexOf(transcript).messages.get(id)
}

/** A turn by its identifier. */
export function turnOf(
  id: TurnId,
  transcript: Pick<Transcript, 'conversation' | 'events'>,
): EventOf<'turn'> | undefined {
  return indexOf(transcript).turns.get(id)
}

/** A message: what somebody said, the agent answered, or a tool returned to it. */
export type Message = EventOf<'said'> | EventOf<'answered'> | EventOf<'result'>

/** Whether an event is a message. */
export function isMessage(event: ConversationEvent): event is Message {
  return event.kind === 'said' || event.kind === 'answered' || event.kind === 'result'
}

/** The messages before the event `at`, in order. */
export function messagesBefore(
  { events }: Pick<Transcript, 'events'>,
  at = Infinity,
): readonly Message[] {
  return events.filter((event): event is Message => event.seq < at && isMessage(event))
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
  const membership = membershipAt(viewer, transcript, at)
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
  const speakers: readonly Author[] =
    message.kind === 'said' && message.onBehalfOf !== undefined
      ? [message.author, message.onBehalfOf]
      : [message.author]
  return Math.min(
    ...speakers.flatMap((speaker) => [
      rankOf(membershipAt(speaker, transcript, message.seq), message),
      rankOf(membershipAt(speaker, transcript, at), message),
    ]),
  )
}

/** Who was let go and came back begins anew: what they said before stays without authority. */
function rankOf(membership: Membership | undefined, { seq }: Message): number {
  if (membership === undefined || membership.since > seq) return AUTHORITY.data
  return AUTHORITY[membership.role]
}
