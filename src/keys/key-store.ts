/**
 * Table `signing_key`. A row holds the key itself sealed, public part included: whoever can write the
 * table but lacks the master key cannot make us trust a key of theirs.
 */

import { sql } from 'kysely'
import type { Tx } from '../store/store.ts'
import type { Random } from '../base/random.ts'
import type { ScheduledKey } from './key-schedule.ts'
import { type MasterKey, seal, unseal } from './seal.ts'
import { publishedKeyFrom, type Purpose, signingKeyFrom } from './signing-key.ts'

/** What sealing needs. */
export interface SealEnv {
  readonly random: Random
  readonly masterKey: MasterKey
}

type KeyTables = {
  signing_key: {
    kid: string
    purpose: Purpose
    /** Whether `sealed` is PKCS#8 (it can sign) or SPKI (it could). */
    signs: boolean
    sealed: Buffer
    created_at: number
    ready_at: number
    signs_from: number | null
    retired_at: number | null
    certificate: Buffer | null
  }
}

type Row = KeyTables['signing_key']

/** Makes changes to the keyring wait for each other until the transaction ends. */
export async function lockKeys(tx: Tx): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtextextended('behalf:keyring', 0))`.execute(tx)
}

/** All keys, opened, the oldest first. */
export async function loadKeys(tx: Tx, env: SealEnv): Promise<ScheduledKey[]> {
  const rows = await tx
    .withTables<KeyTables>()
    .selectFrom('signing_key')
    .select([
      'kid',
      'purpose',
      'signs',
      'sealed',
      'created_at',
      'ready_at',
      'signs_from',
      'retired_at',
      'certificate',
    ])
    .orderBy('created_at')
    .orderBy('kid')
    .execute()
  return rows.map((row) => open(row, env))
}

/** Adds a key. */
export async function insertKey(tx: Tx, held: ScheduledKey, env: SealEnv): Promise<void> {
  await tx.withTables<KeyTables>().insertInto('signing_key').values(close(held, env)).execute()
}

/** Replaces a key's instants and certificate; a key that will sign no more loses its private part. */
export async function updateKey(tx: Tx, held: ScheduledKey, env: SealEnv): Promise<void> {
  const { kid, ...row } = close(held, env)
  await tx
    .withTables<KeyTables>()
    .updateTable('signing_key')
    .set(row)
    .where('kid', '=', kid)
    .execute()
}

/** Forgets a key. */
export async function deleteKey(tx: Tx, kid: string): Promise<void> {
  await tx.withTables<KeyTables>().deleteFrom('signing_key').where('kid', '=', kid).execute()
}

function open(row: Row, env: SealEnv): ScheduledKey {
  const der = unseal(env.masterKey, row.sealed, about(row, row.signs))
  const make = row.signs ? signingKeyFrom : publishedKeyFrom
  const key = make(row.purpose, der, row.created_at)
  if (key.kid !== row.kid) throw new Error(`expected key \`${row.kid}\`, got \`${key.kid}\``)
  return {
    key: row.certificate === null ? key : { ...key, certificate: row.certificate },
    readyAt: row.ready_at,
    signsFrom: row.signs_from,
    retiredAt: row.retired_at,
  }
}

function close(held: ScheduledKey, env: SealEnv): Row {
  const { key } = held
  const signs = 'privateKey' in key
  const der = signs
    ? key.privateKey.export({ format: 'der', type: 'pkcs8' })
    : key.publicKey.export({ format: 'der', type: 'spki' })
  return {
    kid: key.kid,
    purpose: key.purpose,
    signs,
    sealed: seal(env.masterKey, der, about(key, signs), env),
    created_at: key.createdAt,
    ready_at: held.readyAt,
    signs_from: held.signsFrom,
    retired_at: held.retiredAt,
    certificate: key.certificate ?? null,
  }
}

function about(key: { kid: string; purpose: Purpose }, signs: boolean): string {
  return `signing_key:${key.purpose}:${key.kid}:${signs ? 'private' : 'public'}`
}
