/**
 * An agent's X.509-SVID while it is being served: one for all of its streams and reconnections, so
 * that a client which reconnects in a loop fills no log. Renewed at half of its life.
 */

import { ok, type Result } from '../base/result.ts'
import {
  type Attested,
  type IssueEnv,
  type IssueRefusal,
  issueX509Svid,
  type X509Svid,
} from './issue-svid.ts'

/** An SVID and when the next one is due. */
export interface Held {
  readonly svid: X509Svid
  /** Milliseconds since the epoch. */
  readonly renewAt: number
}

/** Call `current` for each use, and `drop` when the agent lost its right to it. */
export class HeldSvid {
  readonly #agent: Attested
  readonly #env: IssueEnv
  #held: (Held & { readonly authority: string }) | undefined
  #issuing: Promise<Result<Held, IssueRefusal>> | undefined

  constructor(agent: Attested, env: IssueEnv) {
    this.#agent = agent
    this.#env = env
  }

  /** The SVID that is held, unless it is half over or its authority was replaced; else a new one. */
  async current(): Promise<Result<Held, IssueRefusal>> {
    const held = this.#held
    if (
      held !== undefined &&
      this.#env.clock.nowMilliseconds() < held.renewAt &&
      this.#env.keyring.active('svid_ca').kid === held.authority
    ) {
      return ok(held)
    }
    this.#issuing ??= this.#issue().finally(() => (this.#issuing = undefined))
    return await this.#issuing
  }

  /** Forgets it. */
  drop(): void {
    this.#held = undefined
  }

  async #issue(): Promise<Result<Held, IssueRefusal>> {
    const now = this.#env.clock.nowMilliseconds()
    const authority = this.#env.keyring.active('svid_ca').kid
    const issued = await issueX509Svid(this.#agent, this.#env)
    if (!issued.ok) return issued
    const renewAt = now + (issued.value.expiresAt * 1000 - now) / 2
    this.#held = { svid: issued.value, renewAt, authority }
    return ok(this.#held)
  }
}
