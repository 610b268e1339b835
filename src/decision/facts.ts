/**
 * What a decision is about: the facts, as plain data.
 *
 * `load-facts.ts` reads those that live in the store (agents, people, stage, who answers) in the
 * caller's snapshot and names the subjects it relied on; the gateway adds what the request brings
 * (action, arguments, provenance, how the token is bound, an approval). `decide.ts` judges them.
 */

import type { JsonObject } from '../base/canonical-json.ts'
import type { Id } from '../base/id.ts'
import type { Agency } from '../delegation/agency.ts'
import type { Coverage } from '../delegation/covers.ts'
import type { ServerTier } from '../registry/server.ts'

/** The delegating person, or one whose segments directed the call. */
export interface PersonFacts {
  readonly id: Id<'per'>
  /** Unique and never reused: `Person::"alice"` in policies. */
  readonly handle: string
  readonly active: boolean
  readonly groups: readonly GroupFacts[]
}

/** A group that a person belongs to: `Group::"partners"` in policies. */
interface GroupFacts {
  readonly id: Id<'grp'>
  readonly name: string
}

/** One agent of the act chain. */
export interface AgentFacts {
  readonly id: `agt_${string}`
  /** `Archetype::"tax-preparer"` in policies. */
  readonly archetype: string
  readonly state: 'active' | 'suspended' | 'ended'
}

/** The delegation whose intent is judged. */
export interface DelegationFacts {
  readonly id: Id<'dlg'>
  /** How many delegations stand above it. */
  readonly depth: number
}

/** What a request can do at worst, as the reviewer classed it. */
type ResourceClass = 'read' | 'write' | 'egress' | 'destructive' | 'money'

/** Where an argument reaches out, as the reviewer declared it. */
export interface DeclaredSink {
  /** Dotted path in the arguments, `[]` for list elements. */
  readonly path: string
  readonly kind: 'path' | 'email' | 'url' | 'account' | 'amount' | 'id' | 'name'
}

/** What is asked for. `name` is the tool's or prompt's name or the resource's URI; a server has none. */
export interface ResourceFacts {
  readonly type: 'tool' | 'resource' | 'prompt' | 'server'
  readonly server: Id<'srv'>
  /** Never reused: `Server::"documents"` in policies. */
  readonly serverName: string
  readonly serverState: 'registered' | 'reviewed' | 'quarantined' | 'withdrawn'
  /** Where it runs, or will: a call that was decided for one place is made there or not at all. */
  readonly tier: ServerTier
  readonly name?: string
  readonly class: ResourceClass
  /** The reviewer wants every permit confirmed by a second evaluator. */
  readonly consequential: boolean
  readonly sinks: readonly DeclaredSink[]
}

/** Where an argument value was found; what `trace` of channel/trace.ts answers. */
export interface ValueProvenance {
  readonly path: string
  readonly grounded: boolean
  /** Where it stands; empty or absent when nowhere. */
  readonly from?: readonly string[]
}

/** A yes by a person to exactly this call, found but not yet consumed. */
export interface ApprovalFacts {
  readonly id: Id<'apr'>
  readonly by: Id<'per'>
  /** Who was entitled when the request was made. */
  readonly entitled: Id<'grp'> | Id<'per'>
}

/** What the request brings beside its subject and object. */
export interface CallContext {
  readonly stage: string | null
  /** Authentication context of the person behind the delegation (RFC 9470). */
  readonly acr: string
  /** How the token is bound to its holder. */
  readonly boundBy: 'dpop' | 'mtls' | 'none'
  /** Seconds since the Unix epoch. */
  readonly time: number
  readonly arguments: JsonObject
  readonly provenance: readonly ValueProvenance[]
  /** What `covers` of the delegation's intent answered. */
  readonly intent: Coverage
  readonly approval?: ApprovalFacts
  /** What the owners of the archetypes set for calls of this class; by default `doubt`, for writes `never`. */
  readonly agency?: Agency
  /** Whether the arguments carry something of a confidential segment. */
  readonly confidential?: boolean
}
