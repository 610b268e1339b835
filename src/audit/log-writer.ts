/**
 * Writes entries of many callers in one transaction, each only if what it rests on still stands. HEART:
 * its order is the correctness argument.
 *
 * Call `write` for what happens often (calls, outcomes, tokens); a batch costs one round trip and one
 * fsync. Only when something in it may not be written does it take more: then each is asked by itself.
 * `writeAlone` is for an entry that more depends on than can be said by data. Everything else appends in
 * the transaction of its own change.
 *
 * INVARIANT (one instant): the log's head row is locked first, so every change that has a lower index
 * than our entry is committed and visible to the statements after it. An entry that rests on facts read
 * at log size `readAt` is written only if none of the subjects it relied on was touched since. What was
 * touched later has a higher index. `verify.ts` checks exactly this from the log alone.
 *
 * INVARIANT (record first): `write` resolves after the entry is durable.
 */

import { ok, refuse, type Result } from '../base/result.ts'
import { Batches } from '../store/batches.ts'
import {
  type Answer,
  isUnmet,
  orFail,
  send,
  sendWithCommit,
  type Statement,
} from '../store/statement.ts'
import type { Store, Tx } from '../store/store.ts'
import { appendStatement, firstOf, LOCK_HEAD, type PreparedEntry, prepareEntry } from './append.ts'
import type { Entry, Subject } from './entry.ts'
import { endsForGood } from './rules.ts'
import { keepStatement, type SealedRow } from './vault.ts'

/** An entry to write, and what belongs to it. */
export interface Writing {
  readonly entry: PreparedEntry
  /** Values that the entry refers to. */
  readonly values?: readonly SealedRow[]
  /** Rows of other rooms that are written with the entry. */
  readonly rows?: readonly RowBeside[]
  /** What must still hold. */
  readonly standing?: Standing
  /** What the entry uses up. */
  readonly charge?: Charge
}

/** What an entry rests on. */
export interface Standing {
  /** The size of the log when the facts were read, and the subjects they are about. */
  readonly readAt: number
  readonly relied: readonly Subject[]
  /** When it ends, in milliseconds of the database's clock: replicas may disagree about time, it cannot. */
  readonly expiresAt?: number
}

/** What is taken with an entry, or the entry is not written. */
export interface Charge {
  /** Takes, or changes nothing. */
  readonly statement: Statement
  /** Why it took nothing; undefined if it did. */
  readonly refusal: (answer: Answer) => string | undefined
  /** The statement that takes `from` of all charges of its kind, or fails (`orFail`). */
  readonly kind: (all: readonly unknown[]) => Statement
  readonly from: unknown
}

/** A row and the statement that writes all rows of its kind in a batch. */
export interface RowBeside {
  readonly kind: (rows: readonly Positioned[], entries: number) => Statement
  readonly row: unknown
}

/** A row and the position of its entry among the `entries` of the batch, which are the log's last. */
export interface Positioned {
  readonly row: unknown
  readonly at: number
}

/** Why an entry was not written. */
export type WriteRefusal =
  /** Something that it rests on changed: read again and decide again. */
  | { readonly reason: 'stale'; readonly subject: Subject }
  /** It rests on what has ended for good: nothing that is read again would change that. */
  | { readonly reason: 'ended'; readonly subject: Subject }
  | { readonly reason: 'expired' }
  /** From its charge, or from `also`. */
  | { readonly reason: 'not_admitted'; readonly cause: string }

/** The index of the entry, or why there is none. */
export type Written = Result<{ readonly index: number }, WriteRefusal>

const LIMITS = { items: 256, bytes: 32 * 1024 * 1024, bytesOf }

/** The writer of a process; one for all its rooms, because all wait for the same head row. */
export class LogWriter {
  readonly #store: Store
  readonly #batches: Batches<Writing, Written>

  constructor(env: { readonly store: Store }) {
    this.#store = env.store
    this.#batches = new Batches((batch) => this.#commit(batch), LIMITS)
  }

  /** Writes an entry together with those of other callers. */
  async write(writing: Writing): Promise<Written> {
    return await this.#batches.add(writing)
  }

  /**
   * Writes an entry in a transaction of its own. `also` runs with the head locked and the standing
   * checked; when it refuses, nothing of it is kept. The entries that it returns follow.
   */
  async writeAlone(
    writing: Writing & { readonly standing: Standing },
    also: (tx: Tx) => Promise<Result<readonly Entry[]>>,
  ): Promise<Written> {
    let first: Promise<number> | undefined
    const admitted = await this.#store.transaction(
      async (tx): Promise<Result<unknown, WriteRefusal>> => {
        const [refusal] = await refusals(tx, [writing])
        if (refusal !== undefined) return refuse(refusal)
        const granted = await also(tx)
        if (!granted.ok) return refuse({ reason: 'not_admitted', cause: granted.error.reason })
        first = appendWithCommit(tx, [writing], { following: granted.value.map(prepareEntry) })
        return ok()
      },
    )
    return admitted.ok ? ok({ index: await durable(first) }) : admitted
  }

  async #commit(batch: readonly Writing[]): Promise<readonly Written[]> {
    const first = await this.#writeAll(batch)
    if (first === undefined) return await this.#writeSome(batch)
    return batch.map((_, i) => ok({ index: first + i }))
  }

  /** Writes all of `batch` and returns the index of the first; undefined, and nothing is kept, if one may not be. */
  async #writeAll(batch: readonly Writing[]): Promise<number | undefined> {
    let first: Promise<number> | undefined
    try {
      await this.#store.transaction(async (tx) => {
        first = appendWithCommit(tx, batch, { conditions: conditionsOf(batch) })
      })
    } catch (fault) {
      if (isUnmet(fault)) return undefined
      throw fault
    }
    return await durable(first)
  }

  /** Writes those of `batch` that may be written. */
  async #writeSome(batch: readonly Writing[]): Promise<readonly Written[]> {
    let first: Promise<number> | undefined
    const refused = await this.#store.transaction(async (tx) => {
      const found = await refusals(tx, batch)
      const going = batch.filter((_, i) => found[i] === undefined)
      if (going.length > 0) first = appendWithCommit(tx, going)
      return found
    })
    let index = first === undefined ? 0 : await durable(first)
    return batch.map((_, i) => {
      const refusal = refused[i]
      return refusal === undefined ? ok({ index: index++ }) : refuse(refusal)
    })
  }
}

/**
 * The statements that fail unless all of `batch` may be written: the head is locked, then it is seen that
 * every standing holds, then all charges are taken.
 */
function conditionsOf(batch: readonly Writing[]): Statement[] {
  const standings = batch.flatMap(({ standing }) => standing ?? [])
  const charges = batch.flatMap(({ charge }) => charge ?? [])
  return [
    // What cannot be refused needs no look: `append` locks the head by itself.
    ...(standings.length === 0 ? [] : [LOCK_HEAD, allStand(standings)]),
    ...[...Map.groupBy(charges, ({ kind }) => kind)].map(([kind, all]) =>
      kind(all.map(({ from }) => from)),
    ),
  ]
}

/** Fails unless every standing holds; says the same as `fallen`, of all at once. */
function allStand(standings: readonly Standing[]): Statement {
  const readAt = new Map<Subject, number>()
  for (const one of standings) {
    for (const subject of one.relied) {
      const since = endsForGood(subject) ? 0 : one.readAt
      readAt.set(subject, Math.min(readAt.get(subject) ?? since, since))
    }
  }
  return {
    name: 'all_stand',
    text: ALL_STAND,
    values: [
      [...readAt.keys()],
      [...readAt.values()],
      Math.min(...standings.map(({ expiresAt = Number.MAX_SAFE_INTEGER }) => expiresAt)),
    ],
  }
}

const ALL_STAND = `
  select ${orFail(`
    $3::bigint > (extract(epoch from clock_timestamp()) * 1000)::bigint and not exists (
      select from unnest($1::text[], $2::bigint[]) as r (subject, read_at)
      where (select version from touched t where t.subject = r.subject) >= r.read_at
    )`)}`

type Refusals = (WriteRefusal | undefined)[]

/** Locks the head, and says of each whether it may not be written; takes the charges of those that may. */
async function refusals(tx: Tx, batch: readonly Writing[]): Promise<Refusals> {
  const standings = batch.flatMap(({ standing }) => standing ?? [])
  const found: Refusals = batch.map(() => undefined)
  // What cannot be refused needs no look: `append` locks the head by itself.
  if (standings.length > 0) {
    const [, checked] = await send(tx, [LOCK_HEAD, changesSince(standings)])
    const { now, versions } = seen(checked)
    for (const [i, { standing }] of batch.entries()) {
      if (standing !== undefined) found[i] = fallen(standing, versions, now)
    }
  }
  await take(tx, batch, found)
  return found
}

/** Takes the charges of those that are not refused, in their order, and adds the refusals. */
async function take(tx: Tx, batch: readonly Writing[], found: Refusals): Promise<void> {
  const charged = batch.flatMap(({ charge }, i) =>
    charge !== undefined && found[i] === undefined ? [{ charge, i }] : [],
  )
  if (charged.length === 0) return
  const answers = await send(
    tx,
    charged.map(({ charge }) => charge.statement),
  )
  for (const [at, { charge, i }] of charged.entries()) {
    const cause = charge.refusal(answers[at] as Answer)
    if (cause !== undefined) found[i] = { reason: 'not_admitted', cause }
  }
}

/** What was touched since the oldest of the facts was read, and what time it is. */
function changesSince(standings: readonly Standing[]): Statement {
  const relied = [...new Set(standings.flatMap((standing) => standing.relied))]
  return {
    name: 'changes_since',
    text: `
      select now.now, t.subject, t.version
      from (select (extract(epoch from clock_timestamp()) * 1000)::bigint as now) as now
      left join touched t
        on t.subject = any($1::text[]) and (t.version >= $2::bigint or t.subject = any($3::text[]))`,
    values: [
      relied,
      Math.min(...standings.map(({ readAt }) => readAt)),
      relied.filter(endsForGood),
    ],
  }
}

function seen(answer: Answer | undefined): { now: number; versions: ReadonlyMap<string, number> } {
  const rows = (answer?.rows ?? []) as readonly {
    readonly now: number
    readonly subject: string | null
    readonly version: number
  }[]
  const now = rows[0]?.now
  if (now === undefined) throw new Error('expected the time of the database, got none')
  const touched = rows.flatMap(({ subject, version }) =>
    subject === null ? [] : [[subject, version] as const],
  )
  return { now, versions: new Map(touched) }
}

/** Why facts no longer hold; undefined if they do. */
function fallen(
  { relied, readAt, expiresAt }: Standing,
  versions: ReadonlyMap<string, number>,
  now: number,
): WriteRefusal | undefined {
  if (versions.size > 0) {
    const ended = relied.find((each) => endsForGood(each) && versions.has(each))
    if (ended !== undefined) return { reason: 'ended', subject: ended }
    const subject = relied.find((each) => (versions.get(each) ?? -1) >= readAt)
    if (subject !== undefined) return { reason: 'stale', subject }
  }
  return expiresAt !== undefined && expiresAt <= now ? { reason: 'expired' } : undefined
}

/**
 * Leaves everything of `batch` to travel with the commit, behind the conditions, and the entries `following`
 * behind its own. Resolves with the index of the first once they are durable.
 */
function appendWithCommit(
  tx: Tx,
  batch: readonly Writing[],
  {
    conditions = [],
    following = [],
  }: {
    readonly conditions?: readonly Statement[]
    readonly following?: readonly PreparedEntry[]
  } = {},
): Promise<number> {
  const values = batch.flatMap((writing) => writing.values ?? [])
  const entries = [...batch.map(({ entry }) => entry), ...following]
  const before = [...conditions, ...(values.length === 0 ? [] : [keepStatement(values)])]
  const index = sendWithCommit(tx, [
    ...before,
    appendStatement(entries),
    // After the entries, whose indexes they may hold; the commit is already on its way.
    ...rowsBeside(batch, entries.length),
  ]).then((answers) => firstOf(answers[before.length]))
  // When the commit fails, whoever runs the transaction learns of it there and never comes to ask here.
  index.catch(() => undefined)
  return index
}

/** The statements for the rows of a batch, one per kind. */
function rowsBeside(batch: readonly Writing[], entries: number): Statement[] {
  const kinds = new Map<RowBeside['kind'], Positioned[]>()
  for (const [at, { rows = [] }] of batch.entries()) {
    for (const { kind, row } of rows) {
      const known = kinds.get(kind)
      if (known === undefined) kinds.set(kind, [{ row, at }])
      else known.push({ row, at })
    }
  }
  return [...kinds].map(([kind, rows]) => kind(rows, entries))
}

/** The index, which is there once the transaction has ended well. */
async function durable(first: Promise<number> | undefined): Promise<number> {
  if (first === undefined) throw new Error('expected entries to be appended')
  return await first
}

function bytesOf({ entry, values = [] }: Writing): number {
  return values.reduce((sum, { bytes }) => sum + bytes.length, entry.bytes.length)
}
