/** The schema of the token room. */

import type { Migration } from '../store/store.ts'

/** What this folder adds to the schema. */
export const migrations: readonly Migration[] = [
  {
    name: 'token-0001',
    up: `
      -- The key an agent proved first; there is no statement that changes it.
      create table agent_key (
        agent text primary key,
        jkt text not null,
        pinned_at bigint not null
      );
      create table revoked_token (
        jti text primary key,
        expires_at bigint not null
      );
    `,
  },
]
