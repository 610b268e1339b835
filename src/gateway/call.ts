/** One MCP request that would reach a server, and how it ended, as plain data. */

import type { Verdict } from '../audit/entry.ts'
import type { JsonObject } from '../base/canonical-json.ts'
import type { Action } from '../mcp/actions.ts'
import type { Server } from '../registry/server.ts'
import type { Caller } from '../token/authenticate-token.ts'

/** A request of an authenticated caller to a reviewed server. */
export interface Call {
  /** `<instance>.<number>`, unique in the installation. */
  readonly id: string
  readonly caller: Caller
  readonly server: Server
  readonly action: Action
  /** The log size at which `server` was read: the decision stands on it from there on. */
  readonly serverReadAt: number
  /** Aborts when the caller goes away or cancels. */
  readonly signal: AbortSignal
}

/** What the caller is told of a decision that was no permit: the constraint and the remedy. */
export interface Told {
  readonly outcome: 'deny' | 'step_up' | 'approval_required'
  readonly constraint: Verdict['constraint']
  /** One sentence: what to do next. */
  readonly remedy?: string
  /** The request that now waits for a person. */
  readonly approval?: string
}

/** How a call ended for the caller. */
export type CallAnswer =
  | { readonly type: 'result'; readonly result: JsonObject }
  /** `reason` is of the table in mcp/refusals.ts; `told` when a decision was the reason. */
  | { readonly type: 'refused'; readonly reason: string; readonly told?: Told }
