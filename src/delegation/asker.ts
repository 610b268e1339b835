/** What a person who asks must be, checked in the transaction of what they ask for. */

import { type Result, ok, refuse } from '../base/result.ts'
import { findGroup, findPerson, groupsOf } from '../people/people-store.ts'
import type { Session } from '../people/session.ts'
import type { Tx } from '../store/store.ts'
import type { Party } from './delegation.ts'
import { databaseMilliseconds } from './delegation-store.ts'

/** Why a person's session does not count. */
export interface AskerRefusal {
  readonly reason: 'session_expired' | 'person_inactive'
}

/** Succeeds if the session has not expired by the database's clock and the person is active; returns that time in milliseconds. */
export async function checkAsker(tx: Tx, session: Session): Promise<Result<number, AskerRefusal>> {
  const now = await databaseMilliseconds(tx)
  if (session.expiresAt * 1_000 <= now) return refuse({ reason: 'session_expired' })
  const person = await findPerson(tx, session.person)
  return person?.active === true ? ok(now) : refuse({ reason: 'person_inactive' })
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

/** The group that the first start of an installation makes. */
const ADMINISTRATORS = 'administrators'
