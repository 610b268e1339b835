/**
 * The tables of this folder.
 *
 * - `delegation`: one row each. What `signed` says never changes; `agent` (once), `stage`, `state` and
 *   `suspended_by` do.
 * - `delegation_usage`: what was used of each limit, one row per limit from the start, so that debits
 *   only ever update.
 * - `connection`: connected MCP clients of people; a row changes once, when it is ended.
 */

import type { McpCallDetail } from './intent.ts'
import type { AgentId } from '../identity/agent.ts'
import type { ConnectionId } from './connection.ts'
import type { DelegationId, Party } from './delegation.ts'
import type { Id } from '../base/id.ts'
import type { Migration } from '../store/store.ts'

/** A row of `connection`. */
export interface ConnectionTable {
  id: ConnectionId
  person: Id<'per'>
  client: string
  agent: AgentId
  delegation: DelegationId
  /** Milliseconds since the Unix epoch. */
  created_at: number
  ended_at: number | null
}

/** A row of `delegation`. */
export interface DelegationTable {
  id: DelegationId
  person: Id<'per'>
  archetype: string
  agent: AgentId | null
  parent: DelegationId | null
  /** Root first. */
  ancestors: DelegationId[]
  purpose: string
  details: McpCallDetail[]
  stages: string[]
  stage: string | null
  stage_movers: Party[]
  stages_reversible: boolean
  /** Milliseconds since the Unix epoch. */
  created_at: number
  /** Seconds since the Unix epoch. */
  expires_at: number
  state: 'active' | 'suspended' | 'completed' | 'revoked'
  suspended_by: Id<'per'> | null
  signed: string
}

/** What this folder adds to the schema. */
export const migrations: readonly Migration[] = [
  {
    name: 'delegation-0001',
    up: `
      create table delegation (
        id text primary key,
        person text not null,
        archetype text not null,
        agent text,
        parent text references delegation (id),
        ancestors text[] not null,
        purpose text not null,
        details jsonb not null,
        stages text[] not null,
        stage text,
        stage_movers text[] not null,
        stages_reversible boolean not null,
        created_at bigint not null,
        expires_at bigint not null,
        state text not null check (state in ('active', 'suspended', 'completed', 'revoked')),
        suspended_by text,
        signed text not null,
        check ((parent is null) = (cardinality(ancestors) = 0)),
        check (parent is null or ancestors[cardinality(ancestors)] = parent),
        check (stage is null or stage = any (stages)),
        check (suspended_by is null or state = 'suspended')
      );
      create index delegation_person on delegation (person, id);
      create index delegation_agent on delegation (agent) where agent is not null;
      create index delegation_parent on delegation (parent) where parent is not null;

      create table delegation_usage (
        delegation text not null references delegation (id),
        detail integer not null,
        counter text not null,
        used numeric not null default 0 check (used >= 0),
        primary key (delegation, detail, counter)
      );
    `,
  },
  {
    name: 'delegation-0002',
    up: `
      create table connection (
        id text primary key,
        person text not null,
        client text not null,
        agent text not null unique,
        delegation text not null unique references delegation (id),
        created_at bigint not null,
        ended_at bigint
      );
      create index connection_person on connection (person, id);
      create index connection_open on connection (id) where ended_at is null;
    `,
  },
  {
    // The agency dial; what was never set has no row.
    name: 'delegation-0003',
    up: `
      create table agency (
        archetype text not null,
        class text not null,
        agency text not null,
        primary key (archetype, class)
      )
    `,
  },
  {
    name: 'delegation-0004',
    up: `
      create table scope_template (
        archetype text not null,
        name text not null,
        sentence text not null,
        details jsonb not null,
        primary key (archetype, name)
      )
    `,
  },
  {
    // Refusals that count, by the database's clock in milliseconds; budgets that were set.
    name: 'delegation-0005',
    up: `
      create table refusal_budget (
        archetype text primary key,
        refusals integer not null check (refusals > 0),
        within_seconds integer not null check (within_seconds > 0)
      );
      create table agent_refusal (agent text not null, at bigint not null);
      create index agent_refusal_agent on agent_refusal (agent, at);
      create index agent_refusal_at on agent_refusal (at)
    `,
  },
  {
    // What a template declares of its parameters.
    name: 'delegation-0006',
    up: `alter table scope_template add column parameters jsonb not null default '{}'`,
  },
]
