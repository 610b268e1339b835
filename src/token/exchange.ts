/**
 * The token exchange: an agent turns (a signed delegation, its own SVID) into a five-minute token with
 * which it acts for a person (RFC 8693).
 *
 * Call `exchange` with the form. Read it downwards: who asks, what is asked, whose key, what authority;
 * then whether all of it stands at one instant, and the token (`issue-token.ts`). A refusal of an agent
 * is recorded with its reason, a stranger's is only counted; neither learns which check failed.
 */

import { base64url, sha256 } from '../base/bytes.ts'
import { ok, type Result } from '../base/result.ts'
import type { McpCallDetail } from '../delegation/intent.ts'
import {
  type GenuineDelegation,
  type InvalidDelegation,
  verifySignedDelegation,
} from '../delegation/signed-delegation.ts'
import type { Allowances } from '../identity/allowance.ts'
import { authenticateClient, type Client } from './authenticate-client.ts'
import { type ProofEnv, verifyDpopProof } from './dpop.ts'
import { type OAuthError, refuseRequest } from './errors.ts'
import { ACCESS_TOKEN, type ExchangeRequest, parseExchangeRequest } from './exchange-request.ts'
import type { Form } from './form.ts'
import { type IssueEnv, issueToken } from './issue-token.ts'
import type { Recent } from './recent.ts'
import type { RefusalRecords } from './refusal-records.ts'

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
export interface ExchangeEnv extends IssueEnv, ProofEnv {
  /** Signed delegations that were verified, by their hash. */
  readonly knownDelegations: Recent<GenuineDelegation>
  /** How often one agent may ask with one key. */
  readonly exchanges: Allowances
  readonly refusalRecords: RefusalRecords
}

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
  // To be told the nonce is how a client begins (RFC 9449 §8), not a refusal worth a record.
  if (answer.ok || answer.error.reason === 'proof_nonce_wanted') return answer
  const { reason, cause, delegation } = answer.error
  const recorded = await env.refusalRecords.record({
    agent: client.agentId,
    reason: cause === undefined ? reason : `${reason}:${cause}`,
    ...(delegation !== undefined && { delegation }),
  })
  // Who is refused too often to be recorded one by one is told nothing more.
  return recorded ? answer : refuseRequest('too_many_requests')
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

  // By key too: who stole the SVID has another one, and uses up nothing of the agent's.
  const { jkt } = proof.value
  if (!env.exchanges.take(`${client.agentId} ${jkt}`)) return refuseRequest('too_many_requests')

  const subject = openDelegation(request.subjectToken, env)
  if (!subject.ok) return refuseRequest('delegation_invalid', { cause: subject.error.reason })

  const { claims: signed } = subject.value
  const minted = await issueToken({ client, request, jkt, signed }, env)
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

/** The signed delegation: agents bring the same one every few minutes, so what was verified is remembered. */
function openDelegation(
  token: string,
  env: ExchangeEnv,
): Result<GenuineDelegation, InvalidDelegation> {
  const hash = base64url(sha256(token))
  const known = env.knownDelegations.get(hash)
  // A key that was withdrawn takes what it signed with it.
  if (known !== undefined && env.keyring.find('issuer', known.kid) !== undefined) return ok(known)
  const opened = verifySignedDelegation(token, env)
  if (opened.ok) env.knownDelegations.put(hash, opened.value)
  else env.knownDelegations.delete(hash)
  return opened
}
