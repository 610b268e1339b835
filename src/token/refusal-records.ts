/**
 * Refusals of agents at the token endpoint, on record: one entry each for a few, one for all that follow.
 *
 * An SVID is a bearer credential: whoever stole one may ask as its agent and be refused as often as they
 * like. Call `record`; once an agent has used up its allowance, refusals are counted and stand as `more` in
 * the entry that comes next, at the latest by `flush`. What was counted and not yet written is lost when the
 * process ends.
 */

import { prepareEntry } from '../audit/append.ts'
import type { LogWriter } from '../audit/log-writer.ts'
import type { Clock } from '../base/clock.ts'
import type { DelegationId } from '../delegation/delegation.ts'
import type { AgentId } from '../identity/agent.ts'
import { Allowances, type Rate } from '../identity/allowance.ts'

/** A refused request of an agent. */
export interface RefusedRequest {
  readonly agent: AgentId
  readonly delegation?: DelegationId
  readonly reason: string
}

/** Entries of one agent: a burst, then two a minute. */
const RECORDED: Rate = { burst: 100, perSecond: 1 / 30 }
/** So many agents are counted apart; what is beyond is written at once, as one entry for each agent. */
const MOST_COUNTED = 1_000

/** The refusals of one process. */
export class RefusalRecords {
  readonly #env: { readonly clock: Clock; readonly logWriter: LogWriter }
  readonly #recorded: Allowances
  /** The last refusal of each agent that was not written, and how many there were. */
  readonly #counted = new Map<AgentId, { readonly last: RefusedRequest; readonly count: number }>()

  constructor(
    env: { readonly clock: Clock; readonly logWriter: LogWriter },
    recorded: Rate = RECORDED,
  ) {
    this.#env = env
    this.#recorded = new Allowances(recorded, env)
  }

  /** Records a refusal durably; false if it was only counted. */
  async record(refused: RefusedRequest): Promise<boolean> {
    const { agent } = refused
    if (this.#recorded.take(agent)) {
      await this.#write(refused, this.#taken(agent))
      return true
    }
    const count = (this.#counted.get(agent)?.count ?? 0) + 1
    this.#counted.set(agent, { last: refused, count })
    if (this.#counted.size > MOST_COUNTED) await this.flush()
    return false
  }

  /** Writes what was counted: one entry for each agent. */
  async flush(): Promise<void> {
    // Those of now: whoever is refused meanwhile waits for the next time.
    const agents = this.#counted.keys().toArray()
    for (const agent of agents) {
      const counted = this.#counted.get(agent)
      if (counted === undefined) continue
      this.#counted.delete(agent)
      try {
        await this.#write(counted.last, counted.count - 1)
      } catch (fault) {
        // What could not be written is counted on.
        const since = this.#counted.get(agent)?.count ?? 0
        this.#counted.set(agent, { last: counted.last, count: counted.count + since })
        throw fault
      }
    }
  }

  #taken(agent: AgentId): number {
    const count = this.#counted.get(agent)?.count ?? 0
    this.#counted.delete(agent)
    return count
  }

  async #write({ agent, delegation, reason }: RefusedRequest, more: number): Promise<void> {
    const known = delegation === undefined ? {} : { delegation }
    const entry = prepareEntry({
      v: 1,
      kind: 'token_refused',
      time: this.#env.clock.nowMilliseconds(),
      by: { type: 'agent', agent, ...known },
      agent,
      ...known,
      reason,
      ...(more > 0 && { more }),
    })
    await this.#env.logWriter.write({ entry })
  }
}
