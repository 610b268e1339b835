/**
 * The token exchange: an agent turns (a signed delegation, its own SVID) into a five-minute token with
 * which it acts for a person (RFC 8693).
 *
 * Call `exchange` with the form. Read it downwards: who asks, what is asked, whose key, what authority;
 * then, in one transaction, whether all of it stands now; then the token. A refusal of an agent is
 * recorded with its reason, a stranger's is only counted; neither learns which check failed.
 */

import { resolve } from '../accountability/resolve.ts'
import { append } from '../audit/append.ts'
import { type Clock, nowSeconds } from '../base/clock.ts'
import { ok, type Result } from '../base/result.ts'
import { claim } from '../delegation/claim.ts'
import type { DelegationId } from '../delegation/delegation.ts'
import type { McpCallDetail } from '../delegation/intent.ts'
import { contains } from '../delegation/narrowing.ts'
import {
  type DelegationClaims,
  isAsSigned,
  verifySignedDelegation,
  verifyTree,
} from '../delegation/signed-delegation.ts'
import { branchOf, loadTree, rootOf, standing, type Tree } from '../delegation/standing.ts'
import { findAgentSteady } from '../identity/agent-store.ts'
import type { Store, Tx } from '../store/store.ts'
import { MAX_TOKEN_BYTES } from './access-token.ts'
import { actChain } from './act-chain.ts'
import { authenticateClient, type Client, type ClientEnv } from './authenticate-client.ts'
import { type ProofEnv, verifyDpopProof } from './dpop.ts'
import { type OAuthError, refuseRequest } from './errors.ts'
import {
  ACCESS_TOKEN,
  type ExchangeRequest,
  parseExchangeRequest,
  SCOPE,
} from './exchange-request.ts'
import type { Form } from './form.ts'
import { mint, type MintedToken } from './mint.ts'
import { detailsAt } from './resource.ts'
import { pinKey } from './token-store.ts'

/** What of the HTTP request counts beside its form. */
export interface ExchangeHeaders {
  readonly dpop?: string | undefined
  readonly method: string
  /** The token endpoint's URL, as clients see it. */
  readonly htu: string
}

/** The answer (RFC 8693 §2.2.1, RFC 9449 §5, RFC 9396 §7). */
export type TokenResponse = {
  readonly access_token: string
  readonly issued_token_type: typeof ACCESS_TOKEN
  readonly token_type: 'DPoP'
  /** Seconds. */
  readonly expires_in: number
  readonly scope: string
  readonly authorization_details: readonly McpCallDetail[]
}

/** What the exchange needs. */
export interface ExchangeEnv extends ClientEnv, ProofEnv {}

/** Answers a token exchange request. */
export async function exchange(
  form: Form,
  headers: ExchangeHeaders,
  env: ExchangeEnv,
): Promise<Result<TokenResponse, OAuthError>> {
  const sent = await authenticateClient(form, env)
  if (!sent.ok) return sent
  const { client, values } = sent.value

  const request = parseExchangeRequest(values, env)
  const answer = request.ok ? await answerTo(client, request.value, headers, env) : request
  if (!answer.ok) await recordRefusal(client, answer.error, env)
  return answer
}

async function answerTo(
  client: Client,
  request: ExchangeRequest,
  headers: ExchangeHeaders,
  env: ExchangeEnv,
): Promise<Result<TokenResponse, OAuthError>> {
  // One SVID is client credential and actor token at once: who asks is who acts.
  if (request.actorToken !== client.assertion) return refuseRequest('actor_token_mismatch')

  if (headers.dpop === undefined) return refuseRequest('proof_missing')
  const proof = await verifyDpopProof(headers.dpop, { htm: headers.method, htu: headers.htu }, env)
  if (!proof.ok) return refuseRequest(proof.error.reason)

  const subject = verifySignedDelegation(request.subjectToken, env)
  if (!subject.ok) return refuseRequest('delegation_invalid', { cause: subject.error.reason })

  const asked = { client, request, jkt: proof.value.jkt, signed: subject.value.claims }
  const minted = await env.store.transaction((tx) => grant(tx, asked, env))
  if (!minted.ok) return minted
  const { token, claims } = minted.value
  return ok({
    access_token: token,
    issued_token_type: ACCESS_TOKEN,
    token_type: 'DPoP',
    expires_in: claims.exp - claims.iat,
    scope: claims.scope,
    authorization_details: claims.authorization_details as McpCallDetail[],
  })
}

/** A request whose every part is genuine. Whether it stands is for the store to say. */
interface Asked {
  readonly client: Client
  readonly request: ExchangeRequest
  readonly jkt: string
  readonly signed: DelegationClaims
}

async function grant(
  tx: Tx,
  { client, request, jkt, signed }: Asked,
  env: ExchangeEnv,
): Promise<Result<MintedToken, OAuthError>> {
  const delegation = signed.jti
  const now = env.clock.nowMilliseconds()

  // INVARIANT (revocation): nobody can suspend the agent before this transaction's entry.
  const agent = await findAgentSteady(tx, client.agentId)
  if (agent?.state !== 'active') return refuseRequest('client_inactive', { delegation })
  // An agent's first key is its only one: a stolen SVID is worth nothing without it.
  if ((await pinKey(tx, agent.id, { jkt, now })) !== jkt) {
    return refuseRequest('proof_wrong_key', { delegation, cause: 'key_not_pinned' })
  }

  const tree = await standingTree(tx, { request, signed }, env)
  if (!tree.ok) return tree
  // RFC 8693 §4.4: only who `may_act` names may; the first instance of an archetype claims it.
  const mayAct = signed.may_act
  const named =
    'sub' in mayAct ? mayAct.sub === agent.spiffeId : mayAct.archetype === agent.archetype
  if (!named) return refuseRequest('delegation_not_for_actor', { delegation })
  const claimed = await claim(tx, tree.value.delegation, agent, env)
  if (!claimed.ok) {
    return refuseRequest('delegation_not_for_actor', { delegation, cause: claimed.error.reason })
  }
  // INVARIANT (one accountable person): nobody acts for whom nobody answers.
  const accountable = await resolve(tx, agent.id, now)
  if (!accountable.ok) return refuseRequest('nobody_accountable', { delegation })

  const details = narrowed(request, signed, env)
  if (!details.ok) return details
  const minted = mint(
    {
      person: signed.sub,
      delegation,
      agents: [client.spiffeId, ...actChain(signed.act)],
      resource: request.resource,
      details: details.value,
      scope: SCOPE,
      jkt,
      authTime: Math.floor(rootOf(tree.value).createdAt / 1_000),
      acr: SESSION_ACR,
      notAfter: [client.expiresAt, ...branchOf(tree.value).map(({ expiresAt }) => expiresAt)],
    },
    env,
  )
  if (minted.token.length > MAX_TOKEN_BYTES) {
    return refuseRequest('details_too_large', { delegation })
  }
  // INVARIANT (record first): nobody holds the token before this commits.
  await append(tx, [
    ...claimed.value,
    {
      v: 1,
      kind: 'token_issued',
      time: now,
      by: { type: 'agent', agent: agent.id, delegation, person: signed.sub },
      delegation,
      agent: agent.id,
      jti: minted.claims.jti,
      audience: minted.claims.aud,
      boundBy: 'dpop',
      expiresAt: minted.claims.exp,
    },
  ])
  return ok(minted)
}

/** How the person was authenticated at `auth_time`: a root delegation is made from their own session only. */
const SESSION_ACR = 'session'

/** The delegation with all above it, as signed and in force. */
async function standingTree(
  tx: Tx,
  { request, signed }: Pick<Asked, 'request' | 'signed'>,
  env: ExchangeEnv,
): Promise<Result<Tree, OAuthError>> {
  const delegation = signed.jti
  const tree = await loadTree(tx, delegation)
  if (tree === undefined || tree.delegation.signed !== request.subjectToken) {
    return refuseRequest('delegation_invalid', { delegation, cause: 'not_recorded' })
  }
  // INVARIANT (separate powers): what the rows say is what the issuer signed, up to the root.
  const genuine =
    tree.ancestors.length === 0 ? isAsSigned(tree.delegation, signed) : verifyTree(tree, env).ok
  if (!genuine) return refuseRequest('delegation_invalid', { delegation, cause: 'altered' })

  const stands = standing(tree, nowSeconds(env.clock))
  if (!stands.ok) {
    return refuseRequest('delegation_not_standing', { delegation, cause: stands.error.reason })
  }
  return ok(tree)
}

/** INVARIANT (narrowing): the token's authority is the delegation's, or less, at this one resource. */
function narrowed(
  request: ExchangeRequest,
  signed: DelegationClaims,
  env: { readonly issuer: string },
): Result<McpCallDetail[], OAuthError> {
  const delegation = signed.jti
  const own = signed.authorization_details
  if (request.details !== undefined && !contains(own, request.details).ok) {
    return refuseRequest('details_not_contained', { delegation })
  }
  const granted = detailsAt(request.resource, request.details ?? own, env.issuer)
  return granted === undefined
    ? refuseRequest('resource_not_delegated', { delegation })
    : ok(granted)
}

async function recordRefusal(
  client: Client,
  { reason, cause, delegation }: OAuthError,
  env: { readonly store: Store; readonly clock: Clock },
): Promise<void> {
  const known: { delegation?: DelegationId } = delegation === undefined ? {} : { delegation }
  await env.store.transaction((tx) =>
    append(tx, [
      {
        v: 1,
        kind: 'token_refused',
        time: env.clock.nowMilliseconds(),
        by: { type: 'agent', agent: client.agentId, ...known },
        agent: client.agentId,
        ...known,
        reason: cause === undefined ? reason : `${reason}:${cause}`,
      },
    ]),
  )
}
