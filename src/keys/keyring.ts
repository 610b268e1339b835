/**
 * The keyring: every key that this installation signs with, shared by its replicas.
 *
 * Call `openKeyring` once; `active` gives the key to sign with, `find` the key to verify with,
 * `published` what others should know. Keys lie in Postgres, sealed under the master key. A rotation
 * touches the subject `keyring`: whoever follows the change feed calls `reload` then.
 *
 * @see ARCHITECTURE.md, "separate powers"
 */

import type { Actor } from '../audit/entry.ts'
import { append } from '../audit/append.ts'
import type { Clock } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import type { Store, Tx } from '../store/store.ts'
import {
  firstKeys,
  isSpent,
  KeySchedule,
  rotation,
  type ScheduledKey,
  withoutSpentPower,
} from './key-schedule.ts'
import { deleteKey, insertKey, loadKeys, lockKeys, updateKey } from './key-store.ts'
import type { MasterKey } from './seal.ts'
import { type PublishedKey, PURPOSES, type Purpose, type SigningKey } from './signing-key.ts'

/** Keys to sign and verify with. */
export interface Keyring {
  /** The key that signs now. */
  active(purpose: Purpose): SigningKey
  /** What verifiers should know: next, active, and retired keys whose signatures may still be valid. */
  published(purpose: Purpose): readonly PublishedKey[]
  /** A published key by its `kid`. */
  find(purpose: Purpose, kid: string): PublishedKey | undefined
  /** Makes the next key sign, retires the active one, and publishes a new next one. Returns the key that signs next. */
  rotate(purpose: Purpose, by?: Actor): Promise<SigningKey>
  /** Keeps the certificate of an `svid_ca` key, unless it has one; returns the key with the one it has. */
  certify(kid: string, certificate: Buffer): Promise<PublishedKey>
  /** Reads what other replicas changed. */
  reload(): Promise<void>
}

/** The subject that a change of keys touches. */
export const KEYRING_SUBJECT = 'keyring'

interface Env {
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly masterKey: MasterKey
}

const SYSTEM: Actor = { type: 'system', part: 'keys' }

/** Opens the keyring and makes the keys that are missing. Throws if the master key is another one. */
export async function openKeyring(env: Env): Promise<Keyring> {
  const keys = await env.store.transaction(async (tx) => {
    await lockKeys(tx)
    await tidy(tx, env)
    const held = await loadKeys(tx, env)
    const made = PURPOSES.filter((purpose) => !held.some(({ key }) => key.purpose === purpose)).map(
      (purpose) => firstKeys(purpose, env.clock.nowMilliseconds()),
    )
    for (const key of made.flat()) await insertKey(tx, key, env)
    if (made.length > 0) {
      await append(
        tx,
        made.map(([{ key }]) => rotated(key, [], { env, by: SYSTEM })),
      )
    }
    return [...held, ...made.flat()]
  })
  return new StoredKeyring(keys, env)
}

class StoredKeyring implements Keyring {
  readonly #env: Env
  #schedule: KeySchedule

  constructor(keys: readonly ScheduledKey[], env: Env) {
    this.#env = env
    this.#schedule = new KeySchedule(keys, env.clock)
  }

  active(purpose: Purpose): SigningKey {
    return this.#schedule.active(purpose)
  }

  published(purpose: Purpose): readonly PublishedKey[] {
    return this.#schedule.published(purpose)
  }

  find(purpose: Purpose, kid: string): PublishedKey | undefined {
    return this.#schedule.find(purpose, kid)
  }

  async rotate(purpose: Purpose, by: Actor = SYSTEM): Promise<SigningKey> {
    const env = this.#env
    const promoted = await env.store.transaction(async (tx) => {
      await lockKeys(tx)
      const keys = await loadKeys(tx, env)
      const now = env.clock.nowMilliseconds()
      const change = rotation(keys, purpose, now)
      await updateKey(tx, change.retired, env)
      await updateKey(tx, change.promoted, env)
      await insertKey(tx, change.next, env)
      await tidy(tx, env)
      await append(tx, [rotated(change.promoted.key, [change.retired.key.kid], { env, by })])
      return change.promoted.key
    })
    await this.reload()
    return promoted
  }

  async certify(kid: string, certificate: Buffer): Promise<PublishedKey> {
    const env = this.#env
    await env.store.transaction(async (tx) => {
      await lockKeys(tx)
      const held = (await loadKeys(tx, env)).find(({ key }) => key.kid === kid)
      if (held?.key.purpose !== 'svid_ca') throw new Error(`expected an \`svid_ca\` key \`${kid}\``)
      if (held.key.certificate === undefined) {
        await updateKey(tx, { ...held, key: { ...held.key, certificate } }, env)
      }
    })
    await this.reload()
    const key = this.find('svid_ca', kid)
    if (key === undefined) throw new Error(`expected a published key \`${kid}\``)
    return key
  }

  async reload(): Promise<void> {
    const keys = await this.#env.store.snapshot((tx) => loadKeys(tx, this.#env))
    this.#schedule = new KeySchedule(keys, this.#env.clock)
  }
}

/** Erases private parts that sign no more, and keys whose signatures have all expired. */
async function tidy(tx: Tx, env: Env): Promise<void> {
  const now = env.clock.nowMilliseconds()
  for (const held of await loadKeys(tx, env)) {
    const kept = withoutSpentPower(held, now)
    if (isSpent(held, now)) await deleteKey(tx, held.key.kid)
    else if (kept !== held) await updateKey(tx, kept, env)
  }
}

function rotated(
  key: PublishedKey,
  retired: string[],
  { env, by }: { env: Env; by: Actor },
): Parameters<typeof append>[1][number] {
  return {
    v: 1,
    kind: 'key_rotated',
    time: env.clock.nowMilliseconds(),
    by,
    touches: [KEYRING_SUBJECT],
    purpose: key.purpose,
    kid: key.kid,
    retired,
  }
}
