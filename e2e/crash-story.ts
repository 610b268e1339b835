/**
 * A story that goes on while its server is killed again and again: agents call, a partner approves, a person
 * delegates and revokes. What the server acknowledged is remembered; faults are expected and passed over.
 */

import { systemClock } from '../src/base/clock.ts'
import { systemRandom } from '../src/base/random.ts'
import type { Output } from '../src/api/operations.ts'
import { agentAccess } from '../src/client/agent.ts'
import type { Client } from '../src/client/client.ts'
import { callTool } from '../src/client/mcp.ts'
import { workloadApi } from '../src/client/workload.ts'
import { must } from '../scripts/set-up.ts'
import { openClerks } from './clerks.ts'

/** What the server said was done, and must never be missing. */
export interface Acknowledged {
  /** Nonces of calls that were answered with their result. */
  readonly calls: Set<string>
  readonly delegations: Set<string>
  readonly revoked: Set<string>
  readonly approved: Set<string>
  /** Nonces that were asked for. Each at most once, except filed ones: once for the approval, once with it. */
  readonly asked: Set<string>
}

/** The people and agents of the story. */
export interface Story {
  readonly acknowledged: Acknowledged
  /** The administrator's session, for the command line. */
  readonly session: string
  /** Everybody acts until `signal` aborts. */
  play(signal: AbortSignal): Promise<void>
}

const AGENTS = 3
const FILERS = 2

/** Sets the story up on a server that nobody uses yet. */
export async function openStory(
  server: { readonly url: string; readonly code: string },
  counter: string,
): Promise<Story> {
  const { url } = server
  const { administrator, session } = await openClerks(server, counter)
  const acknowledged: Acknowledged = {
    calls: new Set(),
    delegations: new Set(),
    revoked: new Set(),
    approved: new Set(),
    asked: new Set(),
  }
  const told = { administrator, acknowledged }
  const agents: Tool[] = []
  for (let i = 0; i < AGENTS + FILERS; i++) agents.push(await enliven(administrator, url))
  return {
    acknowledged,
    session,
    async play(signal) {
      await Promise.all([
        ...agents
          .slice(0, AGENTS)
          .map((tool, i) => again(signal, (n) => note(tool, `note-${i}-${n}`, told))),
        ...agents
          .slice(AGENTS)
          .map((tool, i) => again(signal, (n) => file(tool, `file-${i}-${n}`, told))),
        again(signal, () => approve(told)),
        again(signal, () => delegateAndRevoke(url, told)),
      ])
    },
  }
}

type Told = { readonly administrator: Client; readonly acknowledged: Acknowledged }

/** One tool call of an agent: whether it was answered with its result. */
type Tool = (name: string, nonce: string) => Promise<boolean>

/** Repeats `act` until the signal aborts. What fails because the server is away is passed over. */
async function again(signal: AbortSignal, act: (n: number) => Promise<void>): Promise<void> {
  for (let n = 0; !signal.aborted; n++) {
    await act(n).catch(() => systemClock.sleep(25, signal))
  }
}

async function note(tool: Tool, nonce: string, { acknowledged }: Told): Promise<void> {
  acknowledged.asked.add(nonce)
  if (await tool('note', nonce)) acknowledged.calls.add(nonce)
}

/** Asks, waits for the yes, and calls once: an agent that hears nothing does not try again. */
async function file(tool: Tool, nonce: string, { acknowledged }: Told): Promise<void> {
  acknowledged.asked.add(nonce)
  const unasked = await tool('file', nonce)
  if (unasked) throw new Error('expected that filing needs a yes')
  await systemClock.sleep(120)
  if (await tool('file', nonce)) acknowledged.calls.add(nonce)
}

async function approve({ administrator, acknowledged }: Told): Promise<void> {
  const { approvals } = await must(administrator, 'listApprovals', {})
  for (const { id, shownDigest } of approvals) {
    const decided = await administrator.call('decideApproval', {
      id,
      decision: 'approve',
      shownDigest,
    })
    if (decided.ok) acknowledged.approved.add(id)
  }
  await systemClock.sleep(30)
}

async function delegateAndRevoke(
  url: string,
  { administrator, acknowledged }: Told,
): Promise<void> {
  const { id } = await delegate(administrator, url)
  acknowledged.delegations.add(id)
  await must(administrator, 'revokeDelegation', { id })
  acknowledged.revoked.add(id)
}

async function delegate(person: Client, url: string, agent?: string): Promise<Output<'delegate'>> {
  const at = { type: 'mcp_call', locations: [`${url}/mcp/counter`] }
  return await must(person, 'delegate', {
    purpose: 'note and file',
    archetype: 'clerk',
    ...(agent !== undefined && { agent }),
    details: [
      { ...at, actions: ['tools/call:note'], limits: { calls: 100_000 } },
      { ...at, actions: ['tools/call:file'], approval: { by: 'administrator' } },
    ],
    expiresIn: 3_600,
  })
}

/** An agent with a delegation of its own. */
async function enliven(person: Client, url: string): Promise<Tool> {
  const { id, socket } = await must(person, 'createAgent', { archetype: 'clerk' })
  const { signed } = await delegate(person, url, id)
  const workload = workloadApi(`unix://${socket ?? ''}`, { clock: systemClock })
  const env = { clock: systemClock, random: systemRandom }
  const access = agentAccess({ issuer: url, workload, delegation: signed }, env)
  return async (name, nonce) => {
    const call = { name, arguments: { nonce } }
    const { content, isError } = await callTool(`${url}/mcp/counter`, access.fetch, call)
    return isError !== true && content[0]?.text === `noted ${nonce}`
  }
}
