/**
 * The sweep that keeps nobody's agents from acting: call `suspendUnowned` at the start, whenever people,
 * groups or owners change, and now and then, because a rotation changes by itself.
 */

import type { Actor } from '../audit/entry.ts'
import type { Clock } from '../base/clock.ts'
import { type Agent, type AgentId, archetypeSubject } from '../identity/agent.ts'
import { resumeAgent, suspendAgent } from '../identity/agent-state.ts'
import { type AgentPage, listAgents } from '../identity/agent-store.ts'
import type { Store, Tx } from '../store/store.ts'
import { ownersOf } from './accountability-store.ts'
import { resolve } from './resolve.ts'

/** What an agent is suspended for that nobody answers for. It is resumed when somebody does. */
export const NOBODY_ANSWERS = 'nobody answers for it'

const BY: Actor = { type: 'system', part: 'accountability' }
const PAGE = 500

interface Env {
  readonly store: Store
  readonly clock: Clock
}

/** Suspends every active agent that resolves to nobody, and resumes those it suspended that resolve again. */
export async function suspendUnowned(env: Env): Promise<{ suspended: number; resumed: number }> {
  let suspended = 0
  for await (const { agent, answered } of judged('active', env)) {
    if (answered) continue
    const request = { agent: agent.id, reason: NOBODY_ANSWERS }
    // Refused only if it is no longer active, which is as good.
    if ((await suspendAgent(request, BY, env)).ok) suspended++
  }
  let resumed = 0
  for await (const { agent, answered } of judged('suspended', env)) {
    if (!answered || agent.suspendedFor !== NOBODY_ANSWERS) continue
    if ((await resumeAgent({ agent: agent.id }, BY, env)).ok) resumed++
  }
  return { suspended, resumed }
}

interface Judged {
  readonly agent: Agent
  readonly answered: boolean
}

async function* judged(state: 'active' | 'suspended', env: Env): AsyncGenerator<Judged> {
  let after: AgentId | undefined
  do {
    const page = { state, limit: PAGE, ...(after === undefined ? {} : { after }) }
    const judgements = await env.store.snapshot(async (tx) => await judge(tx, page, env.clock))
    yield* judgements
    after = judgements.length < PAGE ? undefined : judgements.at(-1)?.agent.id
  } while (after !== undefined)
}

/** Agents without an owner of their own are answered for as their archetype is: one search for all. */
async function judge(tx: Tx, page: AgentPage, clock: Clock): Promise<Judged[]> {
  const agents = await listAgents(tx, page)
  const owners = await ownersOf(
    tx,
    agents.map((agent) => agent.id),
  )
  const known = new Map<string, boolean>()
  const judgements: Judged[] = []
  for (const agent of agents) {
    const subject = owners.has(agent.id) ? agent.id : archetypeSubject(agent.archetype)
    const answered = known.get(subject) ?? (await resolve(tx, subject, clock.nowMilliseconds())).ok
    known.set(subject, answered)
    judgements.push({ agent, answered })
  }
  return judgements
}
