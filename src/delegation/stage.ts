/**
 * Stages: a job moves through them one way, and only people move it.
 *
 * The stage belongs to the root and holds for the whole tree, so nothing below can be ahead of it.
 */

import { append, lockHead } from '../audit/append.ts'
import type { Clock } from '../base/clock.ts'
import { type Result, ok, refuse } from '../base/result.ts'
import { personActor, type Session } from '../people/session.ts'
import type { Store } from '../store/store.ts'
import { type AskerRefusal, checkAsker, isAmong } from './asker.ts'
import type { Delegation, DelegationId } from './delegation.ts'
import { setStage } from './delegation-store.ts'
import { loadTree, type NotStanding, standing } from './standing.ts'

/** Why a stage was not moved. */
export type StageRefusal =
  | AskerRefusal
  | NotStanding
  | {
      readonly reason:
        | 'unknown_delegation'
        | 'not_a_root'
        | 'not_entitled'
        | 'unknown_stage'
        | 'same_stage'
        | 'backward'
    }

/**
 * Moves a root's stage.
 *
 * INVARIANT (approval binding): only the delegator, and those whom they named, in a session of their own.
 */
export async function moveStage(
  request: { readonly delegation: DelegationId; readonly stage: string },
  session: Session,
  env: { readonly store: Store; readonly clock: Clock },
): Promise<Result<Delegation, StageRefusal>> {
  return await env.store.transaction(async (tx) => {
    await lockHead(tx)
    const now = await checkAsker(tx, session)
    if (!now.ok) return now
    const tree = await loadTree(tx, request.delegation)
    if (tree === undefined) return refuse({ reason: 'unknown_delegation' })
    const { delegation } = tree
    if (!(await isAmong(tx, session, [delegation.person, ...delegation.stageMovers]))) {
      return refuse({ reason: 'not_entitled' })
    }
    if (delegation.parent !== undefined) return refuse({ reason: 'not_a_root' })
    const stands = standing(tree, Math.floor(now.value / 1_000))
    if (!stands.ok) return stands

    const to = delegation.stages.indexOf(request.stage)
    const from = delegation.stages.indexOf(delegation.stage ?? '')
    if (to === -1) return refuse({ reason: 'unknown_stage' })
    if (to === from) return refuse({ reason: 'same_stage' })
    if (to < from && !delegation.stagesReversible) return refuse({ reason: 'backward' })

    await setStage(tx, delegation.id, request.stage)
    await append(tx, [
      {
        v: 1,
        kind: 'stage_moved',
        time: env.clock.nowMilliseconds(),
        by: personActor(session),
        touches: [delegation.id],
        delegation: delegation.id,
        from: delegation.stage,
        to: request.stage,
      },
    ])
    return ok({ ...delegation, stage: request.stage })
  })
}
