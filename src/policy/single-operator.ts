/**
 * The mode for an office of one: policies change without a second person, because there is none.
 *
 * Switching it on is refused while anybody else could review, and it has no effect once somebody can
 * (`authority.ts`): it never takes a reviewer away. Whoever may manage may switch it off.
 */

import { append } from '../audit/append.ts'
import { nowSeconds } from '../base/clock.ts'
import { ok, refuse, type Result } from '../base/result.ts'
import { personActor, type Session } from '../people/session.ts'
import { somebodyElseReviews } from './authority.ts'
import { readInForce, writeMode } from './policy-store.ts'
import type { PolicyEnv, PolicyRefusal } from './propose.ts'
import { sign } from './signed-version.ts'

/** Sets the mode; recorded. */
export async function setMode(
  { mode }: { readonly mode: 'dual' | 'single_operator' },
  session: Session,
  env: PolicyEnv,
): Promise<Result<undefined, PolicyRefusal>> {
  return await env.store.transaction(async (tx) => {
    await readInForce(tx, 'lock')
    // INVARIANT (separate powers): disabling dual authorization needs the other person's absence.
    if (mode === 'single_operator' && (await somebodyElseReviews(tx, session, env))) {
      return refuse({
        reason: 'others_may_review',
        message: 'expected nobody else who may review policies: ask them instead',
      })
    }
    const claims = { sub: session.person, iat: nowSeconds(env.clock), mode }
    await writeMode(tx, sign('policy-mode+jwt', claims, env))
    await append(tx, [
      {
        v: 1,
        kind: 'policy_mode_set',
        time: env.clock.nowMilliseconds(),
        by: personActor(session),
        mode,
      },
    ])
    return ok()
  })
}
