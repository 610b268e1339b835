/**
 * What everybody who does something in a conversation goes through: who it is by transport, whether they
 * take part, and the conversation as it stands. Nothing comes between what is read and what is written, and
 * nobody else waits while it is worked out: see `addTo`.
 */

import { lockHead } from '../../audit/append.ts'
import type { Actor, Subject } from '../../audit/entry.ts'
import type { SealedRow, Sealing, Vault } from '../../audit/vault.ts'
import type { Clock } from '../../base/clock.ts'
import type { Random } from '../../base/random.ts'
import { ok, refuse, type Result } from '../../base/result.ts'
import { databaseMilliseconds } from '../../delegation/delegation-store.ts'
import type { DelegationId } from '../../delegation/delegation.ts'
import { branchOf, loadTree, standing } from '../../delegation/standing.ts'
import { findAgent } from '../../identity/agent-store.ts'
import type { AgentId } from '../../identity/agent.ts'
import type { MasterKey } from '../../keys/seal.ts'
import { findPerson } from '../../people/people-store.ts'
import type { PersonId } from '../../people/person.ts'
import { personActor, type Session } from '../../people/session.ts'
import { logSize } from '../../store/changes.ts'
import type { Store, Tx } from '../../store/store.ts'
import {
  type Content,
  type ConversationEvent,
  type MessageId,
  MOST_BYTES,
  MOST_EVENTS,
  type Participant,
  type Role,
} from './conversation.ts'
import {
  findConversation,
  type Planned,
  record,
  type Recording,
  recordIfUnchanged,
} from './event-store.ts'
import { InTurn } from './in-turn.ts'
import {
  isMessage,
  loadEvents,
  type Membership,
  membershipAt,
  type Transcript,
  withContents,
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

/** A conversation as somebody finds it who adds to it. */
export interface Reading {
  readonly transcript: Transcript
  /** The place of the next event. */
  readonly next: number
  /** The same with what was said. */
  readonly withContents: () => Promise<Transcript>
}

/** A conversation as one who takes part finds it. */
export interface Attending extends Reading, Pick<Work<unknown>, 'relied' | 'until'> {
  readonly speaker: Participant
  readonly membership: Membership
}

/** Events to add, and what is told to whoever adds them. */
export interface Work<T> {
  readonly planned: Omit<Planned, 'next'>
  /** Subjects that it rests on beside the conversation. */
  readonly relied?: readonly Subject[]
  /** Delegations whose agents must have been returned nothing meanwhile. @see Resting */
  readonly quiet?: readonly string[]
  /** When what it rests on ends, in milliseconds of the database's clock. */
  readonly until?: number
  readonly value: T
}

/** What was told, and the events as they were recorded. */
export interface Added<T> {
  readonly value: T
  readonly events: readonly ConversationEvent[]
}

/** Adds to a conversation what `work` makes of it, if the speaker takes part. */
export async function attend<T>(
  id: string,
  speaker: Speaker,
  env: ConversationEnv,
  work: (tx: Tx, attending: Attending) => Promise<Result<Work<T>>>,
): Promise<Result<Added<T>>> {
  const as = { by: actorOf(speaker), author: participantOf(speaker) }
  // Policy does not stand before agents: who does not take part must not make those wait who do.
  if (speaker.type === 'agent') {
    const may = await env.store.snapshot(async (tx) => {
      const read = await readIn(tx, id, new Map(), env)
      return read.ok ? await attendingIn(tx, read.value, speaker) : read
    })
    if (!may.ok) return may
  }
  return await addTo(id, as, env, async (tx, reading) => {
    const attending = await attendingIn(tx, reading, speaker)
    if (!attending.ok) return attending
    const made = await work(tx, attending.value)
    if (!made.ok) return made
    const { relied = [], until } = attending.value
    return ok({
      ...made.value,
      ...(until !== undefined && { until: Math.min(until, made.value.until ?? until) }),
      relied: [...(made.value.relied ?? []), ...relied, participantOf(speaker)],
    })
  })
}

/** Beyond so many tries it is worked out under the lock, so that nobody waits for ever in a busy conversation. */
const MOST_TRIES = 3

/**
 * Adds to a conversation what `work` makes of it.
 *
 * It is worked out on a snapshot, while others write; then it is written in one flight, if nothing that it
 * rests on has changed (`recordIfUnchanged`). `work` only reads, and may be run again.
 */
export async function addTo<T>(
  id: string,
  as: Omit<Recording, 'conversation'>,
  env: Pick<ConversationEnv, 'store' | 'vault' | 'clock'>,
  work: (tx: Tx, reading: Reading) => Promise<Result<Work<T>>>,
): Promise<Result<Added<T>>> {
  return await inTurn(env.store).run(id, () => addNow(id, as, env, work))
}

/** Those at once in one process would only undo each other's work. */
const IN_TURN = new WeakMap<Store, InTurn>()

function inTurn(store: Store): InTurn {
  const found = IN_TURN.get(store) ?? new InTurn()
  IN_TURN.set(store, found)
  return found
}

async function addNow<T>(
  id: string,
  as: Omit<Recording, 'conversation'>,
  env: Pick<ConversationEnv, 'store' | 'vault' | 'clock'>,
  work: (tx: Tx, reading: Reading) => Promise<Result<Work<T>>>,
): Promise<Result<Added<T>>> {
  const { store } = env
  const known = new Map<MessageId, Content>()
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const found = await store.snapshot(async (tx) => {
      const readAt = await logSize(tx)
      const read = await readIn(tx, id, known, env)
      if (!read.ok) return read
      const made = await work(tx, read.value)
      return made.ok ? ok({ readAt, reading: read.value, made: made.value }) : made
    })
    if (!found.ok) return found
    const { readAt, reading, made } = found.value
    const { relied = [], quiet = [], until, planned, value } = made
    const resting = { readAt, relied, quiet, ...(until !== undefined && { until }) }
    const recording = { ...as, conversation: reading.transcript.conversation }
    const plan = { ...planned, next: reading.next, resting }
    const events = await recordIfUnchanged(store, recording, plan, env)
    if (events !== undefined) return ok({ value, events })
  }
  return await store.transaction(async (tx): Promise<Result<Added<T>>> => {
    await lockHead(tx)
    const read = await readIn(tx, id, known, env)
    if (!read.ok) return read
    const made = await work(tx, read.value)
    if (!made.ok) return made
    const { transcript, next } = read.value
    const recording = { ...as, conversation: transcript.conversation }
    const events = await record(tx, recording, { ...made.value.planned, next }, env)
    return ok({ value: made.value.value, events })
  })
}

async function readIn(
  tx: Tx,
  id: string,
  known: Map<MessageId, Content>,
  { vault }: Pick<ConversationEnv, 'vault'>,
): Promise<Result<Reading>> {
  const conversation = await findConversation(tx, id)
  if (conversation === undefined) return refuse({ reason: 'unknown_conversation' })
  const transcript = await loadEvents(tx, conversation)
  return ok({
    transcript,
    next: (transcript.events.at(-1)?.seq ?? -1) + 1,
    async withContents() {
      const whole = await withContents(tx, transcript, vault, known)
      for (const [message, content] of whole.contents) known.set(message, content)
      return whole
    },
  })
}

/** How much of a conversation may be what one who takes part says, by role. */
const SHARES: Readonly<Record<Role, number>> = { guest: 0.1, member: 0.5, lead: 0.8, owner: 1 }
/** The last of it is the owner's, who can let go who fills it. */
const OTHERS = 0.9

/** Whether there is room for one more message of the speaker. */
export function checkRoom({ transcript, speaker, membership }: Attending): Result<undefined> {
  const { role } = membership
  const sizes = sizesOf(transcript)
  const own = sizes.filter((_, at) => transcript.events[at]?.author === speaker)
  const isRoom =
    isWithin(sizes, role === 'owner' ? 1 : OTHERS) &&
    (isWithin(own, SHARES[role]) || role === 'owner')
  return isRoom ? ok() : refuse({ reason: 'conversation_full' })
}

/** Whether there is room for one more answer: as long as the owner has room. */
export function checkRoomToAnswer(transcript: Transcript): Result<undefined> {
  return isWithin(sizesOf(transcript), 1) ? ok() : refuse({ reason: 'conversation_full' })
}

function isWithin(sizes: readonly Size[], share: number): boolean {
  const { parts, bytes } = sumOf(sizes)
  return parts < MOST_EVENTS * share && bytes < MOST_BYTES * share
}

/** What an event takes of a conversation. */
interface Size {
  readonly parts: number
  readonly bytes: number
}

/** Of each event. A quotation takes what it repeats: it is a reference, and shown in full all the same. */
function sizesOf({ events }: Pick<Transcript, 'events'>): readonly Size[] {
  const known = new Map<MessageId | undefined, Size>()
  return events.map((event) => {
    if (!isMessage(event)) return ONE
    const parts =
      event.kind === 'said' ? event.spans.map(({ from }) => known.get(from) ?? ONE) : [ONE]
    const size = sumOf([{ parts: 0, bytes: event.content.bytes }, ...parts])
    known.set(event.message, size)
    return size
  })
}

const ONE: Size = { parts: 1, bytes: 0 }

function sumOf(sizes: readonly Size[]): Size {
  return sizes.reduce(
    (sum, { parts, bytes }) => ({
      parts: sum.parts + parts,
      bytes: sum.bytes + bytes,
    }),
    { parts: 0, bytes: 0 },
  )
}

/** The conversation as the speaker finds it. Who does not take part learns nothing of it. */
async function attendingIn(tx: Tx, reading: Reading, speaker: Speaker): Promise<Result<Attending>> {
  const participant = participantOf(speaker)
  const membership = membershipAt(participant, reading.transcript)
  if (membership === undefined) return refuse({ reason: 'unknown_conversation' })
  if (!(await isActive(tx, participant))) return refuse({ reason: 'person_inactive' })
  const stands = speaker.type === 'agent' ? await inForce(tx, speaker.delegation) : ok({})
  if (!stands.ok) return stands
  return ok({ ...reading, ...stands.value, membership, speaker: participant })
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

/** Whether the delegation of a conversation is in force, what that rests on, and until when. */
export async function inForce(
  tx: Tx,
  delegation: DelegationId,
): Promise<Result<Pick<Work<unknown>, 'relied' | 'until'>>> {
  const tree = await loadTree(tx, delegation)
  if (tree === undefined) throw new Error('expected the delegation of a conversation to exist')
  const stands = standing(tree, Math.floor((await databaseMilliseconds(tx)) / 1_000))
  if (!stands.ok) return stands
  const branch = branchOf(tree)
  return ok({
    relied: [...branch.map(({ id }) => id), tree.delegation.person],
    until: Math.min(...branch.map(({ expiresAt }) => expiresAt)) * 1_000,
  })
}

/** Seals one value that an event will refer to, and keeps nothing yet. */
export function sealOne(sealing: Sealing, { vault }: Pick<ConversationEnv, 'vault'>): SealedRow {
  const [row] = vault.prepare([sealing])
  if (row === undefined) throw new Error('expected one value, got none')
  return row
}

/** Whether a participant exists and is active. */
export async function isActive(tx: Tx, participant: Participant): Promise<boolean> {
  if (participant.startsWith('per_')) return (await findPerson(tx, participant))?.active === true
  return (await findAgent(tx, participant as AgentId))?.state === 'active'
}
