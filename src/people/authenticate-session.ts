/** Sessions after sign-in: `authenticateSession` at each request, `endSession` at sign-out. */

import { append } from '../audit/append.ts'
import { sha256 } from '../base/bytes.ts'
import { type Clock, nowSeconds } from '../base/clock.ts'
import { ok, refuse, type Result } from '../base/result.ts'
import type { Store } from '../store/store.ts'
import { deleteSession, findSession } from './session-store.ts'
import { personActor, type Session } from './session.ts'

const TOKEN = /^[A-Za-z0-9_-]{43}$/

/** The session that `token` proves, read from the store each time: deactivation ends it at once. */
export async function authenticateSession(
  token: string,
  env: { readonly store: Store; readonly clock: Clock },
): Promise<Result<Session, { reason: 'not_signed_in' }>> {
  if (!TOKEN.test(token)) return refuse({ reason: 'not_signed_in' })
  // Found by hash: how long the look-up takes says nothing about the token itself.
  const session = await findSession(env.store.db, sha256(token), nowSeconds(env.clock))
  return session === undefined ? refuse({ reason: 'not_signed_in' }) : ok(session)
}

/** Ends the session of the person who asks. */
export async function endSession(
  session: Session,
  env: { readonly store: Store; readonly clock: Clock },
): Promise<Result<undefined, { reason: 'not_signed_in' }>> {
  return await env.store.transaction(async (tx) => {
    if (!(await deleteSession(tx, session.id))) return refuse({ reason: 'not_signed_in' })
    await append(tx, [
      {
        v: 1,
        kind: 'session_ended',
        time: env.clock.nowMilliseconds(),
        by: personActor(session),
        person: session.person,
        session: session.id,
      },
    ])
    return ok()
  })
}
