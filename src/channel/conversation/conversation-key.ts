/**
 * The key of a conversation's vectors: random, sealed under the master key, known to nobody else.
 *
 * Call `keyFor` with all principals of a turn. When two of them come too close, a key of a new epoch takes
 * its place, and the caller records that.
 */

import { sql } from 'kysely'
import type { Random } from '../../base/random.ts'
import { type MasterKey, seal, unseal } from '../../keys/seal.ts'
import { send, type Statement } from '../../store/statement.ts'
import type { Tx } from '../../store/store.ts'
import type { ConversationId } from './conversation.ts'
import type { Principal } from './envelopes.ts'
import { closePair, KEY_BYTES } from './principal-vector.ts'

/** What keys need. */
export interface KeyEnv {
  readonly random: Random
  readonly masterKey: MasterKey
}

/** A key and its place among those that the conversation had. */
export interface ConversationKey {
  readonly key: Uint8Array
  readonly epoch: number
}

/** With 250 principals seven keys in ten have a close pair; that so many in a row have one is no chance. */
const MOST_TRIES = 64

/** Seals a first key. */
export async function openKey(tx: Tx, id: ConversationId, env: KeyEnv): Promise<void> {
  await send(tx, [keeping(id, { key: env.random.bytes(KEY_BYTES), epoch: 0 }, env)])
}

/** The key under which all of `principals` are apart; `rekeyed` keeps it, if it is a new one. */
export async function keyFor(
  tx: Tx,
  id: ConversationId,
  principals: readonly Principal[],
  env: KeyEnv,
): Promise<ConversationKey & { readonly rekeyed?: Statement }> {
  const current = await currentKey(tx, id, env)
  if (closePair(current.key, principals) === undefined) return current
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const key = env.random.bytes(KEY_BYTES)
    if (closePair(key, principals) !== undefined) continue
    const next = { key, epoch: current.epoch + 1 }
    return { ...next, rekeyed: keeping(id, next, env) }
  }
  throw new Error(`expected a key under which ${principals.length} principals are apart`)
}

/** The key that the conversation had in an epoch. */
export async function keyAt(
  tx: Tx,
  id: ConversationId,
  epoch: number,
  env: Pick<KeyEnv, 'masterKey'>,
): Promise<Uint8Array> {
  const { rows } = await sql<{ sealed: Buffer }>`
    select sealed from conversation_key where conversation = ${id} and epoch = ${epoch}`.execute(tx)
  const [row] = rows
  if (row === undefined) throw new Error(`expected a key of \`${id}\` for epoch ${epoch}`)
  return unseal(env.masterKey, row.sealed, aboutKey(id, epoch))
}

async function currentKey(tx: Tx, id: ConversationId, env: KeyEnv): Promise<ConversationKey> {
  const { rows } = await sql<{ epoch: number; sealed: Buffer }>`
    select epoch, sealed from conversation_key where conversation = ${id}
    order by epoch desc limit 1`.execute(tx)
  const [row] = rows
  if (row === undefined) throw new Error(`expected a key of \`${id}\``)
  return { epoch: row.epoch, key: unseal(env.masterKey, row.sealed, aboutKey(id, row.epoch)) }
}

function keeping(id: ConversationId, { key, epoch }: ConversationKey, env: KeyEnv): Statement {
  const sealed = seal(env.masterKey, key, aboutKey(id, epoch), env)
  return {
    name: 'keep_conversation_key',
    text: 'insert into conversation_key (conversation, epoch, sealed) values ($1, $2, $3)',
    values: [id, epoch, Buffer.from(sealed)],
  }
}

function aboutKey(id: ConversationId, epoch: number): string {
  return `conversation_key:${id}:${epoch}`
}
