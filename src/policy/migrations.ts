/** The schema of the policy sets: texts by digest, and which of them are in force. */

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
]
