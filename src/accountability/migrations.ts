/** The schema of owners, rotations and overrides. */

import type { Migration } from '../store/store.ts'

/** What this folder adds to the schema. */
export const migrations: readonly Migration[] = [
  {
    name: 'accountability-0001',
    up: `
      create table owner (
        owned text primary key,
        owner text not null
      );
      create table rotation (
        group_id text primary key,
        members text[] not null check (cardinality(members) > 0),
        start text not null,
        time_zone text not null,
        shift text not null
      );
      -- Of those that hold at an instant, the one set last wins.
      create table duty_override (
        number bigint generated always as identity primary key,
        group_id text not null,
        person_id text not null,
        from_time bigint not null,
        until_time bigint not null check (until_time > from_time)
      );
      create index duty_override_group on duty_override (group_id, until_time);
    `,
  },
]
