/** What the entries of a call have in common, whether it was intended or refused. */

import type { Actor, EntryOf } from '../audit/entry.ts'
import type { ResourceFacts } from '../decision/facts.ts'
import { recordedFacts } from '../decision/replay.ts'
import type { Call } from './call.ts'
import type { KnownFacts } from './facts-cache.ts'
import type { JudgedCall } from './judge.ts'

/** The members of `call_intended` and `call_refused` that describe the call and what was said of it. */
export type CallMembers = Omit<
  EntryOf<'call_refused'>,
  'v' | 'kind' | 'time' | 'by' | 'constraint' | 'reason'
>

/** Describes a call; `judged` when it came to a judgement. */
export function callMembers(
  call: Call,
  known: KnownFacts,
  judged: Pick<JudgedCall, 'decision' | 'provenance' | 'request' | 'target'> | undefined,
): CallMembers {
  const { caller, server, action } = call
  const { accountable, stage } = known.facts
  const provenance = judged?.provenance ?? []
  return {
    call: call.id,
    delegation: caller.delegation,
    person: caller.person,
    agents: [...caller.agents],
    server: server.id,
    serverName: server.name,
    action: action.action,
    stage,
    ...(judged !== undefined && { consequential: hasEffect(judged.target.resource) }),
    ...(judged !== undefined && { facts: recordedFacts(judged.request) }),
    verdicts: [...(judged?.decision.verdicts ?? [])],
    ...(provenance.length > 0 && { provenance: recordedProvenance(provenance) }),
    ...(accountable !== undefined && { accountable }),
  }
}

/** What an entry has left for provenance, and how many sources a value keeps when all do not fit. */
const MOST_PROVENANCE_BYTES = 32_000
const FEWER_SOURCES = 3

/**
 * The provenance as an entry holds it. What an agent puts into names and lists must not make a call too
 * large to be recorded, or what it tried would stand nowhere: paths are cut, and sources left out.
 */
export function recordedProvenance(
  provenance: JudgedCall['provenance'],
): NonNullable<CallMembers['provenance']> {
  const whole = provenance.map(({ path, from, grounded }) => ({
    path: path.slice(0, 300).toWellFormed(),
    from: [...from],
    grounded,
  }))
  if (fits(whole)) return whole
  const fewer = whole.map(({ from, ...rest }) => ({ ...rest, from: from.slice(0, FEWER_SOURCES) }))
  if (fits(fewer)) return fewer
  return fewer.map(({ path, ...rest }) => ({ ...rest, path: path.slice(0, 60).toWellFormed() }))
}

function fits(said: unknown): boolean {
  return Buffer.byteLength(JSON.stringify(said)) <= MOST_PROVENANCE_BYTES
}

/** Whether the call may change something: all but what the reviewer classed as plain reading. */
function hasEffect(resource: ResourceFacts): boolean {
  return resource.consequential || resource.class !== 'read'
}

/** The agent that calls, as the actor of an entry. */
export function callerOf(call: Call): Actor {
  const { delegation, person } = call.caller
  return { type: 'agent', agent: actingAgent(call), delegation, person }
}

/** The agent that acts now: the first of the act chain (RFC 8693 §4.1). */
export function actingAgent({ caller }: Call): string {
  const [agent] = caller.agents
  if (agent === undefined) throw new Error('expected a token of ours to name its agent')
  return agent
}
