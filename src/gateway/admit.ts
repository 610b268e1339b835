/**
 * The one transaction in which calls are admitted. HEART: its order is the correctness argument.
 *
 * Call `Admissions.admit` for a call that was decided, `Admissions.record` for any other entry.
 *
 * INVARIANT (one instant): the log's head row is locked first, so every change that has a lower index
 * than our entry is committed and visible to the statements after it. A call whose facts were read at
 * log size `readAt` is admitted only if none of the subjects it relied on was touched since. What was
 * touched later has a higher index. `audit/verify.ts` checks exactly this from the log alone.
 *
 * INVARIANT (record first): `admit` resolves after the intended entry is durable; the effect comes after.
 */

import { sql } from 'kysely'
import { appendPrepared, lockHead, type PreparedEntry, prepareEntry } from '../audit/append.ts'
import type { Entry, EntryOf, Sealed, Subject } from '../audit/entry.ts'
import type { Sealing, Vault } from '../audit/vault.ts'
import type { Clock } from '../base/clock.ts'
import { ok, refuse, type Result } from '../base/result.ts'
import { branchOf } from '../delegation/standing.ts'
import type { Store, Tx } from '../store/store.ts'
import { tokenSubject } from '../token/revoked-tokens.ts'
import { callerOf, callMembers } from './call-entry.ts'
import { GroupCommit } from './group-commit.ts'
import type { JudgedCall } from './judge.ts'

/** A decided call that asks to be admitted; `entry.arguments` is filled in from `sealings[0]`. */
export interface Intended {
  readonly entry: EntryOf<'call_intended'>
  readonly sealings: readonly [Sealing]
  /**
   * What else must hold at the same instant and is written with it: limits to debit, an approval to
   * consume. A call that has it is admitted in a transaction of its own, because a refusal rolls back.
   */
  readonly also?: (tx: Tx) => Promise<Result<readonly Entry[]>>
}

/** The entry of a judged call: what was decided, on facts of which log size, about which subjects. */
export function intendedEntry(
  judged: JudgedCall,
  env: { readonly clock: Clock },
): EntryOf<'call_intended'> {
  const { call, known, target, approval, argumentsDigest } = judged
  const { caller, server } = call
  return {
    v: 1,
    kind: 'call_intended',
    time: env.clock.nowMilliseconds(),
    by: callerOf(call),
    ...callMembers(call, known, judged),
    ...(target.digest !== undefined && { definition: target.digest }),
    argumentsDigest,
    readAt: Math.min(known.readAt, call.serverReadAt),
    relied: [...known.facts.relied, server.id, tokenSubject(caller.jti)],
    ...(approval !== undefined && { approval: approval.id }),
    expiresAt: Math.min(...endings(judged)) * 1_000,
  }
}

/** When the authority behind a call ends: its token, the delegations above it, the detail that covers it. */
function endings({ call, known, coverage }: JudgedCall): number[] {
  const above = branchOf(known.tree).map(({ expiresAt }) => expiresAt)
  return [
    call.caller.expiresAt,
    ...above,
    ...(coverage.until === undefined ? [] : [coverage.until]),
  ]
}

/** Why a decided call was not admitted after all. */
export type AdmissionRefusal =
  /** Something that the decision relied on changed: read the facts again and decide again. */
  | { readonly reason: 'stale'; readonly subject: Subject }
  | { readonly reason: 'expired' }
  /** From `also`: `limit_exhausted`, or a word about the approval. */
  | { readonly reason: 'not_admitted'; readonly cause: string }

/** The index of the intended entry, or why there is none. */
export type Admission = Result<{ readonly index: number }, AdmissionRefusal>

/** An entry to record beside calls, with values and rows that belong to it. */
export interface Recorded {
  /** The entry once the digests of `sealings` are known, in their order. */
  readonly entry: (sealed: readonly Sealed[]) => Entry
  readonly sealings: readonly Sealing[]
  /** Rows that are written with the entry. */
  readonly also?: (tx: Tx, sealed: readonly Sealed[]) => Promise<void>
}

type Item =
  | { readonly type: 'admit'; readonly intended: Intended }
  | { readonly type: 'record'; readonly recorded: Recorded }

/** The gateway's writer: admits calls and records entries, many in one transaction. */
export class Admissions {
  readonly #env: { readonly store: Store; readonly vault: Vault }
  readonly #batches: GroupCommit<Item, Admission>

  constructor(env: { readonly store: Store; readonly vault: Vault }) {
    this.#env = env
    this.#batches = new GroupCommit((items) =>
      env.store.transaction((tx) => commit(tx, items, env.vault)),
    )
  }

  /** Admits a decided call: after it, the record is durable and the call must be made. */
  async admit(intended: Intended): Promise<Admission> {
    const { also } = intended
    if (also === undefined) return await this.#batches.add({ type: 'admit', intended })
    return await this.#env.store.transaction(async (tx) => {
      const [admission] = await commit(tx, [{ type: 'admit', intended }], this.#env.vault, also)
      if (admission === undefined || admission instanceof Error) {
        throw new Error('expected an answer for the call', { cause: admission })
      }
      return admission
    })
  }

  /** Records an entry durably and returns its index. */
  async record(recorded: Recorded): Promise<number> {
    const admission = await this.#batches.add({ type: 'record', recorded })
    if (!admission.ok) throw new Error(`unexpected refusal \`${admission.error.reason}\``)
    return admission.value.index
  }
}

async function commit(
  tx: Tx,
  items: readonly Item[],
  vault: Vault,
  also?: Intended['also'],
): Promise<readonly (Admission | Error)[]> {
  await lockHead(tx)
  const answers: (Admission | Error | undefined)[] = await judge(tx, items)
  const following: PreparedEntry[] = []
  if (also !== undefined && answers[0] === undefined) {
    const granted = await also(tx)
    if (!granted.ok) return [refuse({ reason: 'not_admitted', cause: granted.error.reason })]
    following.push(...granted.value.map(prepareEntry))
  }
  const going = items.flatMap((item, i) => (answers[i] === undefined ? [{ item, i }] : []))
  const prepared = await prepare(
    tx,
    going.map(({ item }) => item),
    vault,
  )
  const written = going.flatMap(({ i }, at) => {
    const entry = prepared[at]
    if (entry instanceof Error || entry === undefined) answers[i] = entry
    return entry instanceof Error || entry === undefined ? [] : [{ entry, i }]
  })
  if (written.length > 0) {
    const entries = written.map(({ entry }) => entry)
    const { first } = await appendPrepared(tx, [...entries, ...following])
    for (const [at, { i }] of written.entries()) answers[i] = ok({ index: first + at })
  }
  return answers.map((answer) => answer ?? new Error('expected an answer for every item'))
}

/** The refusals of those that may not go; undefined for those that may. */
async function judge(tx: Tx, items: readonly Item[]): Promise<(Admission | undefined)[]> {
  const answers: (Admission | undefined)[] = items.map(() => undefined)
  const calls = items.flatMap((item, i) =>
    item.type === 'admit' ? [{ entry: item.intended.entry, i }] : [],
  )
  if (calls.length === 0) return answers
  const relied = calls.flatMap(({ entry, i }) =>
    entry.relied.map((subject) => ({ subject, i, readAt: entry.readAt })),
  )
  const { rows } = await sql<{ at: number | null; subject: string | null; now: number }>`
    select r.at, r.subject, (extract(epoch from clock_timestamp()) * 1000)::bigint as now
    from (select 1) as always left join (
      select r.at, r.subject from unnest(
        ${relied.map((r) => r.subject)}::text[],
        ${relied.map((r) => r.i)}::bigint[],
        ${relied.map((r) => r.readAt)}::bigint[]
      ) as r(subject, at, read_at)
      join touched on touched.subject = r.subject and touched.version >= r.read_at
    ) as r on true`.execute(tx)
  const now = rows[0]?.now ?? 0
  // Expiry is compared with the database's clock: replicas may disagree about time, it cannot.
  for (const { entry, i } of calls) {
    if (entry.expiresAt <= now) answers[i] = refuse({ reason: 'expired' })
  }
  for (const { at, subject } of rows) {
    if (at !== null && subject !== null) answers[at] = refuse({ reason: 'stale', subject })
  }
  return answers
}

/** Seals what belongs to the entries, writes their rows, and completes them with the digests. */
async function prepare(
  tx: Tx,
  items: readonly Item[],
  vault: Vault,
): Promise<readonly (PreparedEntry | Error)[]> {
  const sealings = items.map((item) =>
    item.type === 'admit' ? item.intended.sealings : item.recorded.sealings,
  )
  const sealed = await vault.sealMany(tx, sealings.flat())
  const entries: (PreparedEntry | Error)[] = []
  let from = 0
  for (const [i, item] of items.entries()) {
    const own = sealed.slice(from, (from += sealings[i]?.length ?? 0))
    if (item.type === 'record') await item.recorded.also?.(tx, own)
    entries.push(attempt(() => prepareEntry(complete(item, own))))
  }
  return entries
}

function complete(item: Item, sealed: readonly Sealed[]): Entry {
  if (item.type === 'record') return item.recorded.entry(sealed)
  const [argumentsSealed] = sealed
  return { ...item.intended.entry, ...(argumentsSealed && { arguments: argumentsSealed }) }
}

/** An entry that is not well-formed fails its own caller, not the batch that it is in. */
function attempt(make: () => PreparedEntry): PreparedEntry | Error {
  try {
    return make()
  } catch (cause) {
    return new Error('expected a well-formed entry', { cause })
  }
}
