/**
 * Values beside the log: personal or large ones that an entry refers to by a salted digest (`Sealed`).
 *
 * Call `seal` or `sealMany` before `append`, in the same transaction. Erasing a value removes it with
 * its salt; the entries and the proofs over them stay as they were, and whoever kept value and salt
 * elsewhere can still show that they are the ones meant.
 */

import { sql } from 'kysely'
import { sha256, type Digest } from '../base/bytes.ts'
import { canonicalJson, type Json } from '../base/canonical-json.ts'
import type { Clock } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import type { Store, Tx } from '../store/store.ts'
import type { Sealed } from './entry.ts'

/** What can be sealed: a JSON value, or bytes. */
export type SealedValue = Json | Uint8Array

/** A value to seal and whom it is about, so that all values about a subject can be erased. */
export interface Sealing {
  readonly value: SealedValue
  readonly subject?: string
}

/** Values beside the log. */
export interface Vault {
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
  const sealMany = (tx: Tx, sealings: readonly Sealing[]): Promise<Sealed[]> =>
    keep(tx, sealings, env.random)
  return {
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

async function keep(tx: Tx, sealings: readonly Sealing[], random: Random): Promise<Sealed[]> {
  if (sealings.length === 0) return []
  const rows = sealings.map(({ value, subject }) => {
    const bytes = canonicalBytes(value)
    const salt = random.bytes(SALT_BYTES)
    const digest = sha256(Buffer.concat([salt, bytes])).toString('hex')
    const form = value instanceof Uint8Array ? 'bytes' : 'json'
    return { digest: `sha256:${digest}`, salt, bytes, form, subject: subject ?? null }
  })
  await sql`
    insert into vault_value (digest, salt, value, form, subject)
    select * from unnest(
      ${rows.map((r) => r.digest)}::text[],
      ${rows.map((r) => r.salt)}::bytea[],
      ${rows.map((r) => r.bytes)}::bytea[],
      ${rows.map((r) => r.form)}::text[],
      ${rows.map((r) => r.subject)}::text[]
    )`.execute(tx)
  return rows.map((r) => ({ sealed: r.digest, bytes: r.bytes.length }))
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
