/** A delegation: the record by which a person hands an agent authority for one purpose. */

import * as z from 'zod'
import { idSchema, type Id } from '../base/id.ts'
import { agentIdSchema, type AgentId, isArchetypeName } from '../identity/agent.ts'
import { type McpCallDetail, stageSchema } from './intent.ts'

/** The identifier of a delegation. */
export type DelegationId = Id<'dlg'>
/** A person or group. */
export type Party = Id<'per'> | Id<'grp'>
/** Who may use a delegation: any instance of an archetype until the first claims it, or one agent. */
export interface Delegate {
  readonly archetype: string
  readonly agent?: AgentId
}

/** What ended or holds up a delegation, or `active`; `expired` follows from the clock. */
export type DelegationState = 'active' | 'suspended' | 'completed' | 'revoked' | 'expired'

/** One delegation as it is recorded. Stages and their movers are the root's and hold for its whole tree. */
export interface Delegation {
  readonly id: DelegationId
  /** Whose authority it is; the same in the whole tree. */
  readonly person: Id<'per'>
  readonly delegate: Delegate
  readonly parent?: DelegationId
  /** From the root down to the parent. */
  readonly ancestors: readonly DelegationId[]
  readonly purpose: string
  readonly details: readonly McpCallDetail[]
  readonly stages: readonly string[]
  /** The current stage; null if there are no stages. */
  readonly stage: string | null
  /** Who moves the stage beside the person. */
  readonly stageMovers: readonly Party[]
  /** Whether the stage may also be moved back. */
  readonly stagesReversible: boolean
  /** Milliseconds since the Unix epoch. */
  readonly createdAt: number
  /** Seconds since the Unix epoch; from then on it is expired. */
  readonly expiresAt: number
  readonly state: DelegationState
  /** The signed delegation (`signed-delegation.ts`). */
  readonly signed: string
}

/** The longest lifetime, in seconds: what the issuer's keys outlive. */
export const MAX_LIFETIME_SECONDS = 365 * 86_400
/** The most delegations above one another, itself included: an act chain has at most 16 agents. */
export const MAX_DEPTH = 16

/** Schemas that the requests of this room share. */
export const partySchema: z.ZodType<Party> = z.union([idSchema('per'), idSchema('grp')])
/** The name of an agent's archetype. */
export const archetypeSchema = z.string().refine(isArchetypeName, 'expected an archetype')
/** What everybody who makes a delegation must say. */
export const delegateSchema = z.strictObject({
  archetype: archetypeSchema,
  agent: agentIdSchema.exactOptional(),
})
/** The stages of a job, in order. */
export const stagesSchema = z
  .array(stageSchema())
  .max(50)
  .refine((stages) => new Set(stages).size === stages.length, 'expected different stages')
