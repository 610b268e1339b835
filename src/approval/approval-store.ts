/** Approvals as rows. Every change is conditional on the state it leaves. */

import { type RawBuilder, sql } from 'kysely'
import * as z from 'zod'
import { type Digest, digestOf } from '../base/bytes.ts'
import { canonicalJson, type JsonObject } from '../base/canonical-json.ts'
import type { DelegationId } from '../delegation/delegation.ts'
import type { PersonId } from '../people/person.ts'
import type { Tx } from '../store/store.ts'
import {
  type Approval,
  type ApprovalId,
  type ApprovalState,
  type Binding,
  bindingDigest,
} from './approval.ts'
import type { ApprovalTable } from './migrations.ts'

/** One approval. */
export async function findApproval(tx: Tx, id: ApprovalId): Promise<Approval | undefined> {
  return (await read(tx, sql`where id = ${id}`))[0]
}

/** The open request for exactly this call, else the latest. Identifiers do not tell: their clocks differ. */
export async function latestFor(tx: Tx, binding: Digest): Promise<Approval | undefined> {
  return (
    await read(
      tx,
      sql`where binding = ${binding}
        order by (state in ('pending', 'approved')) desc, requested_at desc, id desc limit 1`,
    )
  )[0]
}

/** What waits for a person's decision, oldest first. */
export async function pendingFor(tx: Tx, person: PersonId): Promise<Approval[]> {
  return await read(
    tx,
    sql`where state = 'pending' and entitled_people @> array[${person}]::text[]
          and expires_at > ${DATABASE_NOW}
        order by requested_at, id limit 500`,
  )
}

/** What is neither decided against, used nor expired in a tree. */
export async function openIn(tx: Tx, root: DelegationId): Promise<Approval[]> {
  return await read(
    tx,
    sql`where root = ${root} and state in ('pending', 'approved') and expires_at > ${DATABASE_NOW}
        order by requested_at, id`,
  )
}

/** Every approval, for the invariant checker. */
export async function allApprovals(tx: Tx): Promise<(Approval & { consumedBy?: string })[]> {
  return await read(tx, sql`order by id`)
}

/** Writes a new request, and marks one of the same call that has expired, so that one is open at most. */
export async function insertApproval(tx: Tx, made: Approval): Promise<void> {
  const { binding } = made
  const digest = bindingDigest(binding)
  await sql`
    update approval set state = 'expired'
    where binding = ${digest} and state in ('pending', 'approved') and expires_at <= ${DATABASE_NOW}
  `.execute(tx)
  await tx
    .withTables<{ approval: ApprovalTable }>()
    .insertInto('approval')
    .values({
      id: made.id,
      state: made.state,
      call: made.call,
      delegation: binding.delegation,
      root: made.root,
      person: binding.person,
      agents: [...binding.agents],
      server: binding.server,
      action: binding.action,
      definition: binding.definition,
      arguments_digest: binding.argumentsDigest,
      binding: digest,
      entitled: made.entitled,
      entitled_people: [...made.entitledPeople],
      shown: canonicalJson(made.shown),
      independent: made.independent,
      requested_at: made.requestedAt,
      expires_at: made.expiresAt,
      decided_by: null,
      signed: null,
      consumed_by: null,
    })
    .execute()
}

/** Records a decision; false if it is no longer pending or has expired. */
export async function setDecision(
  tx: Tx,
  id: ApprovalId,
  decision: {
    readonly state: 'approved' | 'denied'
    readonly by: PersonId
    readonly signed?: string
  },
): Promise<boolean> {
  const { numAffectedRows } = await sql`
    update approval
    set state = ${decision.state}, decided_by = ${decision.by}, signed = ${decision.signed ?? null}
    where id = ${id} and state = 'pending' and expires_at > ${DATABASE_NOW}`.execute(tx)
  return numAffectedRows === 1n
}

/** Uses up a yes; false if it was used, voided or has expired. */
export async function setConsumed(tx: Tx, id: ApprovalId, call: string): Promise<boolean> {
  const { numAffectedRows } = await sql`
    update approval set state = 'consumed', consumed_by = ${call}
    where id = ${id} and state = 'approved' and expires_at > ${DATABASE_NOW}`.execute(tx)
  return numAffectedRows === 1n
}

/** Voids what is pending or approved among `ids`. */
export async function setVoided(tx: Tx, ids: readonly ApprovalId[]): Promise<void> {
  await sql`
    update approval set state = 'voided'
    where id = any (${[...ids]}::text[]) and state in ('pending', 'approved')`.execute(tx)
}

const DATABASE_NOW = sql`(extract(epoch from clock_timestamp()) * 1000)::bigint`

const shownSchema = z.record(z.string(), z.json())

type Row = ApprovalTable & { now: number }

async function read(
  tx: Tx,
  which: RawBuilder<unknown>,
): Promise<(Approval & { consumedBy?: string })[]> {
  const { rows } = await sql<Row>`
    select id, state, call, delegation, root, person, agents, server, action, definition,
      arguments_digest, binding, entitled, entitled_people, shown, independent,
      requested_at, expires_at, decided_by, signed, consumed_by, ${DATABASE_NOW} as now
    from approval ${which}`.execute(tx)
  return rows.map(approvalFrom)
}

function approvalFrom(row: Row): Approval & { consumedBy?: string } {
  const shown: JsonObject = shownSchema.parse(JSON.parse(row.shown))
  return {
    id: row.id,
    state: stateOf(row),
    binding: bindingOf(row),
    root: row.root,
    call: row.call,
    entitled: row.entitled,
    entitledPeople: row.entitled_people,
    shown,
    shownDigest: digestOf(row.shown),
    independent: row.independent,
    requestedAt: row.requested_at,
    expiresAt: row.expires_at,
    ...(row.decided_by === null ? {} : { decidedBy: row.decided_by }),
    ...(row.signed === null ? {} : { signed: row.signed }),
    ...(row.consumed_by === null ? {} : { consumedBy: row.consumed_by }),
  }
}

function bindingOf(row: Row): Binding {
  return {
    agents: row.agents,
    person: row.person,
    delegation: row.delegation,
    server: row.server,
    action: row.action,
    definition: row.definition,
    argumentsDigest: row.arguments_digest,
  }
}

function stateOf({ state, expires_at: expiresAt, now }: Row): ApprovalState {
  const open = state === 'pending' || state === 'approved'
  return open && expiresAt <= now ? 'expired' : state
}
