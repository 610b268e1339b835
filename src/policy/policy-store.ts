/**
 * The tables of policies. Texts are kept by digest, versions as they were proposed; nothing but the one
 * row of `policy_in_force` ever changes.
 */

import { sql } from 'kysely'
import * as z from 'zod'
import { digestOf, type Digest } from '../base/bytes.ts'
import type { JsonObject } from '../base/canonical-json.ts'
import type { PolicySources } from '../decision/compile.ts'
import { SET_NAMES } from '../decision/policy-set.ts'
import type { Store, Tx } from '../store/store.ts'
import {
  digestSchema,
  policyIdSchema,
  setsSchema,
  type PolicyId,
  type PolicyVersion,
} from './version.ts'

/** A transaction, or the store for single statements. */
export type Db = Tx | Store['db']

/** What the one row says, before anything of it is believed. */
export interface InForceRow {
  readonly version: Digest
  readonly sets: PolicyVersion['sets']
  readonly policy: PolicyId | undefined
  /** The signed activation; absent in a row of before activations were signed. */
  readonly activation: string | undefined
}

/** A version with the signature over it. */
export interface SignedVersion {
  readonly version: PolicyVersion
  readonly signed: string
}

/** A dry-run as it is kept with a version. */
export interface KeptDryRun {
  readonly digest: Digest
  readonly base: Digest
  readonly report: JsonObject
}

type PolicyTables = {
  policy_text: { digest: string; text: string }
  policy_version: {
    id: PolicyId
    version: string
    sets: unknown
    tests: unknown
    author: string
    summary: string
    base: string | null
    created_at: number
    signed: string
  }
  policy_dry_run: {
    policy: PolicyId
    digest: string
    base: string
    report: unknown
    created_at: number
  }
  policy_review: { policy: PolicyId; signed: string }
  policy_activation: { number: number; policy: PolicyId; activated_at: number; signed: string }
}

const inForceSchema = z.object({
  version: digestSchema,
  sets: setsSchema,
  policy: policyIdSchema.nullable(),
  activation: z.string().nullable(),
})

/** Which version is in force, and the index of the entry that last changed it: one row by key. */
export async function readMark(
  db: Db,
): Promise<{ readonly activation: string | null; readonly touched: number | null } | undefined> {
  const { rows } = await sql<{ activation: string | null; touched: number | null }>`
    select p.activation, t.version as touched
    from policy_in_force p left join touched t on t.subject = 'policy'
    where p.version is not null`.execute(db)
  return rows[0]
}

/** What is in force; with `lock`, other activations wait until the transaction ends. */
export async function readInForce(tx: Tx, lock: 'lock' | 'look'): Promise<InForceRow | undefined> {
  const { rows } = await sql<Record<string, unknown>>`
    select version, sets, policy, activation from policy_in_force
    ${lock === 'lock' ? sql`for update` : sql``}`.execute(tx)
  const [row] = rows
  if (row === undefined) throw new Error('expected a row in `policy_in_force`, got none')
  if (row['version'] === null) return undefined
  const { policy, activation, ...rest } = inForceSchema.parse(row)
  return { ...rest, policy: policy ?? undefined, activation: activation ?? undefined }
}

/** The texts behind `sets`; one that is missing or does not have its digest is a fault. */
export async function readTexts(tx: Tx, sets: PolicyVersion['sets']): Promise<PolicySources> {
  const rows = await tx
    .withTables<PolicyTables>()
    .selectFrom('policy_text')
    .select(['digest', 'text'])
    .where('digest', 'in', Object.values(sets))
    .execute()
  const texts = new Map(rows.map((row) => [row.digest, row.text]))
  const entries = SET_NAMES.map((name) => {
    const text = texts.get(sets[name])
    if (text === undefined || digestOf(text) !== sets[name]) {
      throw new Error(`expected the text of policy set \`${name}\` under \`${sets[name]}\``)
    }
    return [name, text]
  })
  return Object.fromEntries(entries) as PolicySources
}

/** Puts a version in force, and keeps when. */
export async function writeInForce(
  tx: Tx,
  { id, version, sets }: PolicyVersion,
  { signed, at }: { readonly signed: string; readonly at: number },
): Promise<void> {
  await sql`update policy_in_force set version = ${version}, sets = ${JSON.stringify(sets)}::jsonb,
    policy = ${id}, activation = ${signed}`.execute(tx)
  await tx
    .withTables<PolicyTables>()
    .insertInto('policy_activation')
    .values({ policy: id, activated_at: at, signed } as never)
    .execute()
}

/** The same activation and version signed anew, before the key that signed them is forgotten. */
export async function replaceSignatures(
  tx: Tx,
  policy: PolicyId,
  signed: { readonly activation: string; readonly version: string },
): Promise<void> {
  await sql`update policy_in_force set activation = ${signed.activation}`.execute(tx)
  await sql`update policy_version set signed = ${signed.version} where id = ${policy}`.execute(tx)
}

/** Keeps a version and its texts. */
export async function insertVersion(
  tx: Tx,
  { version, signed }: SignedVersion,
  sources: PolicySources,
): Promise<void> {
  const { id, sets, tests, author, summary, base, createdAt } = version
  await tx
    .withTables<PolicyTables>()
    .insertInto('policy_text')
    .values(SET_NAMES.map((name) => ({ digest: sets[name], text: sources[name] })))
    .onConflict((conflict) => conflict.doNothing())
    .execute()
  await tx
    .withTables<PolicyTables>()
    .insertInto('policy_version')
    .values({
      id,
      version: version.version,
      sets: JSON.stringify(sets),
      tests: JSON.stringify(tests),
      author,
      summary,
      base: base ?? null,
      created_at: createdAt,
      signed,
    })
    .execute()
}

/** One version as the table has it. */
export async function readVersion(tx: Tx, id: string): Promise<SignedVersion | undefined> {
  const row = await versions(tx)
    .where('id', '=', id as PolicyId)
    .executeTakeFirst()
  return row && versionFrom(row)
}

/** The last versions, the newest first. */
export async function listVersions(tx: Tx, limit: number): Promise<SignedVersion[]> {
  const rows = await versions(tx)
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .limit(limit)
    .execute()
  return rows.map(versionFrom)
}

/** When versions came into force, the latest first. */
export async function listActivations(
  tx: Tx,
  limit: number,
): Promise<{ readonly policy: PolicyId; readonly activatedAt: number; readonly signed: string }[]> {
  const rows = await tx
    .withTables<PolicyTables>()
    .selectFrom('policy_activation')
    .select(['policy', 'activated_at', 'signed'])
    .orderBy('number', 'desc')
    .limit(limit)
    .execute()
  return rows.map(({ policy, activated_at: activatedAt, signed }) => ({
    policy,
    activatedAt,
    signed,
  }))
}

/** Whether a version was ever in force. */
export async function wasInForce(tx: Tx, policy: PolicyId): Promise<boolean> {
  const row = await tx
    .withTables<PolicyTables>()
    .selectFrom('policy_activation')
    .select('number')
    .where('policy', '=', policy)
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}

/** Keeps a dry-run; the same report once. */
export async function insertDryRun(
  tx: Tx,
  policy: PolicyId,
  { digest, base, report }: KeptDryRun,
  at: number,
): Promise<void> {
  await tx
    .withTables<PolicyTables>()
    .insertInto('policy_dry_run')
    .values({ policy, digest, base, report: JSON.stringify(report), created_at: at })
    .onConflict((conflict) => conflict.doNothing())
    .execute()
}

/** The last dry-run of a version. */
export async function lastDryRun(tx: Tx, policy: PolicyId): Promise<KeptDryRun | undefined> {
  const row = await tx
    .withTables<PolicyTables>()
    .selectFrom('policy_dry_run')
    .select(['digest', 'base', 'report'])
    .where('policy', '=', policy)
    .orderBy('created_at', 'desc')
    .limit(1)
    .executeTakeFirst()
  if (row === undefined) return undefined
  const { digest, base } = row
  return {
    digest: digestSchema.parse(digest),
    base: digestSchema.parse(base),
    report: row.report as JsonObject,
  }
}

/** Keeps a review; `false` if the version was reviewed already. */
export async function insertReview(tx: Tx, policy: PolicyId, signed: string): Promise<boolean> {
  const added = await tx
    .withTables<PolicyTables>()
    .insertInto('policy_review')
    .values({ policy, signed })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst()
  return added.numInsertedOrUpdatedRows === 1n
}

/** The signed review of a version. */
export async function readReview(tx: Tx, policy: PolicyId): Promise<string | undefined> {
  const row = await tx
    .withTables<PolicyTables>()
    .selectFrom('policy_review')
    .select('signed')
    .where('policy', '=', policy)
    .executeTakeFirst()
  return row?.signed
}

/** The signed mode; absent while nobody set one. */
export async function readMode(tx: Tx): Promise<string | undefined> {
  const { rows } = await sql<{ mode: string | null }>`select mode from policy_in_force`.execute(tx)
  return rows[0]?.mode ?? undefined
}

/** Keeps a signed mode. */
export async function writeMode(tx: Tx, signed: string): Promise<void> {
  await sql`update policy_in_force set mode = ${signed}`.execute(tx)
}

const versionRow = z.object({
  id: policyIdSchema,
  version: digestSchema,
  sets: setsSchema,
  tests: z.record(z.string(), z.string()),
  author: z.string(),
  summary: z.string(),
  base: digestSchema.nullable(),
  created_at: z.number(),
  signed: z.string(),
})

function versions(tx: Tx) {
  return tx
    .withTables<PolicyTables>()
    .selectFrom('policy_version')
    .select(['id', 'version', 'sets', 'tests', 'author', 'summary', 'base', 'created_at', 'signed'])
}

function versionFrom(row: unknown): SignedVersion {
  const { signed, base, created_at: createdAt, ...rest } = versionRow.parse(row)
  return { signed, version: { ...rest, createdAt, ...(base !== null && { base }) } }
}
