/** What a person who asks must be, checked in the transaction of what they ask for. */

import { type Result, ok, refuse } from '../base/result.ts'
import { ADMINISTRATORS } from '../people/administrators.ts'
import { findGroup, findPerson, groupsOf } from '../people/people-store.ts'
import type { Session } from '../people/session.ts'
import type { Tx } from '../store/store.ts'
import type { Party } from './delegation.ts'
import { databaseMilliseconds } from './delegation-store.ts'

/** Why a person's session does not count. */
export interface AskerRefusal {
  readonly reason: 'person_inactive'
}

/**
 * Succeeds with the database's time in milliseconds if the person of the session is active now. That the
 * session itself holds was checked when the request was authenticated.
 */
export async function checkAsker(tx: Tx, session: Session): Promise<Result<number, AskerRefusal>> {
  const person = await findPerson(tx, session.person)
  if (person?.active !== true) return refuse({ reason: 'person_inactive' })
  return ok(await databaseMilliseconds(tx))
}

/** Whether the person is one of `parties`, or belongs to one now. */
export async function isAmong(
  tx: Tx,
  session: Session,
  parties: readonly Party[],
): Promise<boolean> {
  if (parties.includes(session.person)) return true
  if (!parties.some((party) => party.startsWith('grp_'))) return false
  const groups = await groupsOf(tx, session.person)
  return groups.some((group) => parties.includes(group))
}

/** Whether the person administers the installation. */
export async function isAdministrator(tx: Tx, session: Session): Promise<boolean> {
  const administrators = await findGroup(tx, ADMINISTRATORS)
  return administrators !== undefined && (await isAmong(tx, session, [administrators.id]))
}
