/**
 * Conversations and their events as rows. `record` is the one way to add an event: row and entry in one
 * transaction, under the lock of the log's head, so that the order of events is that of the log.
 */

import { sql } from 'kysely'
import { append, lockHead } from '../../audit/append.ts'
import type { Actor, Entry } from '../../audit/entry.ts'
import type { Clock } from '../../base/clock.ts'
import type { DelegationId } from '../../delegation/delegation.ts'
import type { PersonId } from '../../people/person.ts'
import type { Tx } from '../../store/store.ts'
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
        sql<boolean>`exists (
          select from conversation_event e where e.conversation = conversation.id
            and e.kind = 'member_added' and e.facts ->> 'member' = ${person})`,
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

/** Who adds events, and to what. */
export interface Recording {
  readonly conversation: Conversation
  readonly by: Actor
  readonly author: Author
}

/**
 * Adds events, in order, after those that there are. Takes the lock of the log's head and appends, so it
 * comes last in a transaction; the caller has read `next` under the same lock.
 */
export async function record(
  tx: Tx,
  { conversation, by, author }: Recording,
  { next, facts }: { readonly next: number; readonly facts: readonly Facts[] },
  env: { readonly clock: Clock },
): Promise<readonly ConversationEvent[]> {
  const time = env.clock.nowMilliseconds()
  const first = await lockHead(tx)
  const events = facts.map((each, at) => ({
    ...each,
    seq: next + at,
    entry: first + at,
    author,
    time,
  }))
  for (const [at, each] of facts.entries()) {
    await sql`
      insert into conversation_event (conversation, seq, kind, author, facts, entry, created_at)
      values (${conversation.id}, ${next + at}, ${each.kind}, ${author},
        ${JSON.stringify(each)}::jsonb, ${first + at}, ${time})`.execute(tx)
  }
  await append(
    tx,
    events.map((event) => entryOf(event, conversation, by)),
  )
  return events
}

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
