/**
 * Which key signs when: the life of keys as pure data over time.
 *
 * A key is *next* (published, does not sign), then *active*, then *retired* (published, does not sign).
 * Nothing switches a state: each key carries its instants and the clock decides, so replicas that
 * loaded the same keys agree. Two rules keep a rotation from refusing a valid token:
 *
 * - a key signs only after it was published for `PUBLISHED_AHEAD_MILLISECONDS`;
 * - a key stays published until what it signed last has expired.
 */

import type { Clock } from '../base/clock.ts'
import {
  generateSigningKey,
  LONGEST_LIFETIME_SECONDS,
  type PublishedKey,
  type Purpose,
  type SigningKey,
} from './signing-key.ts'

/** How long verifiers may keep our key sets before they look again; also the `max-age` of a JWKS answer. */
export const PUBLISHED_AHEAD_MILLISECONDS = 300_000

/** How long after its retirement a replica that has not heard of it may still sign with a key. */
const HEARD_WITHIN_MILLISECONDS = 60_000

/** A key and its instants, in milliseconds since the epoch. */
export interface ScheduledKey {
  /** Without a private part once it retired. */
  readonly key: PublishedKey | SigningKey
  /** It was published long enough from here on. */
  readonly readyAt: number
  /** It signs from here on; `null` while nothing decided that it will. */
  readonly signsFrom: number | null
  /** It stops signing here; `null` while nothing decided that it will. */
  readonly retiredAt: number | null
}

/** One rotation: the keys that it changes or makes. */
export interface Rotation {
  readonly retired: ScheduledKey
  readonly promoted: ScheduledKey & { readonly key: SigningKey }
  readonly next: ScheduledKey
}

/** The two keys of a purpose that had none: one signs at once, as nobody can have seen a key set without it. */
export function firstKeys(
  purpose: Purpose,
  now: number,
): [active: ScheduledKey, next: ScheduledKey] {
  return [
    { key: generateSigningKey(purpose, now), readyAt: now, signsFrom: now, retiredAt: null },
    { key: generateSigningKey(purpose, now), readyAt: now, signsFrom: null, retiredAt: null },
  ]
}

/** Promotes the next key, as soon as it was published long enough, and makes a new next key. */
export function rotation(keys: Iterable<ScheduledKey>, purpose: Purpose, now: number): Rotation {
  const own = [...keys].filter(({ key }) => key.purpose === purpose)
  const last = own.find((held) => held.signsFrom !== null && held.retiredAt === null)
  const next = own.find((held) => held.signsFrom === null)
  if (last === undefined || next === undefined || !signs(next.key)) {
    throw new Error(`expected a last and a next key for \`${purpose}\``)
  }
  const takesOver = Math.max(now, next.readyAt, last.signsFrom ?? 0)
  return {
    retired: withoutSpentPower({ ...last, retiredAt: takesOver }, now),
    promoted: { ...next, key: next.key, signsFrom: takesOver },
    next: {
      key: generateSigningKey(purpose, now),
      readyAt: now + PUBLISHED_AHEAD_MILLISECONDS,
      signsFrom: null,
      retiredAt: null,
    },
  }
}

/** The key without its private part if it retired: what cannot sign cannot leak. */
export function withoutSpentPower(held: ScheduledKey, now: number): ScheduledKey {
  if (!signs(held.key) || held.retiredAt === null || now < held.retiredAt) return held
  const { privateKey: _, ...key } = held.key
  return { ...held, key }
}

/** Whether nothing that the key signed can still be valid. */
export function isSpent(held: ScheduledKey, now: number): boolean {
  if (held.retiredAt === null) return false
  const lifetime = LONGEST_LIFETIME_SECONDS[held.key.purpose] * 1_000
  return now >= held.retiredAt + lifetime + HEARD_WITHIN_MILLISECONDS
}

/** Keys by purpose, as of the clock's now. */
export class KeySchedule {
  readonly #keys = new Map<string, ScheduledKey>()
  readonly #clock: Clock

  constructor(keys: Iterable<ScheduledKey>, clock: Clock) {
    for (const held of keys) this.#keys.set(held.key.kid, held)
    this.#clock = clock
  }

  active(purpose: Purpose): SigningKey {
    const now = this.#clock.nowMilliseconds()
    for (const { key, signsFrom, retiredAt } of this.#keys.values()) {
      if (key.purpose !== purpose || signsFrom === null || signsFrom > now) continue
      if ((retiredAt === null || now < retiredAt) && signs(key)) return key
    }
    throw new Error(`expected an active key for \`${purpose}\``)
  }

  published(purpose: Purpose): readonly PublishedKey[] {
    const now = this.#clock.nowMilliseconds()
    return [...this.#keys.values()]
      .filter((held) => held.key.purpose === purpose && !isSpent(held, now))
      .map((held) => held.key)
  }

  find(purpose: Purpose, kid: string): PublishedKey | undefined {
    const held = this.#keys.get(kid)
    if (held?.key.purpose !== purpose) return undefined
    return isSpent(held, this.#clock.nowMilliseconds()) ? undefined : held.key
  }

  all(): IterableIterator<ScheduledKey> {
    return this.#keys.values()
  }

  /** The same with some keys replaced or added. */
  with(...changed: readonly ScheduledKey[]): KeySchedule {
    return new KeySchedule([...this.#keys.values(), ...changed], this.#clock)
  }
}

function signs(key: PublishedKey | SigningKey): key is SigningKey {
  return 'privateKey' in key
}
