/**
 * The credential that a server is shown: unsealed here, put on the wire here, and looked for in all that comes
 * back. INVARIANT (no standing secrets): it reaches neither agent, sandbox, log nor error.
 */

import type { MasterKey } from '../keys/seal.ts'
import { openCredential } from '../registry/credential.ts'
import type { ServerId } from '../registry/server.ts'
import type { Store } from '../store/store.ts'
import { echoNeedles } from './echo.ts'

/** Unseals the credential of that name of a server; undefined if there is none. */
export type FindCredential = (name: string, server: ServerId) => Promise<string | undefined>

/** What is sent, and what must not come back. */
export interface Shown {
  /** The value of the Authorization header. */
  readonly authorization: string
  readonly needles: readonly string[]
}

/** Finds credentials where the registry keeps them. */
export function sealedCredentials(env: {
  readonly store: Store
  readonly masterKey: MasterKey
}): FindCredential {
  return async (name, server) =>
    await env.store.snapshot(async (tx) => await openCredential(tx, server, name, env))
}

/** `value` as it is shown: a bearer token (RFC 6750 §2.1) unless it names a scheme itself (RFC 9110 §11.4). */
export function shown(value: string): Shown {
  const space = value.indexOf(' ')
  if (space === -1) return { authorization: `Bearer ${value}`, needles: echoNeedles(value) }
  const secret = value.slice(space + 1).trim()
  const needles = [...echoNeedles(secret), ...basicNeedles(value.slice(0, space), secret)]
  return { authorization: value, needles }
}

/** RFC 7617 §2: what Basic encodes is `user:password`, and the password is the secret. */
function basicNeedles(scheme: string, secret: string): readonly string[] {
  if (scheme.toLowerCase() !== 'basic') return []
  const pair = Buffer.from(secret, 'base64').toString('utf8')
  const password = pair.slice(pair.indexOf(':') + 1)
  return password === '' ? [] : echoNeedles(password)
}
