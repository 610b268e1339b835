/** Where the story plays, and who tells it. */

import type { Office, Place } from './office.ts'
import type { Teller } from './teller.ts'

/** Where the story plays. */
export interface Stage {
  readonly office: Office
  readonly place: Place
  /** The tax engine of the "before": nobody stands between the agent and it. */
  readonly before: string
  readonly home: string
  /** Somebody's own agent instead of the scripted one. */
  readonly ownAgent?: string
}

/** A stage and its teller. */
export interface Setting {
  readonly stage: Stage
  readonly teller: Teller
}
