/**
 * Where a program that we start may connect to, as its review says, with the credentials that are added for it.
 *
 * INVARIANT (no standing secrets): a credential goes to the proxy outside of the sandbox and to nobody else;
 * what the program answers is searched for it all the same.
 */

import { ok, refuse, type Result } from '../base/result.ts'
import { destination, type Egress } from '../registry/confinement.ts'
import type { SandboxSpec } from '../sandbox/sandboxed.ts'
import { shown, type FindCredential } from './credential.ts'
import { echoNeedles } from './echo.ts'
import type { ConnectRefusal } from './open-wire.ts'
import type { StdioTransport, UpstreamServer } from './server.ts'

/** The rules, where there are any, and what must not come back. */
export interface Destinations {
  readonly egress: Pick<SandboxSpec, 'egress'>
  readonly needles: readonly string[]
}

/** Unseals what is to be injected; without one of them the program is not started. */
export async function destinationsFor(
  server: Pick<UpstreamServer, 'id'>,
  { egress }: Pick<StdioTransport, 'egress'>,
  env: { readonly credential: FindCredential },
): Promise<Result<Destinations, ConnectRefusal>> {
  if (egress === undefined) return ok({ egress: {}, needles: [] })
  const rules = []
  const needles: string[] = []
  for (const each of egress) {
    const { inject } = each
    const secret = inject && (await env.credential(inject.credential, server.id))
    // Without it the request would go out as nobody's.
    if (inject !== undefined && secret === undefined) {
      const message = `expected its credential \`${inject.credential}\``
      return refuse({ reason: 'not_connected', message })
    }
    const added = secret === undefined ? undefined : injected(inject, secret)
    rules.push(destination(each, added?.value))
    needles.push(...(added?.needles ?? []))
  }
  return ok({ egress: { egress: rules }, needles })
}

function injected(
  inject: Egress['inject'],
  secret: string,
): { readonly value: string; readonly needles: readonly string[] } {
  const header = inject?.header?.toLowerCase() ?? 'authorization'
  if (header !== 'authorization') return { value: secret, needles: echoNeedles(secret) }
  const { authorization, needles } = shown(secret)
  return { value: authorization, needles }
}
