/** How introspection and revocation begin: who asks, and the live token that the form names. */

import { nowSeconds } from '../base/clock.ts'
import { ok, type Result } from '../base/result.ts'
import type { AccessTokenClaims } from './access-token.ts'
import { authenticateClient, type Client, type ClientEnv } from './authenticate-client.ts'
import { type OAuthError, refuseRequest } from './errors.ts'
import type { Form } from './form.ts'
import { openAccessToken } from './open-access-token.ts'

/**
 * The client that sent the form, and what `token` says: undefined when we never signed it, or when it
 * has expired. `token_type_hint` is ignored, as it may be (RFC 7662 §2.1, RFC 7009 §2.1).
 */
export async function openNamedToken(
  form: Form,
  env: ClientEnv,
): Promise<
  Result<{ readonly client: Client; readonly claims: AccessTokenClaims | undefined }, OAuthError>
> {
  const sent = await authenticateClient(form, env)
  if (!sent.ok) return sent
  const { client, values } = sent.value
  const token = values['token']
  if (token === undefined) return refuseRequest('parameter_missing')
  const opened = openAccessToken(token, env)
  if (!opened.ok || nowSeconds(env.clock) >= opened.value.claims.exp) {
    return ok({ client, claims: undefined })
  }
  return ok({ client, claims: opened.value.claims })
}
