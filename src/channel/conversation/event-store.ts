/**
 * Conversations and their events as rows. `record` and `recordIfUnchanged` are how people and agents add
 * events, `result.ts` how the gateway does: row and entry in one transaction, under the lock of the log's
 * head, so that the order of events is that of the log.
 */

import { sql } from 'kysely'
import { appendStatement, firstOf, LOCK_HEAD, prepareEntry } from '../../audit/append.ts'
import type { Actor, Entry, Subject } from '../../audit/entry.ts'
import { keepStatement, type SealedRow } from '../../audit/vault.ts'
import type { Clock } from '../../base/clock.ts'
import type { DelegationId } from '../../delegation/delegation.ts'
import type { PersonId } from '../../people/person.ts'
import {
  type Answer,
  isUnmet,
  orFail,
  send,
  sendWithCommit,
  type Statement,
} from '../../store/statement.ts'
import type { Store, Tx } from '../../store/store.ts'
import {
  type Author,
  type Conversation,
  type ConversationEvent,
  type ConversationId,
  type Facts,
  factsSchema,
} from './conversation.ts'

type Tables = {
  conversation: {
    id: ConversationId
    delegation: DelegationId
    owner: PersonId
    created_at: number
  }
}

const COLUMNS = ['id', 'delegation', 'owner', 'created_at'] as const

/** Adds a conversation; false if its delegation has one. */
export async function insertConversation(tx: Tx, made: Conversation): Promise<boolean> {
  const { id, delegation, owner, createdAt } = made
  const { numInsertedOrUpdatedRows } = await tx
    .withTables<Tables>()
    .insertInto('conversation')
    .values({ id, delegation, owner, created_at: createdAt })
    .onConflict((on) => on.column('delegation').doNothing())
    .executeTakeFirst()
  return numInsertedOrUpdatedRows === 1n
}

/** The conversation of that identifier. */
export async function findConversation(tx: Tx, id: string): Promise<Conversation | undefined> {
  const row = await select(tx)
    .where('id', '=', id as ConversationId)
    .executeTakeFirst()
  return row && conversationFrom(row)
}

/** The conversation of a delegation. */
export async function conversationUnder(
  tx: Tx,
  delegation: DelegationId,
): Promise<Conversation | undefined> {
  const row = await select(tx).where('delegation', '=', delegation).executeTakeFirst()
  return row && conversationFrom(row)
}

/** Conversations in which somebody owns or was ever added, newest first, at most 500. */
export async function conversationsOf(tx: Tx, person: PersonId): Promise<Conversation[]> {
  const rows = await select(tx)
    .where((on) =>
      on.or([
        on('owner', '=', person),
        sql<boolean>`id in (
          select conversation from conversation_event
          where kind = 'member_added' and facts ->> 'member' = ${person})`,
      ]),
    )
    .orderBy('id', 'desc')
    .limit(500)
    .execute()
  return rows.map(conversationFrom)
}

// oxlint-disable-next-line typescript/explicit-module-boundary-types -- kysely's own type of this query
function select(tx: Tx) {
  return tx.withTables<Tables>().selectFrom('conversation').select(COLUMNS)
}

function conversationFrom(row: Tables['conversation']): Conversation {
  return {
    id: row.id,
    delegation: row.delegation,
    owner: row.owner,
    createdAt: row.created_at,
  }
}

/** All events of a conversation, in order. */
export async function eventsOf(tx: Tx, id: ConversationId): Promise<ConversationEvent[]> {
  const { rows } = await sql<{
    seq: number
    author: Author
    facts: unknown
    entry: number
    created_at: number
  }>`
    select seq, author, facts, entry, created_at from conversation_event
    where conversation = ${id} order by seq`.execute(tx)
  return rows.map(({ seq, author, facts, entry, created_at: time }) => ({
    ...factsSchema.parse(facts),
    seq,
    author,
    entry,
    time,
  }))
}

/**
 * The places of events that are looked up by another kind than their facts have: whoever directs by one
 * would not be found (`directingOf`).
 */
export async function kindsAltered(tx: Tx, id: ConversationId): Promise<readonly number[]> {
  const { rows } = await sql<{ seq: number }>`
    select seq from conversation_event
    where conversation = ${id} and kind is distinct from facts ->> 'kind' order by seq`.execute(tx)
  return rows.map(({ seq }) => seq)
}

/** Who adds events, and to what. */
export interface Recording {
  readonly conversation: Conversation
  readonly by: Actor
  readonly author: Author
}

/** Events that were worked out and have no place in the log yet. */
export interface Planned {
  /** The place of the first. */
  readonly next: number
  readonly facts: readonly Facts[]
  /** Values that they refer to. */
  readonly values?: readonly SealedRow[]
  /** Rows that are written with them. */
  readonly rows?: readonly Statement[]
}

/** What was planned rests on: the log as it was read, and how long that may stand. */
export interface Resting {
  /** The size of the log when it was read, and the subjects that it is about. */
  readonly readAt: number
  readonly relied: readonly Subject[]
  /** Delegations whose agents no tool has returned anything to since, and that none was made below. */
  readonly quiet?: readonly string[]
  /** When it ends, in milliseconds of the database's clock. */
  readonly until?: number
}

/**
 * Adds events, in order, after those that there are. Takes the lock of the log's head, so it comes last in a
 * transaction; the caller has read `next` under the same lock.
 */
export async function record(
  tx: Tx,
  recording: Recording,
  planned: Planned,
  env: { readonly clock: Clock },
): Promise<readonly ConversationEvent[]> {
  const { statements, eventsAt } = writing(recording, planned, env)
  const answers = await send(tx, [LOCK_HEAD, ...statements])
  return eventsAt(firstOf(answers.at(-2)))
}

/**
 * Adds events if nothing has been added to the conversation since they were planned, and nothing that they
 * rest on has changed; undefined, and nothing is written, if something has.
 *
 * INVARIANT (one instant): the head is locked first, the condition is a statement of its own after it, and
 * what it stops is never run (docs/decisions/0013).
 */
export async function recordIfUnchanged(
  store: Store,
  recording: Recording,
  { resting, ...planned }: Planned & { readonly resting: Resting },
  env: { readonly clock: Clock },
): Promise<readonly ConversationEvent[] | undefined> {
  const { statements, eventsAt } = writing(recording, planned, env)
  const condition = unchanged(recording.conversation.id, planned.next, resting)
  try {
    let written: Promise<readonly Answer[]> | undefined
    await store.transaction(async (tx) => {
      written = sendWithCommit(tx, [LOCK_HEAD, condition, ...statements])
      // When the commit fails, `transaction` says so.
      written.catch(() => undefined)
    })
    return eventsAt(firstOf((await written)?.at(-2)))
  } catch (fault) {
    if (isUnmet(fault)) return undefined
    throw fault
  }
}

function unchanged(id: ConversationId, next: number, resting: Resting): Statement {
  const { readAt, relied, quiet = [], until = Number.MAX_SAFE_INTEGER } = resting
  return {
    name: 'conversation_unchanged',
    text: UNCHANGED,
    values: [id, next, relied, readAt, until, quiet],
  }
}

const UNCHANGED = `
  select ${orFail(`
    $5::bigint > (extract(epoch from clock_timestamp()) * 1000)::bigint
    and (select coalesce(max(seq), -1) + 1 from conversation_event where conversation = $1) = $2::integer
    and not exists (select from touched where subject = any($3::text[]) and version >= $4::bigint)
    and not exists (select from log_entry where delegation = any($6::text[]) and index >= $4::bigint
      and kind = 'call_outcome')
    and not exists (select from log_entry where parent = any($6::text[]) and index >= $4::bigint)`)}`

/** The statements that write events, the last two being their entries and their rows. */
function writing(
  recording: Recording,
  { next, facts, values = [], rows = [] }: Planned,
  env: { readonly clock: Clock },
): {
  readonly statements: readonly Statement[]
  readonly eventsAt: (first: number) => readonly ConversationEvent[]
} {
  const time = env.clock.nowMilliseconds()
  const { conversation, by, author } = recording
  const eventsAt = (first: number): readonly ConversationEvent[] =>
    facts.map((each, at) => ({ ...each, seq: next + at, entry: first + at, author, time }))
  // Where it will stand in the log is not part of what an entry says.
  const entries = eventsAt(0).map((event) => prepareEntry(entryOf(event, conversation, by)))
  return {
    eventsAt,
    statements: [
      ...(values.length === 0 ? [] : [keepStatement(values)]),
      ...rows,
      appendStatement(entries),
      insertEvents(recording, { next, facts }, time),
    ],
  }
}

function insertEvents(
  { conversation, author }: Recording,
  { next, facts }: Planned,
  time: number,
): Statement {
  return {
    name: 'insert_conversation_events',
    text: INSERT_EVENTS,
    values: [
      conversation.id,
      next,
      author,
      time,
      facts.length,
      facts.map(({ kind }) => kind),
      facts.map((each) => JSON.stringify(each)),
    ],
  }
}

// The entries of the events are the log's last.
const INSERT_EVENTS = `
  insert into conversation_event (conversation, seq, kind, author, facts, entry, created_at)
  select
    $1::text, $2::integer + e.at - 1, e.kind, $3::text, e.facts,
    head.size - $5::bigint + e.at - 1, $4::bigint
  from log_head head, unnest($6::text[], $7::jsonb[]) with ordinality as e(kind, facts, at)`

/** The entry that says what an event says. */
export function entryOf(
  event: ConversationEvent,
  { id, delegation }: Pick<Conversation, 'id' | 'delegation'>,
  by: Actor,
): Entry {
  const { kind, seq, entry: _, author, time, ...facts } = event
  return {
    v: 1,
    kind: `conversation_${kind}`,
    time,
    by,
    // Calls under the delegation are decided with whoever directs it: what changes that, touches it.
    ...(kind === 'opened' && { touches: [id, delegation] }),
    ...((kind === 'turn' || kind === 'answered') && { touches: [id] }),
    conversation: id,
    delegation,
    seq,
    author,
    ...facts,
  } as Entry
}
