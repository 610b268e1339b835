/**
 * Upstreams in memory, for tests of the rooms above: what others own, so it may be faked. It counts every
 * call that reaches it, holds calls back while a test wants them held, and ends as it is told.
 */

import type { JsonObject } from '../base/canonical-json.ts'
import { refuse } from '../base/result.ts'
import type { ServerTier } from '../registry/server.ts'
import type { CallOptions, CallOutcome, UpstreamRequest } from './call.ts'
import type { UpstreamServer } from './server.ts'
import type { Upstreams } from './upstreams.ts'

/** One call that reached a server. */
export interface MadeCall {
  readonly server: string
  readonly request: UpstreamRequest
}

/** How a fake server ends a call. */
export type FakeAnswer = (call: MadeCall) => CallOutcome | Promise<CallOutcome>

/** Upstreams that answer `ok` with what they were asked, unless told otherwise. */
export class FakeUpstreams implements Upstreams {
  /** Every call that was made, in order. */
  readonly made: MadeCall[] = []
  /** Ends the calls from now on. */
  answer: FakeAnswer = echo
  /** Where every server runs. */
  tier: ServerTier = 'T1'
  #gate: PromiseWithResolvers<void> | undefined

  /** Calls from now on wait until what this returns is called. */
  hold(): () => void {
    this.#gate ??= Promise.withResolvers<void>()
    return () => {
      this.#gate?.resolve()
      this.#gate = undefined
    }
  }

  async call(
    server: UpstreamServer,
    request: UpstreamRequest,
    { signal, tier }: CallOptions,
  ): Promise<CallOutcome> {
    if (tier !== 'any' && tier !== this.tier) return lost('failed', 'upstream_failed')
    if (signal.aborted) return lost('failed', 'upstream_failed')
    const made = { server: server.id, request }
    this.made.push(made)
    const { promise: cancelled, resolve } = Promise.withResolvers<'cancelled'>()
    const cancel = (): void => resolve('cancelled')
    signal.addEventListener('abort', cancel, { once: true })
    const first = await Promise.race([this.#gate?.promise, cancelled])
    signal.removeEventListener('abort', cancel)
    if (first === 'cancelled') return lost('unknown', 'outcome_unknown')
    return await this.answer(made)
  }

  async observe(): ReturnType<Upstreams['observe']> {
    return refuse({ reason: 'listing_refused', message: 'a fake offers nothing to observe' })
  }

  async tierOf(): Promise<ServerTier> {
    return this.tier
  }

  /** The servers whose connections were closed. */
  readonly dropped: string[] = []

  async drop(id: string): Promise<void> {
    this.dropped.push(id)
  }

  async close(): Promise<void> {}
}

function lost(
  outcome: 'failed' | 'unknown',
  reason: 'upstream_failed' | 'outcome_unknown',
): CallOutcome {
  return { outcome, error: { reason, message: 'cancelled' } }
}

function echo({ request }: MadeCall): CallOutcome {
  const result: JsonObject = {
    content: [{ type: 'text', text: JSON.stringify(request.params) }],
    structuredContent: { asked: request.params },
  }
  return { outcome: 'ok', result }
}
