/**
 * The tables of this folder.
 *
 * - `server`: one row each, never removed, so that a name is never given again.
 * - `server_observation`: what the server offered when it was last looked at.
 * - `server_review`: every review that was given: its signed text, and the definitions it speaks of.
 * - `upstream_credential`: sealed; only `upstream/` opens them.
 */

import type { Json } from '../base/canonical-json.ts'
import type { Migration } from '../store/store.ts'
import type { ServerId, ServerState, Transport } from './server.ts'

/** The tables of this folder, as kysely sees them. JSON columns are read as `unknown` and parsed. */
export type RegistryTables = {
  server: ServerTable
  server_observation: { server: ServerId; definitions: Json; observed_at: number }
  server_review: { server: ServerId; revision: number; signed: string; definitions: Json }
  upstream_credential: { server: ServerId; name: string; sealed: Buffer; set_at: number }
}

/** A row of `server`. */
export interface ServerTable {
  id: ServerId
  name: string
  title: string
  state: ServerState
  reason: string | null
  transport: Transport
  revision: number
  person_rights: 'upstream' | 'mirrored'
  timeout_ms: number
  output_limit_bytes: number
  created_at: number
}

/** What this folder adds to the schema. */
export const migrations: readonly Migration[] = [
  {
    name: 'registry-0001',
    up: `
      create table server (
        id text primary key,
        name text not null unique,
        title text not null,
        state text not null check (state in ('registered', 'reviewed', 'quarantined', 'withdrawn')),
        reason text,
        transport jsonb not null,
        revision int not null default 0,
        person_rights text not null check (person_rights in ('upstream', 'mirrored')),
        timeout_ms int not null check (timeout_ms > 0),
        output_limit_bytes int not null check (output_limit_bytes > 0),
        created_at bigint not null
      );
      -- json, not jsonb: definitions come back as they were digested, whatever jsonb would make of them.
      create table server_observation (
        server text primary key references server (id),
        definitions json not null,
        observed_at bigint not null
      );
      create table server_review (
        server text not null references server (id),
        revision int not null check (revision > 0),
        signed text not null,
        definitions json not null,
        primary key (server, revision)
      );
      create table upstream_credential (
        server text not null references server (id),
        name text not null,
        sealed bytea not null,
        set_at bigint not null,
        primary key (server, name)
      );
    `,
  },
]
