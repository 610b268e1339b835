/**
 * An approval: a single-use yes by an entitled person to exactly one call.
 *
 * What it binds is a `Binding`; `bindingDigest` is what a request is found by, what the yes is signed
 * over, and what the call must have again when it consumes it.
 */

import { type Digest, digestOfJson } from '../base/bytes.ts'
import type { JsonObject } from '../base/canonical-json.ts'
import type { Id } from '../base/id.ts'
import type { DelegationId, Party } from '../delegation/delegation.ts'
import type { AgentId } from '../identity/agent.ts'
import type { PersonId } from '../people/person.ts'

/** The identifier of an approval. */
export type ApprovalId = Id<'apr'>

/** Exactly one call. */
export interface Binding {
  /** The act chain, the agent that acts now first (RFC 8693 §4.1). */
  readonly agents: readonly AgentId[]
  readonly person: PersonId
  readonly delegation: DelegationId
  readonly server: Id<'srv'>
  /** `tools/call:file_return`, … */
  readonly action: string
  /** The reviewed definition. */
  readonly definition: Digest
  /** Of the canonical arguments. */
  readonly argumentsDigest: Digest
}

/** Where an approval is. `expired` follows from the clock; all but `pending` and `approved` are final. */
export type ApprovalState = 'pending' | 'approved' | 'denied' | 'voided' | 'consumed' | 'expired'

/** One approval as it is recorded. */
export interface Approval {
  readonly id: ApprovalId
  readonly state: ApprovalState
  readonly binding: Binding
  /** The root of the delegation's tree. */
  readonly root: DelegationId
  /** The call that asked. */
  readonly call: string
  /** Who was named: a person, or any member of a group. */
  readonly entitled: Party
  /** Those that this meant when it was asked; nobody else ever becomes entitled. */
  readonly entitledPeople: readonly PersonId[]
  /** What is shown, escaped (`printable.ts`) and never shortened. */
  readonly shown: JsonObject
  readonly shownDigest: Digest
  /** Review declared the call independent of others on its server: none voids it. */
  readonly independent: boolean
  /** Milliseconds since the Unix epoch. */
  readonly requestedAt: number
  /** Milliseconds since the Unix epoch; from then on it is neither decided nor consumed. */
  readonly expiresAt: number
  readonly decidedBy?: PersonId
  /** The signed yes (`signed-approval.ts`). */
  readonly signed?: string
}

/** The digest of all that a yes is bound to. */
export function bindingDigest(binding: Binding): Digest {
  const { agents, person, delegation, server, action, definition, argumentsDigest } = binding
  // INVARIANT (approval binding): named one by one, so that no other member takes part or is left out.
  return digestOfJson({
    agents,
    person,
    delegation,
    server,
    action,
    definition,
    argumentsDigest,
  })
}
