/** The schema of people, groups, sign-in codes and sessions. */

import type { Migration } from '../store/store.ts'

/** What this folder adds to the schema. */
export const migrations: readonly Migration[] = [
  {
    name: 'people-0001',
    up: `
      create table person (
        id text primary key,
        -- Policies name people by handle, so a handle is never reused: people are deactivated, not deleted.
        handle text not null unique,
        name text not null,
        email text,
        active boolean not null default true,
        manager text references person (id),
        created_at bigint not null
      );
      create table "group" (
        id text primary key,
        name text not null unique,
        created_at bigint not null
      );
      create table group_member (
        group_id text not null references "group" (id),
        person_id text not null references person (id),
        primary key (group_id, person_id)
      );
      create index group_member_person on group_member (person_id);

      -- A code is found by its public half; of the secret half only the hash is kept.
      create table sign_in_code (
        selector text primary key,
        secret_hash bytea not null,
        person_id text not null references person (id),
        purpose text not null check (purpose in ('sign_in', 'bootstrap')),
        expires_at bigint not null,
        tries_left int not null check (tries_left >= 0)
      );
      create index sign_in_code_person on sign_in_code (person_id);
      create table session (
        id text primary key,
        token_hash bytea not null unique,
        person_id text not null references person (id),
        presence text not null check (presence in ('session', 'passkey')),
        acr text not null,
        auth_time bigint not null,
        expires_at bigint not null
      );
      create index session_person on session (person_id);
      create index session_expiry on session (expires_at);
    `,
  },
]
