/** Tables `policy_text` and `policy_in_force`. Texts are kept by digest, so what was once in force can be read. */

import { sql } from 'kysely'
import * as z from 'zod'
import { digestOf, type Digest } from '../base/bytes.ts'
import type { PolicySources } from '../decision/compile.ts'
import { SET_NAMES, type SetName } from '../decision/policy-set.ts'
import type { Store, Tx } from '../store/store.ts'

/** A transaction, or the store for single statements. */
export type Db = Tx | Store['db']

/** Which sets are in force: their digests, and the version that stands for all of them. */
export interface InForce {
  readonly version: Digest
  readonly sets: Readonly<Record<SetName, Digest>>
}

type PolicyTables = {
  policy_text: { digest: string; text: string }
  policy_in_force: { singleton: boolean; version: string | null; sets: unknown }
}

const digest = z.custom<Digest>((value) => /^sha256:[0-9a-f]{64}$/.test(String(value)))
const rowSchema = z.object({ version: digest, sets: z.record(z.enum(SET_NAMES), digest) })

/** The version in force; `undefined` before the first activation. */
export async function readVersion(db: Db): Promise<Digest | undefined> {
  const row = await db
    .withTables<PolicyTables>()
    .selectFrom('policy_in_force')
    .select(['version'])
    .executeTakeFirstOrThrow()
  return row.version === null ? undefined : digest.parse(row.version)
}

/** What is in force; with `lock`, other activations wait until the transaction ends. */
export async function readInForce(tx: Tx, lock: 'lock' | 'look'): Promise<InForce | undefined> {
  const query = tx
    .withTables<PolicyTables>()
    .selectFrom('policy_in_force')
    .select(['version', 'sets'])
  const row = await (lock === 'lock' ? query.forUpdate() : query).executeTakeFirstOrThrow()
  return row.version === null ? undefined : rowSchema.parse(row)
}

/** The texts behind `inForce`; one that is missing or does not have its digest is a fault. */
export async function readTexts(tx: Tx, { sets }: InForce): Promise<PolicySources> {
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

/** Puts sets in force. */
export async function writeInForce(
  tx: Tx,
  inForce: InForce,
  sources: PolicySources,
): Promise<void> {
  await tx
    .withTables<PolicyTables>()
    .insertInto('policy_text')
    .values(SET_NAMES.map((name) => ({ digest: inForce.sets[name], text: sources[name] })))
    .onConflict((conflict) => conflict.doNothing())
    .execute()
  await sql`update policy_in_force
    set version = ${inForce.version}, sets = ${JSON.stringify(inForce.sets)}::jsonb`.execute(tx)
}
