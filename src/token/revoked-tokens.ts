/**
 * Revoked access tokens, in memory, so that refusing one costs no query.
 *
 * INVARIANT (revocation): a revocation touches the subject `jti:<jti>`; every replica follows the
 * change feed and hands it to `onTouched`. A call that names that subject among what it relied on is
 * refused at its commit even where the feed is late.
 */

import { type Clock, nowSeconds } from '../base/clock.ts'
import type { Store } from '../store/store.ts'
import { MAX_LIFETIME_SECONDS } from './access-token.ts'
import { loadRevoked } from './token-store.ts'

const PREFIX = 'jti:'

/** The subject that a token's revocation touches. */
export function tokenSubject(jti: string): string {
  return PREFIX + jti
}

/**
 * What is revoked and has not expired. Hand `onTouched` to the change feed, then call `load`: the other
 * way round, a revocation between the two would be missed.
 */
export class RevokedTokens {
  readonly #env: { readonly clock: Clock; readonly store: Store }
  readonly #expiry = new Map<string, number>()
  #loaded = false

  constructor(env: { readonly clock: Clock; readonly store: Store }) {
    this.#env = env
  }

  /** Throws before `load`: without it, a revoked token would pass. */
  has(jti: string): boolean {
    if (!this.#loaded) throw new Error('expected the revoked tokens to be loaded')
    return this.#expiry.has(jti)
  }

  /** Learns what the change feed says. */
  onTouched(touched: ReadonlyMap<string, number>): void {
    // A token that was revoked now expires within its longest lifetime; some seconds for clocks.
    const until = nowSeconds(this.#env.clock) + MAX_LIFETIME_SECONDS + 60
    for (const subject of touched.keys()) {
      if (subject.startsWith(PREFIX)) this.#expiry.set(subject.slice(PREFIX.length), until)
    }
    this.#forgetExpired()
  }

  /** Learns what was revoked before the change feed was followed. */
  async load(): Promise<void> {
    const rows = await loadRevoked(this.#env.store.db, nowSeconds(this.#env.clock))
    for (const { jti, expiresAt } of rows) this.#expiry.set(jti, expiresAt)
    this.#loaded = true
  }

  #forgetExpired(): void {
    const now = nowSeconds(this.#env.clock)
    for (const [jti, until] of this.#expiry) if (until < now) this.#expiry.delete(jti)
  }
}
