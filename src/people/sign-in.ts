/**
 * Signing in: `issueSignInCode` gives a person a one-time code, `signIn` turns it into a session.
 *
 * A code and a session's token are each known to one person; here only their hashes are kept. Both
 * carry at least 128 bits of chance, so a plain hash holds them. A wrong code is not recorded, because
 * anybody can send one: it counts against the code that it names, which dies after a few.
 *
 * @see NIST SP 800-63B §3.1.2 look-up secrets, §5.1 session bindings
 */

import { append } from '../audit/append.ts'
import type { Actor } from '../audit/entry.ts'
import { base64url, equalSecrets, sha256 } from '../base/bytes.ts'
import { type Clock, nowSeconds } from '../base/clock.ts'
import { newId } from '../base/id.ts'
import type { Random } from '../base/random.ts'
import { ok, refuse, type Result } from '../base/result.ts'
import type { Store, Tx } from '../store/store.ts'
import { lockPerson } from './people-store.ts'
import type { Person, PersonId } from './person.ts'
import type { Session } from './session.ts'
import {
  deleteCode,
  deleteExpired,
  type CodePurpose,
  insertSession,
  lockCode,
  ownerOfCode,
  replaceCode,
  spendTry,
} from './session-store.ts'
import { newSignInCode, parseSignInCode } from './sign-in-code.ts'

/** A code for one person's hands; it is told once and kept nowhere. */
export interface IssuedCode {
  readonly code: string
  /** Seconds since the epoch. */
  readonly expiresAt: number
}

const CODE_SECONDS = 10 * 60
const SESSION_SECONDS = 12 * 60 * 60
const TRIES = 5
const TOKEN_BYTES = 32

/** Issues a code, by which an earlier one for the same person ends. */
export async function issueSignInCode(
  request: { readonly person: string },
  by: Actor,
  env: { readonly store: Store; readonly clock: Clock; readonly random: Random },
): Promise<Result<IssuedCode, { reason: 'unknown_person' | 'person_inactive' }>> {
  return await env.store.transaction(async (tx) => {
    const person = await lockPerson(tx, request.person)
    if (person === undefined) return refuse({ reason: 'unknown_person' })
    if (!person.active) return refuse({ reason: 'person_inactive' })
    const issued = await writeCode(tx, { person: person.id, purpose: 'sign_in' }, env)
    await append(tx, [codeIssued(person.id, issued, by, env)])
    return ok(issued)
  })
}

/** Writes a new code in place of an earlier one for the same person. The caller records it. */
export async function writeCode(
  tx: Tx,
  about: {
    readonly person: PersonId
    readonly purpose: CodePurpose
    readonly lifetimeSeconds?: number
  },
  env: { readonly clock: Clock; readonly random: Random },
): Promise<IssuedCode> {
  const { code, selector, secretHash } = newSignInCode(env.random)
  const expiresAt = nowSeconds(env.clock) + (about.lifetimeSeconds ?? CODE_SECONDS)
  const { person, purpose } = about
  await replaceCode(tx, { selector, secretHash, person, purpose, expiresAt, triesLeft: TRIES })
  return { code, expiresAt }
}

/** The entry for a code that was issued. */
export function codeIssued(
  person: PersonId,
  { expiresAt }: IssuedCode,
  by: Actor,
  env: { readonly clock: Clock },
): Parameters<typeof append>[1][number] {
  const time = env.clock.nowMilliseconds()
  return { v: 1, kind: 'sign_in_code_issued', time, by, person, expiresAt }
}

/** A person who is signed in, and the token that proves it from now on. */
export interface SignedIn {
  readonly token: string
  readonly session: Session
}

/**
 * Turns a code into a session, once. Every refusal is the same, whatever was wrong: no such code, a
 * wrong one, one that expired, was used or was tried too often, a person who is inactive.
 */
export async function signIn(
  request: { readonly code: string },
  env: { readonly store: Store; readonly clock: Clock; readonly random: Random },
): Promise<Result<SignedIn, { reason: 'bad_code' }>> {
  const code = parseSignInCode(request.code)
  if (code === undefined) return refuse({ reason: 'bad_code' })
  // Not a refusal inside: the try that a wrong code costs must be committed.
  const signedIn = await env.store.transaction(async (tx): Promise<SignedIn | undefined> => {
    const now = nowSeconds(env.clock)
    const owner = await ownerOfCode(tx, code.selector)
    // The person first, then the code, as deactivation does: no session begins beside it.
    const person = owner === undefined ? undefined : await lockPerson(tx, owner)
    // Of two tries at once the second sees what the first has spent.
    const kept = await lockCode(tx, code.selector)
    const matches = equalSecrets(code.secretHash, kept?.secretHash ?? sha256(''))
    if (kept === undefined || kept.triesLeft === 0 || kept.expiresAt <= now) return undefined
    if (!matches) {
      await spendTry(tx, code.selector)
      return undefined
    }
    if (person?.active !== true) return undefined

    await deleteCode(tx, code.selector)
    return await startSession(tx, person, env)
  })
  return signedIn === undefined ? refuse({ reason: 'bad_code' }) : ok(signedIn)
}

async function startSession(
  tx: Tx,
  person: Person,
  env: { readonly clock: Clock; readonly random: Random },
): Promise<SignedIn> {
  const authTime = nowSeconds(env.clock)
  const session: Session = {
    id: newId('ses', env),
    person: person.id,
    handle: person.handle,
    presence: 'session',
    authTime,
    expiresAt: authTime + SESSION_SECONDS,
    acr: 'urn:behalf:acr:one-time-code',
  }
  const token = base64url(env.random.bytes(TOKEN_BYTES))
  await deleteExpired(tx, authTime)
  await insertSession(tx, session, sha256(token))
  await append(tx, [
    {
      v: 1,
      kind: 'signed_in',
      time: env.clock.nowMilliseconds(),
      by: { type: 'person', person: person.id, session: session.id, presence: 'session' },
      person: person.id,
      session: session.id,
      method: 'one_time_code',
      expiresAt: session.expiresAt,
    },
  ])
  return { token, session }
}
