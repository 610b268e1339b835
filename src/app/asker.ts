/**
 * Who sent a request: a person in a session, or an agent with its token. Every route that is not open
 * to anybody asks here, so that all of them refuse the same.
 *
 * @see RFC 6750 §2.1, RFC 9449 §7.1
 */

import { append } from '../audit/append.ts'
import { nowSeconds } from '../base/clock.ts'
import { ok, refuse, type Refusal, type Result } from '../base/result.ts'
import { decideOperation, type OperationTarget } from '../decision/decide-operation.ts'
import { loadPerson } from '../decision/load-facts.ts'
import { authenticateSession } from '../people/authenticate-session.ts'
import { personActor, type Session } from '../people/session.ts'
import { currentPolicies } from '../policy/current.ts'
import { authenticateToken, type Caller, challengeHeaders } from '../token/authenticate-token.ts'
import { administrationResource } from '../token/resource.ts'
import type { HttpAnswer, HttpRequest } from './http.ts'
import type { Installation } from './installation.ts'

/** What is asked about when an operation is about nothing smaller. */
export const INSTALLATION: OperationTarget = { type: 'installation' }

/** A credential sent twice is none: whoever stands in front of us may have read the other one. */
function once(request: HttpRequest, header: 'authorization' | 'dpop'): string | undefined {
  return request.times(header) === 1 ? (request.headers[header] as string) : undefined
}

/** The bearer token of a request; a session's, if anything. */
export function bearerOf(request: HttpRequest): string | undefined {
  return /^Bearer ([\w.-]+)$/.exec(once(request, 'authorization') ?? '')?.[1]
}

/** The person whose session the request shows. */
export async function knowPerson(
  request: HttpRequest,
  env: Installation,
): Promise<Result<Session, { reason: 'not_signed_in' }>> {
  return await authenticateSession(bearerOf(request) ?? '', env)
}

/** The agent whose token for the administration API the request shows. */
export async function knowAgent(
  request: HttpRequest,
  env: Installation,
): Promise<Result<Caller, Refusal & { readonly headers?: HttpAnswer['headers'] }>> {
  const caller = await authenticateToken(
    {
      authorization: once(request, 'authorization'),
      dpop: once(request, 'dpop'),
      method: request.method,
      url: `${env.issuer}${request.path}`,
      audience: administrationResource(env.issuer),
    },
    env,
  )
  if (caller.ok) return caller
  return refuse({ reason: 'not_authenticated', headers: challengeHeaders(caller.error) })
}

/** Whether policy lets a person do an operation; what it refuses is recorded. */
export async function decideFor(
  session: Session,
  asked: { readonly operation: string; readonly target: OperationTarget },
  env: Installation,
): Promise<Result<undefined>> {
  const { operation } = asked
  const policies = await currentPolicies(env)
  const person = await env.store.snapshot((tx) => loadPerson(tx, session.person))
  const decision = decideOperation(
    { ...asked, person, acr: session.acr, time: nowSeconds(env.clock) },
    policies,
  )
  if (decision.outcome === 'permit') return ok()
  await env.store.transaction((tx) =>
    append(tx, [
      {
        v: 1,
        kind: 'operation_refused',
        time: env.clock.nowMilliseconds(),
        by: personActor(session),
        operation,
        reason: decision.reason ?? 'not_permitted',
      },
    ]),
  )
  return refuse({
    reason: decision.outcome === 'step_up' ? 'step_up_required' : 'not_permitted',
    message: `\`${operation}\` is not permitted to you`,
  })
}
