/** A signed-in person. Only `signIn` and `authenticateSession` make one; what only a person may do takes one. */

import type { Actor } from '../audit/entry.ts'
import type { Id } from '../base/id.ts'
import type { PersonId } from './person.ts'

/** A session in our records; the token that proves it is known to the person alone. */
export type SessionId = Id<'ses'>

/** A person who proved, at `authTime`, to be there. */
export interface Session {
  readonly id: SessionId
  readonly person: PersonId
  readonly handle: string
  /** How presence was proven. */
  readonly presence: 'session' | 'passkey'
  /** Seconds since the epoch (OpenID Connect Core §2 `auth_time`). */
  readonly authTime: number
  /** Seconds since the epoch. */
  readonly expiresAt: number
  /** How well the person proved who they are (OpenID Connect Core §2 `acr`). */
  readonly acr: string
}

/** The person of a session as the actor of an entry. */
export function personActor(session: Session): Actor {
  return {
    type: 'person',
    person: session.person,
    session: session.id,
    presence: session.presence,
  }
}
