/**
 * Decides one operation of the administration API: the person alone, under the administration set.
 *
 * Call `decideOperation`. What the operation is about arrives as facts (`OperationTarget`); the rooms
 * behind the operation keep their own invariants (only the entitled approve) whatever policy says.
 */

import { actionEntity, byKey, entity, instant, personEntity, record } from './entities.ts'
import type { PersonFacts } from './facts.ts'
import { evaluate, type PolicySets } from './policy-set.ts'
import { actionGroup } from './schema.ts'
import { EntityUid } from './value.ts'

/** What an operation is about, as far as policy asks. */
export type OperationTarget =
  | { readonly type: 'installation' }
  /** `own`: this person answers for it. */
  | { readonly type: 'agent'; readonly id: string; readonly own: boolean }
  /**
   * `own`: delegated by this person; `answers`: for the agent it is for; `mover`: among those who may move
   * its stage.
   */
  | {
      readonly type: 'delegation'
      readonly id: string
      readonly own: boolean
      readonly answers?: boolean
      readonly mover?: boolean
    }
  /** `entitled`: this person may decide it. */
  | { readonly type: 'approval'; readonly id: string; readonly entitled: boolean }
  /** `role`: what this person is in it; absent for who does not take part. */
  | { readonly type: 'conversation'; readonly id: string; readonly role?: string }

/** One operation as asked by a signed-in person. */
export interface OperationRequest {
  readonly person: PersonFacts
  /** Authentication context of the session (RFC 9470). */
  readonly acr: string
  /** `person.create`, … as in the API's table. */
  readonly operation: string
  readonly target: OperationTarget
  /** Seconds since the Unix epoch. */
  readonly time: number
}

/** What was decided about an operation. */
export interface OperationDecision {
  readonly outcome: 'permit' | 'deny' | 'step_up'
  readonly reason?:
    | 'unknown_operation'
    | 'not_active'
    | 'policy_error'
    | 'forbidden'
    | 'not_permitted'
    | 'step_up_required'
  /** The ids of the policies that determined it. */
  readonly policies: readonly string[]
  readonly version: string
}

/** Decides one operation; any error is a deny. */
export function decideOperation(
  request: OperationRequest,
  policies: PolicySets,
): OperationDecision {
  const { person, operation, target } = request
  const { version } = policies.administration
  const deny = (
    reason: NonNullable<OperationDecision['reason']>,
    because: readonly { id: string }[] = [],
  ): OperationDecision => ({
    outcome: 'deny',
    reason,
    policies: because.map(({ id }) => id),
    version,
  })
  const resource = new EntityUid(
    CEDAR_TYPE[target.type],
    target.type === 'installation' ? 'behalf' : target.id,
  )
  const group = actionGroup(operation, resource.type)
  if (group === undefined) return deny('unknown_operation')
  if (!person.active) return deny('not_active')
  const principal = personEntity(person)
  const action = actionEntity(operation, group)
  const { permits, forbids, errors } = evaluate(policies.administration, {
    principal: principal.uid,
    action: action.uid,
    resource,
    context: record({
      now: instant(request.time),
      acr: request.acr,
      own: 'own' in target && target.own,
      answers: 'answers' in target && (target.answers ?? false),
      mover: 'mover' in target && (target.mover ?? false),
      entitled: 'entitled' in target && target.entitled,
      role: 'role' in target ? (target.role ?? 'none') : 'none',
    }),
    entities: byKey([principal, action, entity(resource)]),
  })
  if (errors.length > 0) return deny('policy_error', errors)
  // Nobody approves an operation yet: only a step-up lifts a forbid here.
  const hard = forbids.filter(({ require }) => require !== 'step_up')
  if (hard.length > 0) return deny('forbidden', hard)
  if (permits.length === 0) return deny('not_permitted')
  if (forbids.length > 0) return { ...deny('step_up_required', forbids), outcome: 'step_up' }
  return { outcome: 'permit', policies: permits.map(({ id }) => id), version }
}

const CEDAR_TYPE = {
  installation: 'Installation',
  agent: 'Agent',
  delegation: 'Delegation',
  approval: 'Approval',
  conversation: 'Conversation',
} as const
