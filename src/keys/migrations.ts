/** The schema of the keyring. */

import type { Migration } from '../store/store.ts'

/** What this folder adds to the schema. */
export const migrations: readonly Migration[] = [
  {
    name: 'keys-0001',
    up: `
      create table signing_key (
        kid text primary key,
        purpose text not null,
        signs boolean not null,
        sealed bytea not null,
        created_at bigint not null,
        ready_at bigint not null,
        signs_from bigint,
        retired_at bigint,
        certificate bytea
      );
      -- One key waits and one is the last that was promoted, whatever replicas do at once.
      create unique index signing_key_next on signing_key (purpose) where signs_from is null;
      create unique index signing_key_last on signing_key (purpose)
        where signs_from is not null and retired_at is null;
    `,
  },
]
