/** Tables `sign_in_code` and `session`. */

import type { Store, Tx } from '../store/store.ts'
import type { PersonId } from './person.ts'
import type { Session, SessionId } from './session.ts'

/** What a code is for: the `bootstrap` one opens an empty installation. */
export type CodePurpose = 'sign_in' | 'bootstrap'

/** A code as it is kept. */
export interface KeptCode {
  readonly selector: string
  readonly secretHash: Uint8Array
  readonly person: PersonId
  readonly purpose: CodePurpose
  /** Seconds since the epoch. */
  readonly expiresAt: number
  readonly triesLeft: number
}

type SessionTables = {
  sign_in_code: {
    selector: string
    secret_hash: Uint8Array
    person_id: PersonId
    purpose: CodePurpose
    expires_at: number
    tries_left: number
  }
  session: {
    id: SessionId
    token_hash: Uint8Array
    person_id: PersonId
    presence: 'session' | 'passkey'
    acr: string
    auth_time: number
    expires_at: number
  }
  person: { id: PersonId; handle: string; active: boolean }
}

/** Keeps a code, and no other one for the same person. */
export async function replaceCode(tx: Tx, code: KeptCode): Promise<void> {
  await deleteCodes(tx, code.person)
  await tx
    .withTables<SessionTables>()
    .insertInto('sign_in_code')
    .values({
      selector: code.selector,
      secret_hash: code.secretHash,
      person_id: code.person,
      purpose: code.purpose,
      expires_at: code.expiresAt,
      tries_left: code.triesLeft,
    })
    .execute()
}

/** Whose code it is; a look without a lock, to know what to lock first. */
export async function ownerOfCode(tx: Tx, selector: string): Promise<PersonId | undefined> {
  const row = await tx
    .withTables<SessionTables>()
    .selectFrom('sign_in_code')
    .select('person_id')
    .where('selector', '=', selector)
    .executeTakeFirst()
  return row?.person_id
}

/** The code of that selector, which nobody else can use until the transaction ends. */
export async function lockCode(tx: Tx, selector: string): Promise<KeptCode | undefined> {
  const row = await tx
    .withTables<SessionTables>()
    .selectFrom('sign_in_code')
    .select(['selector', 'secret_hash', 'person_id', 'purpose', 'expires_at', 'tries_left'])
    .where('selector', '=', selector)
    .forUpdate()
    .executeTakeFirst()
  if (row === undefined) return undefined
  return {
    selector: row.selector,
    secretHash: row.secret_hash,
    person: row.person_id,
    purpose: row.purpose,
    expiresAt: row.expires_at,
    triesLeft: row.tries_left,
  }
}

/** Counts a wrong try against a code. */
export async function spendTry(tx: Tx, selector: string): Promise<void> {
  await tx
    .withTables<SessionTables>()
    .updateTable('sign_in_code')
    .set((eb) => ({ tries_left: eb('tries_left', '-', 1) }))
    .where('selector', '=', selector)
    .execute()
}

/** Removes one code. */
export async function deleteCode(tx: Tx, selector: string): Promise<void> {
  await tx
    .withTables<SessionTables>()
    .deleteFrom('sign_in_code')
    .where('selector', '=', selector)
    .execute()
}

/** Removes a person's codes. */
export async function deleteCodes(tx: Tx, person: PersonId): Promise<void> {
  await tx
    .withTables<SessionTables>()
    .deleteFrom('sign_in_code')
    .where('person_id', '=', person)
    .execute()
}

/** Whose bootstrap code was issued and never used, expired or not. */
export async function bootstrapPending(tx: Tx): Promise<PersonId | undefined> {
  const row = await tx
    .withTables<SessionTables>()
    .selectFrom('sign_in_code')
    .select('person_id')
    .where('purpose', '=', 'bootstrap')
    .executeTakeFirst()
  return row?.person_id
}

/** Adds a session, to be found by its token's hash. */
export async function insertSession(
  tx: Tx,
  session: Session,
  tokenHash: Uint8Array,
): Promise<void> {
  await tx
    .withTables<SessionTables>()
    .insertInto('session')
    .values({
      id: session.id,
      token_hash: tokenHash,
      person_id: session.person,
      presence: session.presence,
      acr: session.acr,
      auth_time: session.authTime,
      expires_at: session.expiresAt,
    })
    .execute()
}

/** The session of a token's hash, if it has not ended and its person is active. */
export async function findSession(
  db: Store['db'],
  tokenHash: Uint8Array,
  now: number,
): Promise<Session | undefined> {
  const row = await db
    .withTables<SessionTables>()
    .selectFrom('session')
    .innerJoin('person', 'person.id', 'session.person_id')
    .select(['session.id', 'person_id', 'handle', 'presence', 'auth_time', 'expires_at', 'acr'])
    .where('token_hash', '=', tokenHash)
    .where('expires_at', '>', now)
    .where('active', '=', true)
    .executeTakeFirst()
  if (row === undefined) return undefined
  return {
    id: row.id,
    person: row.person_id,
    handle: row.handle,
    presence: row.presence,
    authTime: row.auth_time,
    expiresAt: row.expires_at,
    acr: row.acr,
  }
}

/** Ends one session; `false` if it had ended. */
export async function deleteSession(tx: Tx, id: SessionId): Promise<boolean> {
  const ended = await tx
    .withTables<SessionTables>()
    .deleteFrom('session')
    .where('id', '=', id)
    .executeTakeFirst()
  return ended.numDeletedRows === 1n
}

/** Ends all sessions of a person. */
export async function deleteSessions(tx: Tx, person: PersonId): Promise<void> {
  await tx
    .withTables<SessionTables>()
    .deleteFrom('session')
    .where('person_id', '=', person)
    .execute()
}

/** Forgets what expired before `now`, but not that a bootstrap is pending. */
export async function deleteExpired(tx: Tx, now: number): Promise<void> {
  const db = tx.withTables<SessionTables>()
  await db.deleteFrom('session').where('expires_at', '<=', now).execute()
  await db
    .deleteFrom('sign_in_code')
    .where('expires_at', '<=', now)
    .where('purpose', '=', 'sign_in')
    .execute()
}
