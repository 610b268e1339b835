/**
 * The tables of conversations.
 *
 * - `conversation`: one row each, written once. A delegation has at most one.
 * - `conversation_event`: what happened in it, in order. `entry` is the index of the entry in the log that
 *   says the same.
 * - `conversation_key`: the sealed key of the vectors, one per epoch.
 *
 * INVARIANT (immutable author): the database itself refuses to change or remove a row, whoever asks.
 */

import type { Migration } from '../../store/store.ts'

/** What conversations add to the schema. */
export const conversationMigrations: readonly Migration[] = [
  {
    name: 'channel-0101',
    up: `
      create table conversation (
        id text primary key,
        delegation text not null unique,
        owner text not null,
        created_at bigint not null
      );
      create table conversation_event (
        conversation text not null references conversation,
        seq integer not null check (seq >= 0),
        kind text not null,
        author text not null,
        facts jsonb not null,
        entry bigint not null unique,
        created_at bigint not null,
        primary key (conversation, seq)
      );
      create table conversation_key (
        conversation text not null references conversation,
        epoch integer not null,
        sealed bytea not null,
        primary key (conversation, epoch)
      );

      create trigger conversation_never_changes before update or delete or truncate on conversation
        for each statement execute function refuse_change();
      create trigger conversation_event_never_changes
        before update or delete or truncate on conversation_event
        for each statement execute function refuse_change();
      create trigger conversation_key_never_changes
        before update or delete or truncate on conversation_key
        for each statement execute function refuse_change()`,
  },
  {
    // Who lists their conversations does not look through everybody's.
    name: 'channel-0102',
    up: `
      create index conversation_event_member on conversation_event ((facts ->> 'member'))
        where kind = 'member_added'`,
  },
]
