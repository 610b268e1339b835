/**
 * Admits calls and records what becomes of them, through the one writer of the log.
 *
 * Call `Admissions.admit` for a call that was decided, `Admissions.record` for any other entry. Why the
 * order of what happens then is right is said in `audit/log-writer.ts`.
 *
 * INVARIANT (one instant): an intended entry names the log size at which its facts were read and every
 * subject that they are about, and is written only if none of them was touched since.
 *
 * INVARIANT (record first): `admit` resolves after the intended entry is durable; the effect comes after.
 */

import { prepareEntry } from '../audit/append.ts'
import type { Entry, EntryOf, Sealed } from '../audit/entry.ts'
import type { Charge, LogWriter, RowBeside, Writing, Written } from '../audit/log-writer.ts'
import { hasOutcome } from '../audit/queries.ts'
import type { Sealing, Vault } from '../audit/vault.ts'
import type { Clock } from '../base/clock.ts'
import { ok, refuse, type Result } from '../base/result.ts'
import { branchOf } from '../delegation/standing.ts'
import { Allowances, type Rate } from '../identity/allowance.ts'
import type { Tx } from '../store/store.ts'
import { tokenSubject } from '../token/revoked-tokens.ts'
import { callerOf, callMembers } from './call-entry.ts'
import type { JudgedCall } from './judge.ts'

/** A decided call that asks to be admitted; `entry.arguments` is filled in from `sealings[0]`. */
export interface Intended {
  readonly entry: EntryOf<'call_intended'>
  readonly sealings: readonly [Sealing]
  /** The limits that the call takes from. */
  readonly charge?: Charge
  /**
   * What else must hold at the same instant and is written with it: an approval to consume, others to
   * void. A call that has it is admitted in a transaction of its own, because a refusal rolls back.
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

/** The index of the intended entry, or why there is none: `stale`, `expired`, `not_admitted`. */
export type Admission = Written

/** An entry to record beside calls, with values and rows that belong to it. */
export interface Recorded {
  /** The entry once the digests of `sealings` are known, in their order. */
  readonly entry: (sealed: readonly Sealed[]) => Entry
  readonly sealings: readonly Sealing[]
  /** Rows that are written with the entry. */
  readonly rows?: (sealed: readonly Sealed[]) => readonly RowBeside[]
}

interface AdmissionsEnv {
  readonly logWriter: LogWriter
  readonly vault: Vault
  readonly clock: Clock
}

/** What one agent may make the log say without any effect: an agent gone wild must not fill it. */
const IDLE: Rate = { burst: 1_000, perSecond: 20 }

/** The gateway's way to the log. */
export class Admissions {
  readonly #env: AdmissionsEnv
  readonly #idle: Allowances

  constructor(env: AdmissionsEnv, idle: Rate = IDLE) {
    this.#env = env
    this.#idle = new Allowances(idle, env)
  }

  /** Admits a decided call: after it, the record is durable and the call must be made. */
  async admit({ entry, sealings, charge, also }: Intended): Promise<Admission> {
    const { logWriter, vault } = this.#env
    const values = vault.prepare(sealings)
    const [sealed] = values.map((value) => value.sealed)
    const writing = {
      entry: prepareEntry({ ...entry, ...(sealed !== undefined && { arguments: sealed }) }),
      values,
      standing: entry,
      ...(charge !== undefined && { charge }),
    }
    if (also === undefined) return await logWriter.write(writing)
    return await logWriter.writeAlone(writing, also)
  }

  /** Records an entry durably and returns its index. */
  async record(recorded: Recorded): Promise<number> {
    const written = await this.#env.logWriter.write(this.#writing(recorded))
    if (!written.ok) throw new Error(`unexpected refusal \`${written.error.reason}\``)
    return written.value.index
  }

  /**
   * Records what had no effect (a refusal, a list) for an agent. False, and nothing is recorded, when the
   * agent has used up what it may: then it must be given nothing either.
   */
  async recordIdle(agent: string, recorded: Recorded): Promise<boolean> {
    if (!this.takeIdle(agent)) return false
    await this.record(recorded)
    return true
  }

  /** Takes one of the records without effect that an agent may cause; false if it has used them up. */
  takeIdle(agent: string): boolean {
    return this.#idle.take(agent)
  }

  /**
   * Records the outcome of the call that was intended at `intended`, unless it has one: after a fault
   * nobody can tell whether what was written before was kept.
   */
  async recordUnlessEnded(intended: number, recorded: Recorded): Promise<void> {
    const anyway = { readAt: 0, relied: [] }
    await this.#env.logWriter.writeAlone(
      { ...this.#writing(recorded), standing: anyway },
      async (tx) => ((await hasOutcome(tx, intended)) ? refuse({ reason: 'has_outcome' }) : ok([])),
    )
  }

  #writing({ entry, sealings, rows }: Recorded): Writing {
    const values = this.#env.vault.prepare(sealings)
    const sealed = values.map((value) => value.sealed)
    return {
      entry: prepareEntry(entry(sealed)),
      values,
      ...(rows !== undefined && { rows: rows(sealed) }),
    }
  }
}
