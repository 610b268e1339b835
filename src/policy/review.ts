/** A second person judges a proposed version, on the dry-run that shows what it would change. Once. */

import { append } from '../audit/append.ts'
import { nowSeconds } from '../base/clock.ts'
import { ok, refuse, type Result } from '../base/result.ts'
import { personActor, type Session } from '../people/session.ts'
import { loadVersion } from './load-version.ts'
import { insertReview } from './policy-store.ts'
import type { PolicyEnv, PolicyRefusal } from './propose.ts'
import { sign } from './signed-version.ts'

/** What a reviewer says. */
export interface Judgement {
  readonly policy: string
  readonly decision: 'accepted' | 'refused'
  /** The digest of the dry-run report that they read; needed to accept. */
  readonly report?: string
  readonly reason?: string
}

/** Keeps the review. Nobody reviews what they wrote. */
export async function review(
  { policy, decision, report, reason }: Judgement,
  session: Session,
  env: PolicyEnv,
): Promise<Result<undefined, PolicyRefusal>> {
  return await env.store.transaction(async (tx) => {
    const loaded = await loadVersion(tx, policy, env)
    if (loaded === undefined) return refuse({ reason: 'unknown_policy' })
    const { version, dryRun } = loaded
    // INVARIANT (separate powers): the author cannot lift dual authorization.
    if (version.author === session.person) {
      return refuse({
        reason: 'own_proposal',
        message: 'expected somebody other than the author to review',
      })
    }
    if (decision === 'accepted' && (dryRun === undefined || dryRun.digest !== report)) {
      return refuse({
        reason: 'dry_run_required',
        message: 'expected the digest of the last dry-run of this version: read it first',
      })
    }
    const claims = {
      jti: version.id,
      sub: session.person,
      iat: nowSeconds(env.clock),
      version: version.version,
      presence: session.presence,
      decision,
      ...(decision === 'accepted' && dryRun !== undefined && { dry_run: dryRun.digest }),
    }
    const kept = await insertReview(tx, version.id, sign('policy-review+jwt', claims, env))
    if (!kept) return refuse({ reason: 'already_reviewed' })
    await append(tx, [
      {
        v: 1,
        kind: 'policy_reviewed',
        time: env.clock.nowMilliseconds(),
        by: personActor(session),
        policy: version.id,
        decision,
        ...(claims.dry_run !== undefined && { report: claims.dry_run }),
        ...(reason !== undefined && { reason }),
      },
    ])
    return ok()
  })
}
