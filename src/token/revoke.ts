/**
 * Token revocation (RFC 7009): a client gives up a token before it expires.
 *
 * Call `revoke` with the form. To take authority away from an agent, revoke its delegation.
 */

import { append } from '../audit/append.ts'
import { nowSeconds } from '../base/clock.ts'
import { ok, type Result } from '../base/result.ts'
import type { AgentId } from '../identity/agent.ts'
import type { AccessTokenClaims } from './access-token.ts'
import { type OAuthError, refuseRequest } from './errors.ts'
import type { Form } from './form.ts'
import type { IntrospectEnv } from './introspect.ts'
import { openNamedToken } from './named-token.ts'
import { tokenSubject } from './revoked-tokens.ts'
import { insertRevoked } from './token-store.ts'

/** Revokes the client's token. Succeeds also if there is nothing left to revoke (RFC 7009 §2.2). */
export async function revoke(
  form: Form,
  env: IntrospectEnv,
): Promise<Result<undefined, OAuthError>> {
  const named = await openNamedToken(form, env)
  if (!named.ok) return named
  const { client, claims } = named.value
  if (claims === undefined) return ok()
  // RFC 7009 §2.1: only the client to which it was issued.
  if (claims.client_id !== client.spiffeId) return refuseRequest('token_of_another_client')
  await recordRevocation(claims, client.agentId, env)
  // This process need not wait for the change feed.
  env.revokedTokens.onTouched(new Map([[tokenSubject(claims.jti), 0]]))
  return ok()
}

async function recordRevocation(
  { jti, exp, sub: person, grant_id: delegation }: AccessTokenClaims,
  agent: AgentId,
  env: IntrospectEnv,
): Promise<void> {
  await env.store.transaction(async (tx) => {
    if (!(await insertRevoked(tx, { jti, expiresAt: exp }, nowSeconds(env.clock)))) return
    await append(tx, [
      {
        v: 1,
        kind: 'token_revoked',
        time: env.clock.nowMilliseconds(),
        by: { type: 'agent', agent, delegation, person },
        touches: [tokenSubject(jti)],
        delegation,
        agent,
        jti,
      },
    ])
  })
}
