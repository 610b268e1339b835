/**
 * The tables of the log. `log_head` and `touched`, on which the change feed stands too, are the store's.
 *
 * - `log_entry`: the entries. `entry` alone is what the tree commits to; `kind`, `delegation`, `parent`
 *   and `outcome_of` repeat members of it so that lookups stay fast (`check-log.ts` compares them).
 * - `log_tile`: the tree's tiles (C2SP tlog-tiles), each the fullest so far: a narrower tile of the
 *   same place is a prefix of it.
 * - `log_checkpoint`: the tree heads that were signed lately, with the lines of their witnesses
 *   (C2SP tlog-cosignature).
 * - `vault_value`: values beside the log, erasable without breaking a proof. Salt and value go together:
 *   a salt that stayed would let short values be guessed.
 *
 * Times are milliseconds since the Unix epoch.
 */

import type { Migration } from '../store/store.ts'

/** What this folder adds to the schema. */
export const migrations: readonly Migration[] = [
  {
    name: 'audit-0001',
    up: `
      create table log_entry (
        index bigint primary key,
        entry bytea not null,
        leaf_hash bytea not null check (length(leaf_hash) = 32),
        kind text not null,
        delegation text,
        parent text,
        outcome_of bigint
      );
      create index log_entry_delegation on log_entry (delegation, index) where delegation is not null;
      create index log_entry_parent on log_entry (parent) where parent is not null;
      create index log_entry_intended on log_entry (index) where kind = 'call_intended';
      create index log_entry_outcome_of on log_entry (outcome_of) where outcome_of is not null;

      create table log_tile (
        level smallint not null,
        index bigint not null,
        hashes bytea not null check (length(hashes) between 32 and 8192 and length(hashes) % 32 = 0),
        primary key (level, index)
      );

      create table log_checkpoint (
        size bigint primary key,
        root bytea not null check (length(root) = 32),
        note text not null,
        cosignatures text not null default '',
        signed_at bigint not null
      );

      create table vault_value (
        digest text primary key,
        salt bytea,
        value bytea,
        form text not null check (form in ('json', 'bytes')),
        subject text,
        erased_at bigint,
        check ((erased_at is null) = (value is not null) and (value is null) = (salt is null))
      );
      create index vault_value_subject on vault_value (subject) where subject is not null;
    `,
  },
  {
    name: 'audit-0002',
    up: `
      create index log_entry_sign_in on log_entry (index)
        where kind in ('signed_in', 'sign_in_code_issued');
    `,
  },
  {
    // INVARIANT (append only): the owner of the tables is refused too, unless they say otherwise first.
    name: 'audit-0003',
    up: `
      create trigger log_entry_never_changes before update or delete or truncate on log_entry
        for each statement execute function refuse_change()`,
  },
]
