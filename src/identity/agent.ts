/**
 * Agents and archetypes, and how an agent's three names belong together: `agt_<uuid>` in our records,
 * `spiffe://<trust domain>/agent/<archetype>/<uuid>` towards everybody else, the bare UUID in both.
 */

import * as z from 'zod'
import { ok, refuse, type Result } from '../base/result.ts'
import { pathOf, type SpiffeId, type TrustDomain, trustDomainOf } from './spiffe-id.ts'

/** An agent in our records. */
export type AgentId = `agt_${string}`

/** What a kind of agent is. Policy attaches to it by name. */
export interface Archetype {
  readonly name: string
  readonly description: string
}

/** Only an active agent gets or uses an SVID. `ended` is final. */
export type AgentState = 'active' | 'suspended' | 'ended'

/** One cohesive context window with an identity of its own, never shared. */
export interface Agent {
  readonly id: AgentId
  readonly spiffeId: SpiffeId
  readonly archetype: string
  readonly state: AgentState
  /** Why it is suspended; nothing otherwise. */
  readonly suspendedFor?: string
  /** The agent that started it. */
  readonly parent?: AgentId
  /** What its process must be, all of them: `unix:uid:1000`, `unix:path:/usr/bin/node`, … */
  readonly selectors: readonly string[]
  /** Milliseconds since the epoch. */
  readonly createdAt: number
}

const UUID = '[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}'
const AGENT_ID = new RegExp(`^agt_${UUID}$`)
const AGENT_PATH = new RegExp(`^/agent/([^/]+)/(${UUID})$`)
const ARCHETYPE = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/

/** A schema that accepts exactly the identifiers of agents. */
export const agentIdSchema: z.ZodType<AgentId> = z.custom<AgentId>(
  (value) => typeof value === 'string' && AGENT_ID.test(value),
  'expected an identifier that starts with `agt_`',
)

/** Whether `text` can name an archetype: lower-case letters, digits and inner hyphens, at most 63. */
export function isArchetypeName(text: string): boolean {
  return ARCHETYPE.test(text)
}

/** The archetype as a subject of the log. */
export function archetypeSubject(name: string): `archetype:${string}` {
  return `archetype:${name}`
}

/** The SPIFFE ID of an agent. */
export function agentSpiffeId(
  agent: AgentId,
  archetype: string,
  trustDomain: TrustDomain,
): SpiffeId {
  return `spiffe://${trustDomain}/agent/${archetype}/${agent.slice('agt_'.length)}` as SpiffeId
}

/** The agent that a SPIFFE ID of this trust domain names, which need not exist. */
export function agentNamedBy(
  id: SpiffeId,
  trustDomain: TrustDomain,
): Result<AgentId, { readonly reason: 'foreign_trust_domain' | 'not_an_agent' }> {
  if (trustDomainOf(id) !== trustDomain) return refuse({ reason: 'foreign_trust_domain' })
  const uuid = AGENT_PATH.exec(pathOf(id))?.[2]
  return uuid === undefined ? refuse({ reason: 'not_an_agent' }) : ok<AgentId>(`agt_${uuid}`)
}
