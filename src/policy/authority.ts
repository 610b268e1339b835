/**
 * By what right a person may put a version in force. INVARIANT (separate powers): the rule is dual
 * authorization (NIST SP 800-53 AC-3(2)); its exceptions are listed here and nowhere else.
 *
 * - a second person, active, reviewed and accepted exactly this version on the dry-run that is kept;
 * - *first*: nothing but the product's own policies was ever in force, and nobody else could review;
 * - *single operator*: the mode was switched on, which is recorded, and nobody else could review now.
 *
 * Both exceptions end by themselves as soon as anybody else may review: no author lifts the rule for
 * themselves while there is somebody to ask.
 */

import type { Clock } from '../base/clock.ts'
import { nowSeconds } from '../base/clock.ts'
import { ok, refuse, type Result } from '../base/result.ts'
import { decideOperation } from '../decision/decide-operation.ts'
import { loadPerson } from '../decision/load-facts.ts'
import type { Keyring } from '../keys/keyring.ts'
import { findPerson, listPeople } from '../people/people-store.ts'
import type { Session } from '../people/session.ts'
import type { Tx } from '../store/store.ts'
import { currentPoliciesIn, verifyInForce } from './current.ts'
import type { LoadedVersion } from './load-version.ts'
import { readInForce, readMode } from './policy-store.ts'
import { verify } from './signed-version.ts'
import type { Mode } from './version.ts'

interface Env {
  readonly clock: Clock
  readonly keyring: Keyring
}

/** The right to activate, and who had to agree. */
export interface Right {
  readonly mode: Mode
  readonly authorizedBy: readonly string[]
}

/** The right of a second person's review; refuses where it is missing. */
export async function rightByReview(
  tx: Tx,
  { version, review, dryRun }: LoadedVersion,
): Promise<Result<Right>> {
  if (review === undefined) return missing('a second person must review this version')
  if (review.decision !== 'accepted') return refuse({ reason: 'review_refused' })
  // INVARIANT (separate powers): the author's own yes is none.
  if (review.sub === version.author) return missing('the reviewer must not be the author')
  const reviewer = await findPerson(tx, review.sub)
  if (reviewer?.active !== true) return missing('the reviewer is no longer active')
  if (review.dry_run === undefined || review.dry_run !== dryRun?.digest) {
    return missing('the dry-run that was reviewed is not the last one')
  }
  return ok({ mode: 'dual', authorizedBy: [version.author, review.sub] })
}

/** The right of a person to act alone; refuses where somebody else could be asked. */
export async function rightAlone(tx: Tx, session: Session, env: Env): Promise<Result<Right>> {
  const inForce = await readInForce(tx, 'look')
  if (inForce === undefined) throw new Error('expected policies in force, got none')
  const activation = await verifyInForce(tx, inForce, env)
  const mode = activation.mode === 'default' ? 'first' : await operatorMode(tx, env)
  if (mode === 'dual') return missing('a second person must review this version')
  if (await somebodyElseReviews(tx, session, env)) {
    return missing('somebody else may review this version: propose it and ask them')
  }
  return ok({ mode, authorizedBy: [session.person] })
}

/** Whether any other active person may review policies, as the administration set stands. */
export async function somebodyElseReviews(tx: Tx, session: Session, env: Env): Promise<boolean> {
  const policies = await currentPoliciesIn(tx, env)
  for (const { id, active } of await listPeople(tx)) {
    if (!active || id === session.person) continue
    const asked = {
      person: await loadPerson(tx, id),
      acr: session.acr,
      operation: 'policy.review',
      target: { type: 'installation' } as const,
      time: nowSeconds(env.clock),
    }
    if (decideOperation(asked, policies).outcome !== 'deny') return true
  }
  return false
}

/** The mode that is in force: signed, else dual authorization. */
export async function operatorMode(
  tx: Tx,
  env: { readonly keyring: Keyring },
): Promise<'dual' | 'single_operator'> {
  const signed = await readMode(tx)
  if (signed === undefined) return 'dual'
  const claims = verify('policy-mode+jwt', signed, env)
  return claims.ok ? claims.value.mode : 'dual'
}

function missing(message: string): Result<never> {
  return refuse({ reason: 'review_required', message })
}
