/** The schema of this room. */

import type { Migration } from '../store/store.ts'
import { conversationMigrations } from './conversation/migrations.ts'

/** `segment`: what each agent was shown, by whom. The content lies in the vault, under its digest. */
export const migrations: readonly Migration[] = [
  {
    name: 'channel-0001',
    up: `
      create table segment (
        id text primary key,
        agent text not null,
        delegation text,
        principal text not null,
        kind text not null,
        trust text not null,
        content_digest text not null,
        content_bytes integer not null,
        system_fields jsonb not null,
        created_at bigint not null
      );
      create index segment_by_agent on segment (agent, created_at)`,
  },
  {
    // The index of the entry that names it: segments in the order in which they were committed.
    name: 'channel-0002',
    up: `
      alter table segment add column entry bigint not null default 0;
      alter table segment alter column entry drop default;
      create index segment_by_entry on segment (agent, entry);
      drop index segment_by_agent`,
  },
  {
    // What was known of the call that the segment answers; empty for those recorded before.
    name: 'channel-0003',
    up: `alter table segment add column answers jsonb not null default '{}'`,
  },
  {
    // INVARIANT (immutable author)
    name: 'channel-0004',
    up: `
      create trigger segment_never_changes before update or delete or truncate on segment
        for each statement execute function refuse_change()`,
  },
  ...conversationMigrations,
  {
    // What is confidential is looked at however much came after it.
    name: 'channel-0005',
    up: `
      create index segment_confidential on segment (agent, entry)
        where answers ->> 'confidential' = 'true'`,
  },
]
