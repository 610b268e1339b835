/**
 * Makes one call that was admitted, once, and says what is known of its outcome. Call `callUpstream`.
 *
 * The intended entry is durable before this is entered, and nothing here repeats a request: where it may have
 * reached the server and no answer came, the outcome is `timed_out` or `unknown`, and stays so.
 */

import type { JsonObject } from '../base/canonical-json.ts'
import type { Clock } from '../base/clock.ts'
import { MODERN } from '../mcp/era.ts'
import type { RpcError } from '../mcp/message.ts'
import type { ServerTier } from '../registry/server.ts'
import type { Connection, Connections } from './connections.ts'
import { echoes } from './echo.ts'
import { parameterHeaders } from './parameter-headers.ts'
import type { UpstreamServer } from './server.ts'
import type { Answer } from './wire.ts'

/** What is asked of a server: built from what was decided, not from what was received. */
export interface UpstreamRequest {
  readonly method: 'tools/call' | 'resources/read' | 'prompts/get' | 'completion/complete'
  readonly params: JsonObject
}

/** Bounds of one call. */
export interface CallOptions {
  /** Aborted when nobody waits for the call any more, or it may go on no longer. */
  readonly signal: AbortSignal
  readonly timeoutMilliseconds: number
  readonly outputLimitBytes: number
  /** Where the decision took the server to run: elsewhere nothing is sent. */
  readonly tier: ServerTier | 'any'
}

/** What is known of a call. `error.reason` is one of `mcp/refusals.ts`. */
export type CallOutcome =
  | { readonly outcome: 'ok' | 'tool_error'; readonly result: JsonObject }
  | {
      readonly outcome: 'failed' | 'timed_out' | 'withheld' | 'unknown'
      readonly error: CallError
    }

/** Why there is no result. */
export interface CallError {
  readonly reason: 'upstream_failed' | 'upstream_timed_out' | 'result_withheld' | 'outcome_unknown'
  /** For the record. */
  readonly message: string
  /** What the server said, where it refused the request itself. */
  readonly rpc?: RpcError
}

/** Calls `server`: connects, sends, waits, judges. Never rejects for what a server does. */
export async function callUpstream(
  server: UpstreamServer,
  request: UpstreamRequest,
  options: CallOptions,
  env: { readonly connections: Connections; readonly clock: Clock },
): Promise<CallOutcome> {
  // INVARIANT (pinned definitions): admission decided on a reviewed server; what came after it counts too.
  if (server.state !== 'reviewed') return failed('the server is not reviewed')
  const bounds = boundsOf(options, env.clock)
  const { signal } = bounds
  try {
    const connected = await env.connections.connect(server, signal)
    if (!connected.ok) return failed(connected.error.message)
    const connection = connected.value
    if (options.tier !== 'any' && options.tier !== connection.tier) {
      // It is decided again where it runs now.
      return failed(`it runs in \`${connection.tier}\`, and was permitted in \`${options.tier}\``)
    }
    const headers = connection.hello.era === MODERN ? parameterHeaders(server, request) : {}
    const answer = await connection.wire.request(request.method, request.params, {
      signal,
      headers,
    })
    return judged(answer, connection, { late: bounds.isLate(), ...options })
  } finally {
    bounds.end()
  }
}

const LATE = 'late'

/** The end of a call's time, or of the wish for it, whichever comes first. Every call has one: made by hand. */
function boundsOf(
  { signal, timeoutMilliseconds }: CallOptions,
  clock: Clock,
): { readonly signal: AbortSignal; isLate(): boolean; end(): void } {
  const stop = new AbortController()
  const done = new AbortController()
  const cancel = (): void => stop.abort('cancelled')
  if (signal.aborted) cancel()
  else signal.addEventListener('abort', cancel)
  void clock.sleep(timeoutMilliseconds, done.signal).then(() => stop.abort(LATE))
  return {
    signal: stop.signal,
    isLate: () => stop.signal.reason === LATE,
    end() {
      signal.removeEventListener('abort', cancel)
      done.abort('done')
    },
  }
}

function judged(
  answer: Answer,
  { needles }: Connection,
  facts: { readonly late: boolean; readonly outputLimitBytes: number },
): CallOutcome {
  switch (answer.kind) {
    case 'answered':
      if (answer.bytes > facts.outputLimitBytes) return withheld('the result is too large')
      // INVARIANT (no standing secrets): what echoes the credential reaches neither agent nor record.
      if (echoes(answer.result, needles)) return withheld('the result holds the credential')
      return completed(answer.result)
    case 'failed': {
      const { code, message, data } = answer.error
      if (echoes(message, needles) || echoes(data, needles)) {
        return withheld('the error holds the credential')
      }
      return failed(`the server answered with error ${code}`, answer.error)
    }
    case 'unsent':
      return failed(answer.why)
    case 'unusable':
      return withheld(answer.why)
    case 'lost':
      return facts.late
        ? { outcome: 'timed_out', error: { reason: 'upstream_timed_out', message: answer.why } }
        : { outcome: 'unknown', error: { reason: 'outcome_unknown', message: answer.why } }
    default:
      return answer satisfies never
  }
}

function completed(result: JsonObject): CallOutcome {
  const type = result['resultType']
  // MCP 2026-07-28: we declare no capability, so a server must not ask for input; there is nobody to answer.
  if (type !== undefined && type !== 'complete') return failed('the result is not complete')
  return { outcome: result['isError'] === true ? 'tool_error' : 'ok', result }
}

function failed(message: string, rpc?: RpcError): CallOutcome {
  const said = rpc === undefined ? {} : { rpc }
  return { outcome: 'failed', error: { reason: 'upstream_failed', message, ...said } }
}

function withheld(message: string): CallOutcome {
  return { outcome: 'withheld', error: { reason: 'result_withheld', message } }
}
