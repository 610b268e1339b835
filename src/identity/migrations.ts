/** The schema of archetypes, agents and the bundle's sequence number. */

import type { Migration } from '../store/store.ts'

/** What this folder adds to the schema. */
export const migrations: readonly Migration[] = [
  {
    name: 'identity-0001',
    up: `
      create table archetype (
        name text primary key,
        description text not null,
        created_at bigint not null
      );
      create table agent (
        id text primary key,
        spiffe_id text not null unique,
        archetype text not null references archetype (name),
        parent text references agent (id),
        selectors text[] not null,
        state text not null check (state in ('active', 'suspended', 'ended')),
        suspended_for text check ((suspended_for is null) = (state <> 'suspended')),
        created_at bigint not null
      );
      create index agent_parent on agent (parent) where parent is not null;
      create index agent_archetype on agent (archetype, id) where state <> 'ended';

      -- What the bundle last was, so that its sequence number grows with each change.
      create table spiffe_bundle (
        one boolean primary key default true check (one),
        sequence bigint not null,
        digest text not null
      );
    `,
  },
]
