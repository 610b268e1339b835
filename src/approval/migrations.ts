/**
 * The table of this folder: `approval`, one row per request.
 *
 * Rows change under the lock of the log's head only (`lockHead`), which every writer takes first: the
 * gateway holds it when it consumes, so whoever locked rows before it would deadlock with calls.
 */

import type { Digest } from '../base/bytes.ts'
import type { Id } from '../base/id.ts'
import type { DelegationId, Party } from '../delegation/delegation.ts'
import type { AgentId } from '../identity/agent.ts'
import type { PersonId } from '../people/person.ts'
import type { Migration } from '../store/store.ts'
import type { ApprovalId, ApprovalState } from './approval.ts'

/** A row of `approval`. */
export interface ApprovalTable {
  id: ApprovalId
  state: ApprovalState
  call: string
  delegation: DelegationId
  root: DelegationId
  person: PersonId
  agents: AgentId[]
  server: Id<'srv'>
  action: string
  definition: Digest
  arguments_digest: Digest
  /** `bindingDigest` of the seven above. */
  binding: Digest
  entitled: Party
  entitled_people: PersonId[]
  /** Canonical JSON. */
  shown: string
  independent: boolean
  /** Milliseconds since the Unix epoch, as are the others. */
  requested_at: number
  expires_at: number
  decided_by: PersonId | null
  signed: string | null
  consumed_by: string | null
}

/** What this folder adds to the schema. */
export const migrations: readonly Migration[] = [
  {
    name: 'approval-0001',
    up: `
      create table approval (
        id text primary key,
        state text not null
          check (state in ('pending', 'approved', 'denied', 'voided', 'consumed', 'expired')),
        call text not null,
        delegation text not null,
        root text not null,
        person text not null,
        agents text[] not null,
        server text not null,
        action text not null,
        definition text not null,
        arguments_digest text not null,
        binding text not null,
        entitled text not null,
        entitled_people text[] not null check (cardinality(entitled_people) > 0),
        shown text not null,
        independent boolean not null,
        requested_at bigint not null,
        expires_at bigint not null,
        decided_by text,
        signed text,
        consumed_by text,
        check (decided_by is null or decided_by = any (entitled_people)),
        check (state not in ('approved', 'consumed') or (decided_by is not null and signed is not null)),
        check ((state = 'consumed') = (consumed_by is not null))
      );
      create index approval_binding on approval (binding, id);
      create unique index approval_open on approval (binding) where state in ('pending', 'approved');
      create index approval_root on approval (root) where state in ('pending', 'approved');
      create index approval_entitled on approval using gin (entitled_people) where state = 'pending';
    `,
  },
]
