/** The schema of the policy sets: texts by digest, versions of them, and which version is in force. */

import type { Migration } from '../store/store.ts'

/** What this folder adds to the schema. */
export const migrations: readonly Migration[] = [
  {
    name: 'policy-0001',
    up: `
      create table policy_text (
        digest text primary key,
        text text not null
      );
      -- One row. Activations wait for each other on it; readers do not wait.
      create table policy_in_force (
        singleton boolean primary key default true check (singleton),
        version text,
        sets jsonb not null default '{}'
      );
      insert into policy_in_force default values;
    `,
  },
  {
    name: 'policy-0002',
    up: `
      -- Immutable: rows are added and never changed.
      create table policy_version (
        id text primary key,
        version text not null,
        sets jsonb not null,
        tests jsonb not null,
        author text not null,
        summary text not null,
        base text,
        created_at bigint not null,
        signed text not null
      );
      create index policy_version_created on policy_version (created_at);
      create table policy_dry_run (
        policy text not null references policy_version (id),
        digest text not null,
        base text not null,
        report jsonb not null,
        created_at bigint not null,
        primary key (policy, digest)
      );
      create table policy_review (
        policy text primary key references policy_version (id),
        signed text not null
      );
      create table policy_activation (
        number bigint generated always as identity primary key,
        policy text not null references policy_version (id),
        activated_at bigint not null,
        signed text not null
      );
      alter table policy_in_force add column policy text references policy_version (id);
      alter table policy_in_force add column activation text;
      alter table policy_in_force add column mode text;
    `,
  },
]
