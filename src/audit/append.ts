/**
 * Appends entries to the log, inside the transaction of the change that they record.
 *
 * Call `append(tx, entries)` as the last statement of a transaction: it takes the lock on the log's
 * head row, so everything after it would be serialised over the whole installation. It is one
 * statement, and the database assigns the indexes, so they have no gap and follow commit order.
 *
 * A writer that must check what happened before its own entry (`one instant`) calls `lockHead` first,
 * then reads, then appends. What happens often goes through `log-writer.ts`, which does so for many
 * callers in one transaction; each calls `prepareEntry` first, so that an entry which is not well-formed
 * fails its own caller alone.
 */

import { sha256 } from '../base/bytes.ts'
import { TOUCHED_CHANNEL } from '../store/changes.ts'
import { type Answer, joined, send, type Statement } from '../store/statement.ts'
import type { Tx } from '../store/store.ts'
import { encodeEntry, type Entry, type Subject } from './entry.ts'
import { leafInput } from './tree.ts'

/** An entry that is ready to be written: encoded, hashed, with what lookups need. */
export interface PreparedEntry {
  readonly bytes: Uint8Array
  readonly leafHash: Uint8Array
  readonly kind: string
  readonly delegation: string | null
  readonly parent: string | null
  readonly outcomeOf: number | null
  readonly touches: readonly Subject[]
}

/** Appends `entries`, at least one, and returns the index of the first; the others follow it. */
export function append(tx: Tx, entries: readonly Entry[]): Promise<{ first: number }> {
  return appendPrepared(tx, entries.map(prepareEntry))
}

/**
 * Encodes and hashes an entry. Throws if it is not of the closed list: what is appended can never be
 * repaired, and an entry that nobody can read would fail every later verification.
 */
export function prepareEntry(entry: Entry): PreparedEntry {
  const bytes = encodeEntry(entry)
  return {
    bytes,
    leafHash: sha256(leafInput(bytes)),
    kind: entry.kind,
    delegation: delegationOf(entry),
    parent: entry.kind === 'delegation_created' ? (entry.parent ?? null) : null,
    outcomeOf: entry.kind === 'call_outcome' ? entry.intended : null,
    touches: entry.touches ?? [],
  }
}

/** Appends entries that were prepared before. @see append */
export async function appendPrepared(
  tx: Tx,
  entries: readonly PreparedEntry[],
): Promise<{ first: number }> {
  const [answer] = await send(tx, [appendStatement(entries)])
  return { first: firstOf(answer) }
}

/** The statement that appends `entries`, at least one. */
export function appendStatement(entries: readonly PreparedEntry[]): Statement {
  if (entries.length === 0) throw new RangeError('expected at least one entry')
  const { bytes, starts, lengths } = joined(entries.map((e) => e.bytes))
  const values = [
    entries.length,
    bytes,
    starts,
    lengths,
    Buffer.concat(entries.map((e) => e.leafHash)),
    entries.map((e) => e.kind),
    entries.map((e) => e.delegation),
    entries.map((e) => e.parent),
    entries.map((e) => e.outcomeOf),
  ]
  const touched = entries.flatMap((e, at) => e.touches.map((subject) => ({ subject, at })))
  if (touched.length === 0) return { name: 'append', text: APPEND, values }
  const subjects = touched.map((t) => t.subject)
  const positions = touched.map((t) => t.at)
  return {
    name: 'append_touching',
    text: APPEND_TOUCHING,
    values: [...values, subjects, positions, TOUCHED_CHANNEL],
  }
}

/** The index of the first entry, from what `appendStatement` yielded. */
export function firstOf(answer: Answer | undefined): number {
  const first = answer?.rows[0]?.['first']
  if (typeof first !== 'number') throw new Error('expected a row in `log_head`, got none')
  return first
}

// One list is unnested and the others are indexed: Postgres keeps what each unnested list yields in a store
// of its own, which costs more than the row. Names of parameters are in `appendStatement`.
//
// INVARIANT (append only): the head row is locked by its update until commit, so of two writers one
// waits, indexes have no gap, and an entry with a lower index is committed no later.
const WRITTEN = `
  with head as (
    update log_head set size = size + $1::bigint returning size - $1::bigint as first
  ), written as (
    insert into log_entry (index, entry, leaf_hash, kind, delegation, parent, outcome_of)
    select
      head.first + e.at - 1, substr($2::bytea, e.start, ($4::integer[])[e.at]),
      substr($5::bytea, 32 * e.at::integer - 31, 32), ($6::text[])[e.at], ($7::text[])[e.at],
      ($8::text[])[e.at], ($9::bigint[])[e.at]
    from head, unnest($3::integer[]) with ordinality as e(start, at)
  )`

const APPEND = `${WRITTEN} select first from head`

const APPEND_TOUCHING = `${WRITTEN}, versions as (
    insert into touched (subject, version)
    select t.subject, max(head.first + t.at)
    from head, unnest($10::text[], $11::bigint[]) as t(subject, at)
    group by t.subject
    on conflict (subject) do update set version = excluded.version
  )
  select first, pg_notify($12::text, (first + $1::bigint)::text) as told from head`

/**
 * Locks the log's head until the transaction ends, and returns the log's size. Statements after it see
 * everything that was committed by those who appended before.
 */
export async function lockHead(tx: Tx): Promise<number> {
  const [head] = await send(tx, [LOCK_HEAD])
  const size = head?.rows[0]?.['size']
  if (typeof size !== 'number') throw new Error('expected a row in `log_head`, got none')
  return size
}

/** What `lockHead` runs. */
export const LOCK_HEAD: Statement = {
  name: 'lock_head',
  text: 'select size from log_head for update',
}

function delegationOf(entry: Entry): string | null {
  if ('delegation' in entry && entry.delegation !== undefined) return entry.delegation
  return entry.by.type === 'agent' ? (entry.by.delegation ?? null) : null
}
