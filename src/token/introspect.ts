/**
 * Token introspection (RFC 7662): what a token is worth now, revocation included.
 *
 * Call `introspect` with the form. An agent may ask about tokens of chains that it is part of; about
 * others it learns what it would learn of a forged one.
 */

import type { JsonObject } from '../base/canonical-json.ts'
import { nowSeconds } from '../base/clock.ts'
import { idSchema } from '../base/id.ts'
import { ok, type Result } from '../base/result.ts'
import { loadTree, standing } from '../delegation/standing.ts'
import { findAgent } from '../identity/agent-store.ts'
import type { SpiffeId } from '../identity/spiffe-id.ts'
import type { AccessTokenClaims } from './access-token.ts'
import { actChain } from './act-chain.ts'
import type { ClientEnv } from './authenticate-client.ts'
import type { OAuthError } from './errors.ts'
import type { Form } from './form.ts'
import { openNamedToken } from './named-token.ts'
import type { RevokedTokens } from './revoked-tokens.ts'

/** What introspection needs. */
export interface IntrospectEnv extends ClientEnv {
  readonly revokedTokens: RevokedTokens
}

/** RFC 7662 §2.2: all that is said of a token that is not active, or not the asker's business. */
const INACTIVE: JsonObject = { active: false }

/** Answers an introspection request. */
export async function introspect(
  form: Form,
  env: IntrospectEnv,
): Promise<Result<JsonObject, OAuthError>> {
  const named = await openNamedToken(form, env)
  if (!named.ok) return named
  const { client, claims } = named.value
  if (claims === undefined) return ok(INACTIVE)
  const chain = actChain(claims.act)
  if (!chain.includes(client.spiffeId)) return ok(INACTIVE)
  if (!(await isActive(claims, chain, env))) return ok(INACTIVE)
  const tokenType = claims.cnf === undefined ? 'Bearer' : 'DPoP'
  return ok({ active: true, token_type: tokenType, ...(claims as JsonObject) })
}

async function isActive(
  claims: AccessTokenClaims,
  chain: readonly string[],
  env: IntrospectEnv,
): Promise<boolean> {
  if (env.revokedTokens.has(claims.jti)) return false
  const delegation = idSchema('dlg').safeParse(claims.grant_id)
  if (!delegation.success) return false
  return await env.store.snapshot(async (tx) => {
    const tree = await loadTree(tx, delegation.data)
    if (tree === undefined || !standing(tree, nowSeconds(env.clock)).ok) return false
    for (const agent of chain) {
      if ((await findAgent(tx, agent as SpiffeId))?.state !== 'active') return false
    }
    return true
  })
}
