/** Records how a call ended. The result payload is the segment: what the agent is shown next. */

import type { Clock } from '../base/clock.ts'
import type { Diagnostics } from '../base/diagnostics.ts'
import type { Random } from '../base/random.ts'
import {
  contentOfResult,
  newResult,
  type NewResult,
  resultBeside,
  saidOfResult,
} from '../channel/conversation/result.ts'
import { type Answers, newSegment, type Segment, segmentBeside } from '../channel/segment.ts'
import type { CallOutcome } from '../upstream/call.ts'
import type { Admissions, Recorded } from './admit.ts'
import { actingAgent } from './call-entry.ts'
import type { Busy } from './under-way.ts'
import type { JudgedCall } from './judge.ts'
import { warningsIn } from './warnings.ts'

/** How a call ended. */
export interface Outcome {
  readonly judged: JudgedCall
  /** The index of its intended entry. */
  readonly intended: number
  readonly answer: CallOutcome
  readonly milliseconds: number
}

/** What recording needs. */
export interface OutcomeEnv {
  readonly clock: Clock
  readonly random: Random
  readonly diagnostics: Diagnostics
  readonly admissions: Admissions
}

/** How long a caller waits for the record before it is told that the outcome is unknown: milliseconds. */
const PATIENCE = 3_000
const FIRST_PAUSE = 100
const LONGEST_PAUSE = 5_000

/**
 * Records an outcome, again and again while the database is away: what the server said is not known to
 * anybody else, and the call must not be made again to learn it. False if it could not be recorded yet;
 * `busy` is kept until it is, or this process ends, which leaves the call to recovery.
 */
export async function recordOutcome(
  outcome: Outcome,
  busy: Busy,
  env: OutcomeEnv,
): Promise<boolean> {
  const recorded = recordedOutcome(outcome, env)
  try {
    await env.admissions.record(recorded)
    return true
  } catch (fault) {
    env.diagnostics.error('gateway.outcome_not_recorded', fault, { call: outcome.judged.call.id })
  }
  const done = recordLater(outcome.intended, recorded, busy, env)
  busy.until(done)
  return await Promise.race([done, env.clock.sleep(PATIENCE, busy.closing).then(() => false)])
}

async function recordLater(
  intended: number,
  recorded: Recorded,
  busy: Busy,
  env: OutcomeEnv,
): Promise<boolean> {
  for (let pause = FIRST_PAUSE; ; pause = Math.min(pause * 2, LONGEST_PAUSE)) {
    await env.clock.sleep(pause, busy.closing)
    if (busy.closing.aborted) return false
    try {
      await env.admissions.recordUnlessEnded(intended, recorded)
      return true
    } catch (fault) {
      env.diagnostics.warn('gateway.outcome_not_recorded', { why: String(fault) })
    }
  }
}

function recordedOutcome(
  { judged, intended, answer, milliseconds }: Outcome,
  env: OutcomeEnv,
): Recorded {
  const { call, target } = judged
  const { delegation } = call.caller
  const result = 'result' in answer ? answer.result : undefined
  const warnings = result === undefined ? [] : warningsIn(result, target)
  const segment = result === undefined ? undefined : segmentOf(judged, env)
  const time = env.clock.nowMilliseconds()
  const said = result === undefined ? undefined : messageOf({ judged, intended }, time, env)
  return {
    sealings: [
      ...(result === undefined ? [] : [{ value: result, subject: delegation }]),
      ...(result === undefined || said === undefined
        ? []
        : [{ value: contentOfResult(result), subject: delegation }]),
    ],
    rows: ([content, excerpt]) => [
      ...(segment === undefined || content === undefined ? [] : [segmentBeside(segment, content)]),
      ...(said === undefined || excerpt === undefined ? [] : [resultBeside(said, excerpt)]),
    ],
    entry: ([content, excerpt]) => ({
      v: 1,
      kind: 'call_outcome',
      time,
      by: { type: 'system', part: 'gateway' },
      call: call.id,
      intended,
      delegation,
      outcome: answer.outcome,
      ...(content !== undefined && { result: content }),
      ...(segment !== undefined && { segment: segment.id }),
      ...(said !== undefined &&
        excerpt !== undefined && {
          message: {
            conversation: said.conversation,
            ...saidOfResult({ ...said, content: excerpt }),
          },
        }),
      ...(warnings.length > 0 && { warnings }),
      milliseconds,
    }),
  }
}

/** The result as a message of the conversation that the agent acts in; none where it acts in none. */
function messageOf(
  { judged, intended }: Pick<Outcome, 'judged' | 'intended'>,
  time: number,
  env: OutcomeEnv,
): NewResult | undefined {
  const { call, known, request } = judged
  if (known.actedIn === undefined) return undefined
  const returned = {
    conversation: known.actedIn.id,
    call: call.id,
    intended,
    server: call.server,
    action: call.action.action,
    people: request.people.map(({ id }) => id),
  }
  return newResult(returned, time, env)
}

const SEGMENT_KINDS = {
  'tools/call': 'tool_result',
  'resources/read': 'resource',
  'prompts/get': 'prompt',
  'completion/complete': 'tool_result',
} as const

/** INVARIANT (immutable author): the server that the connection leads to. */
function segmentOf({ call, target, directed }: JudgedCall, env: OutcomeEnv): Segment {
  const about = {
    agent: actingAgent(call),
    delegation: call.caller.delegation,
    principal: call.server.id,
    kind: SEGMENT_KINDS[call.action.method],
    trust: 'untrusted' as const,
    systemFields: target.systemFields,
    answers: answersOf({ call, target, directed }),
  }
  return newSegment(about, env)
}

/** What is known of the call beside its result: it says what the fields of the result are worth. */
function answersOf({
  call,
  target,
  directed,
}: Pick<JudgedCall, 'call' | 'target' | 'directed'>): Answers {
  const { writable = [], verbatim = false, confidential = false } = target
  return {
    action: call.action.action.slice(0, 300),
    ...(directed && { directed }),
    ...(target.resource.class !== 'read' && { echo: true }),
    ...(writable.length > 0 && { writable: [...writable] }),
    ...(verbatim && { verbatim }),
    ...(confidential && { confidential }),
  }
}
