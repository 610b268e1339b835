/**
 * Values beside the log: personal or large ones that an entry refers to by a salted digest (`Sealed`).
 *
 * Call `seal` or `sealMany` before `append`, in the same transaction; `prepare` where `log-writer.ts`
 * keeps the values of many callers together. Erasing a value removes it with
 * its salt; the entries and the proofs over them stay as they were, and whoever kept value and salt
 * elsewhere can still show that they are the ones meant.
 */

import { sql } from 'kysely'
import { sha256, type Digest } from '../base/bytes.ts'
import { canonicalJson, type Json } from '../base/canonical-json.ts'
import type { Clock } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import { joined, send, type Statement } from '../store/statement.ts'
import type { Store, Tx } from '../store/store.ts'
import type { Sealed } from './entry.ts'

/** What can be sealed: a JSON value, or bytes. */
export type SealedValue = Json | Uint8Array

/** A value to seal and whom it is about, so that all values about a subject can be erased. */
export interface Sealing {
  readonly value: SealedValue
  readonly subject?: string
}

/** A value that is sealed and not yet kept: the reference, and the row that it stands for. */
export interface SealedRow {
  readonly sealed: Sealed
  readonly salt: Buffer
  readonly bytes: Buffer
  readonly form: 'json' | 'bytes'
  readonly subject: string | null
}

/** Values beside the log. */
export interface Vault {
  /** Seals values without keeping them; `keepStatement` keeps many by one statement. */
  prepare(sealings: readonly Sealing[]): SealedRow[]
  /** Keeps `value` and returns the reference to put into an entry. */
  seal(tx: Tx, value: SealedValue, about: { readonly subject?: string }): Promise<Sealed>
  /** Keeps several values by one statement; the references come in the order of `sealings`. */
  sealMany(tx: Tx, sealings: readonly Sealing[]): Promise<Sealed[]>
  /** The value, or undefined if it was erased. Throws if what is kept is not what was sealed. */
  open(db: Db, sealed: Sealed): Promise<SealedValue | undefined>
  /** The values that were not erased, by digest. Throws like `open`. */
  openMany(db: Db, sealed: readonly Sealed[]): Promise<ReadonlyMap<string, SealedValue>>
  /** Erases every value about `subject`, for good, and returns how many there were. */
  erase(tx: Tx, subject: string): Promise<number>
}

/** A transaction, or the database for a single statement. */
type Db = Tx | Store['db']

const SALT_BYTES = 16

/** The vault that keeps values in Postgres. */
export function openVault(env: { readonly random: Random; readonly clock: Clock }): Vault {
  const prepare = (sealings: readonly Sealing[]): SealedRow[] =>
    sealings.map((sealing) => sealedRow(sealing, env.random))
  const sealMany = async (tx: Tx, sealings: readonly Sealing[]): Promise<Sealed[]> => {
    const rows = prepare(sealings)
    if (rows.length > 0) await send(tx, [keepStatement(rows)])
    return rows.map(({ sealed }) => sealed)
  }
  return {
    prepare,
    sealMany,
    async seal(tx, value, about) {
      const [sealed] = await sealMany(tx, [{ ...about, value }])
      if (sealed === undefined) throw new Error('expected one reference, got none')
      return sealed
    },
    async open(db, sealed) {
      return (await openMany(db, [sealed])).get(sealed.sealed)
    },
    openMany,
    erase: (tx, subject) => erase(tx, subject, env.clock),
  }
}

/** The digest that stands in an entry for a value: SHA-256 over salt and canonical value. */
export function sealedDigest(salt: Uint8Array, value: SealedValue): Digest {
  return `sha256:${sha256(Buffer.concat([salt, canonicalBytes(value)])).toString('hex')}`
}

/** The statement that keeps what was sealed. */
export function keepStatement(rows: readonly SealedRow[]): Statement {
  const { bytes, starts, lengths } = joined(rows.map((row) => row.bytes))
  return {
    name: 'keep_values',
    text: `
      insert into vault_value (digest, salt, value, form, subject)
      select v.digest, substr($1::bytea, ${SALT_BYTES} * v.at::integer - ${SALT_BYTES - 1}, ${SALT_BYTES}),
        substr($2::bytea, v.start, v.length), v.form, v.subject
      from unnest($3::integer[], $4::integer[], $5::text[], $6::text[], $7::text[])
        with ordinality as v(start, length, digest, form, subject, at)`,
    values: [
      Buffer.concat(rows.map((row) => row.salt)),
      bytes,
      starts,
      lengths,
      rows.map((row) => row.sealed.sealed),
      rows.map((row) => row.form),
      rows.map((row) => row.subject),
    ],
  }
}

function sealedRow({ value, subject }: Sealing, random: Random): SealedRow {
  const bytes = canonicalBytes(value)
  const salt = random.bytes(SALT_BYTES)
  const digest: Digest = `sha256:${sha256(Buffer.concat([salt, bytes])).toString('hex')}`
  const form = value instanceof Uint8Array ? 'bytes' : 'json'
  return {
    sealed: { sealed: digest, bytes: bytes.length },
    salt,
    bytes,
    form,
    subject: subject ?? null,
  }
}

async function openMany(
  db: Db,
  sealed: readonly Sealed[],
): Promise<ReadonlyMap<string, SealedValue>> {
  const { rows } = await sql<{ digest: string; salt: Buffer; value: Buffer; form: string }>`
    select digest, salt, value, form from vault_value
    where digest = any(${sealed.map((s) => s.sealed)}::text[]) and erased_at is null`.execute(db)
  return new Map(
    rows.map((row) => {
      // Verify, then parse: the entry's digest is the only word on what the value was.
      if (sealedDigest(row.salt, row.value) !== row.digest) {
        throw new Error(`expected the value that was sealed as \`${row.digest}\`, got another`)
      }
      const value =
        row.form === 'json' ? (JSON.parse(row.value.toString('utf8')) as Json) : row.value
      return [row.digest, value]
    }),
  )
}

async function erase(tx: Tx, subject: string, clock: Clock): Promise<number> {
  const { numAffectedRows } = await sql`
    update vault_value set salt = null, value = null, erased_at = ${clock.nowMilliseconds()}
    where subject = ${subject} and erased_at is null`.execute(tx)
  return Number(numAffectedRows ?? 0n)
}

function canonicalBytes(value: SealedValue): Buffer {
  if (value instanceof Uint8Array) return Buffer.from(value)
  return Buffer.from(canonicalJson(value), 'utf8')
}
