/**
 * How calls of the Workload API are answered: `answering` once, `streaming` at once and then on each
 * change. Refusals become gRPC statuses here, and faults become `UNAVAILABLE`.
 */

import type {
  handleServerStreamingCall,
  handleUnaryCall,
  ServerUnaryCall,
  ServerWritableStream,
} from '@grpc/grpc-js'
import type { Clock } from '../base/clock.ts'
import type { Diagnostics } from '../base/diagnostics.ts'
import { refuse, type Result } from '../base/result.ts'
import type { AdmittedCall } from './workload-admission.ts'
import { WORKLOAD_STATUS, type WorkloadReason } from './workload-status.ts'

/** What an answer is, or why there is none. */
export type Answer<T> = Promise<Result<T, { readonly reason: WorkloadReason }>>

/** What a stream should have said by now: always everything (Workload API §4.3). */
export interface State<T> {
  readonly message: T
  /** Equal states have equal versions. */
  readonly version: string
  /** Milliseconds since the epoch. */
  readonly lookAgainAt: number
}

/** What answering needs. */
export interface CallEnv {
  readonly clock: Clock
  readonly diagnostics: Diagnostics
  readonly changes: Changes
}

/** Something may have changed: every stream looks again. */
export class Changes {
  #next = new AbortController()

  /** Aborts at the next `tell`. */
  get signal(): AbortSignal {
    return this.#next.signal
  }

  tell(): void {
    const told = this.#next
    this.#next = new AbortController()
    told.abort()
  }
}

/** A handler that answers once. */
export function answering<Request, Response>(
  answer: (call: ServerUnaryCall<Request, Response>) => Answer<Response>,
  env: CallEnv,
): handleUnaryCall<Request, Response> {
  return (call, callback) => {
    const end = async (): Promise<void> => {
      const result = await unlessFault(answer(call), env)
      if (result.ok) callback(null, result.value)
      else callback(WORKLOAD_STATUS[result.error.reason])
    }
    void end()
  }
}

/** A handler that sends the state at once and whenever it is another one, until it is refused. */
export function streaming<Request, Response>(
  look: (call: AdmittedCall) => Answer<State<Response>>,
  env: CallEnv,
): handleServerStreamingCall<Request, Response> {
  return (call) => void follow(call, look, env)
}

async function follow<Request, Response>(
  call: ServerWritableStream<Request, Response>,
  look: (call: AdmittedCall) => Answer<State<Response>>,
  env: CallEnv,
): Promise<void> {
  const ended = new AbortController()
  call.once('cancelled', () => ended.abort())
  call.once('close', () => ended.abort())
  let sent: string | undefined
  while (!ended.signal.aborted && !call.cancelled) {
    // Taken before looking: what changes meanwhile is looked at again.
    const changed = env.changes.signal
    const state = await unlessFault(look(call), env)
    if (!state.ok) {
      call.emit('error', WORKLOAD_STATUS[state.error.reason])
      return
    }
    const { message, version, lookAgainAt } = state.value
    if (version !== sent && !call.cancelled) call.write(message)
    sent = version
    const pause = lookAgainAt - env.clock.nowMilliseconds()
    if (pause > 0) await env.clock.sleep(pause, AbortSignal.any([changed, ended.signal]))
  }
}

/** Workload Endpoint §6: what is unable to answer says `Unavailable`. */
async function unlessFault<T>(answer: Answer<T>, env: CallEnv): Answer<T> {
  try {
    return await answer
  } catch (cause) {
    env.diagnostics.error('identity.workload_fault', cause)
    return refuse({ reason: 'fault' })
  }
}
