/** Reading entries back: by place, by delegation, by what is still open. Each answer uses an index. */

import { sql } from 'kysely'
import { decodeEntry, type Entry, type EntryOf } from './entry.ts'
import type { Db } from './tree-store.ts'

/** An entry and its place in the log. */
export interface PlacedEntry<E extends Entry = Entry> {
  readonly index: number
  readonly entry: E
}

/** The entries with index in [from, to), in order, at most `limit` of them: a cursor over the log. */
export async function entriesBetween(
  db: Db,
  range: { readonly from: number; readonly to?: number; readonly limit?: number },
): Promise<PlacedEntry[]> {
  const { from, to = Number.MAX_SAFE_INTEGER, limit = 1_000 } = range
  return placed(
    await sql<Row>`
      select index, entry from log_entry
      where index >= ${from} and index < ${to} order by index limit ${limit}`.execute(db),
  )
}

/** The entry at `index`, if the log is that long. */
export async function entryAt(db: Db, index: number): Promise<Entry | undefined> {
  return (await entriesBetween(db, { from: index, to: index + 1 }))[0]?.entry
}

/** A delegation and all that were made below it, parents before children; empty if it is not in the log. */
export async function delegationTree(db: Db, root: string): Promise<string[]> {
  const { rows } = await sql<{ delegation: string }>`
    with recursive tree as (
      -- The first that is said of it: what its agent did since is not looked through.
      (select delegation, index from log_entry
        where delegation = ${root} and kind = 'delegation_created' order by index limit 1)
      union
      select child.delegation, child.index from log_entry child
      join tree on child.parent = tree.delegation
      where child.kind = 'delegation_created'
    )
    select delegation from tree order by index`.execute(db)
  return rows.map((row) => row.delegation)
}

/** Every entry about these delegations, in the order of the log, at most `limit` from `from` on. */
export async function entriesOfDelegations(
  db: Db,
  delegations: readonly string[],
  range: { readonly from?: number; readonly limit?: number } = {},
): Promise<PlacedEntry[]> {
  return placed(
    await sql<Row>`
      select index, entry from log_entry
      where delegation = any(${delegations}::text[]) and index >= ${range.from ?? 0}
      order by index limit ${range.limit ?? 10_000}`.execute(db),
  )
}

/** A call that ended: the entry by which it was let out, and that of its outcome. */
export interface EndedCall {
  readonly intended: EntryOf<'call_intended'>
  readonly outcome: PlacedEntry<EntryOf<'call_outcome'>>
}

/** The calls under these delegations that ended at an index in [from, to), in that order, at most `limit`. */
export async function endedCalls(
  db: Db,
  delegations: readonly string[],
  range: { readonly from: number; readonly to: number; readonly limit: number },
): Promise<EndedCall[]> {
  const { rows } = await sql<Row & { intended: Buffer }>`
    select o.index, o.entry, i.entry as intended
    from log_entry o join log_entry i on i.index = o.outcome_of
    where o.delegation = any(${delegations}::text[]) and o.kind = 'call_outcome'
      and o.index >= ${range.from} and o.index < ${range.to}
    order by o.index limit ${range.limit}`.execute(db)
  return rows.map(({ index, entry, intended }) => ({
    intended: decodeEntry(intended) as EntryOf<'call_intended'>,
    outcome: { index, entry: decodeEntry(entry) as EntryOf<'call_outcome'> },
  }))
}

/**
 * Calls that were intended before the entry `before` and whose outcome is not in the log: made or not,
 * nobody knows. The oldest first, from `from` on, at most `limit`.
 */
export async function callsWithoutOutcome(
  db: Db,
  before: number,
  range: { readonly from?: number; readonly limit?: number } = {},
): Promise<PlacedEntry<EntryOf<'call_intended'>>[]> {
  const entries = placed(
    await sql<Row>`
      select i.index, i.entry from log_entry i
      where i.kind = 'call_intended' and i.index >= ${range.from ?? 0} and i.index < ${before}
        and not exists (select from log_entry o where o.outcome_of = i.index)
      order by i.index limit ${range.limit ?? 1_000}`.execute(db),
  )
  return entries.filter((e): e is PlacedEntry<EntryOf<'call_intended'>> => isIntended(e.entry))
}

/** How a session began: the entries of the sign-in and of the code that was used. */
export interface SignIn {
  readonly signedIn: PlacedEntry<EntryOf<'signed_in'>>
  /** Absent if it was issued before what was looked through. */
  readonly code?: PlacedEntry<EntryOf<'sign_in_code_issued'>>
}

/** How many sign-ins and codes are looked through, from the latest back. */
const MOST_SIGN_INS = 5_000

/** How `sessions` began, as far as the last entries before the entry `before` tell. */
export async function signInsOf(
  db: Db,
  sessions: ReadonlySet<string>,
  before: number,
): Promise<ReadonlyMap<string, SignIn>> {
  if (sessions.size === 0) return new Map()
  const latestFirst = placed(
    await sql<Row>`
      select index, entry from log_entry
      where kind in ('signed_in', 'sign_in_code_issued') and index < ${before}
      order by index desc limit ${MOST_SIGN_INS}`.execute(db),
  )
  const found = new Map<string, SignIn>()
  for (const { index, entry } of latestFirst) {
    if (entry.kind === 'signed_in' && sessions.has(entry.session)) {
      found.set(entry.session, { signedIn: { index, entry } })
    }
    if (entry.kind !== 'sign_in_code_issued') continue
    // A code ends the one before it, so the last one before a sign-in is the one that was used.
    for (const [session, known] of found) {
      if (known.code !== undefined || known.signedIn.entry.person !== entry.person) continue
      found.set(session, { ...known, code: { index, entry } })
    }
  }
  return found
}

/** The last calls that were decided, admitted or refused, the latest first, at most `limit`. */
export async function lastDecidedCalls(
  db: Db,
  limit: number,
): Promise<PlacedEntry<EntryOf<'call_intended'> | EntryOf<'call_refused'>>[]> {
  const entries = placed(
    await sql<Row>`
      select index, entry from log_entry
      where kind in ('call_intended', 'call_refused')
      order by index desc limit ${limit}`.execute(db),
  )
  return entries.filter((e): e is PlacedEntry<EntryOf<'call_intended'>> => isDecided(e.entry))
}

/** How far back of one delegation is looked for what it was refused. */
const MOST_BETWEEN = 100_000

/** What a delegation's agent was refused before the entry `before`, the latest first. */
export async function lastRefusals(
  db: Db,
  delegation: string,
  { before, limit }: { readonly before: number; readonly limit: number },
): Promise<PlacedEntry<Refused>[]> {
  const entries = placed(
    await sql<Row>`
      select index, entry from log_entry
      where delegation = ${delegation} and kind in ('call_refused', 'operation_refused')
        and index < ${before} and index >= ${before - MOST_BETWEEN}
      order by index desc limit ${limit}`.execute(db),
  )
  return entries.filter((e): e is PlacedEntry<Refused> => isRefused(e.entry))
}

/** Whether the log says how the call ended that was intended at `intended`: `unknown` is no such word. */
export async function hasOutcome(db: Db, intended: number): Promise<boolean> {
  const entries = placed(
    await sql<Row>`
      select index, entry from log_entry where outcome_of = ${intended}`.execute(db),
  )
  return entries.some(({ entry }) => entry.kind === 'call_outcome' && entry.outcome !== 'unknown')
}

interface Row {
  index: number
  entry: Buffer
}

function placed(result: { readonly rows: readonly Row[] }): PlacedEntry[] {
  return result.rows.map((row) => ({ index: row.index, entry: decodeEntry(row.entry) }))
}

function isIntended(entry: Entry): boolean {
  return entry.kind === 'call_intended'
}

type Refused = EntryOf<'call_refused' | 'operation_refused'>

function isRefused({ kind }: Entry): boolean {
  return kind === 'call_refused' || kind === 'operation_refused'
}

function isDecided({ kind }: Entry): boolean {
  return kind === 'call_intended' || kind === 'call_refused'
}
