/**
 * Clients are agents, and prove it by a JWT-SVID meant for the issuer alone.
 *
 * @see draft-ietf-oauth-spiffe-client-auth, RFC 7521 §4.2
 */

import * as z from 'zod'
import type { Clock } from '../base/clock.ts'
import { ok, type Result } from '../base/result.ts'
import type { SpiffeId, TrustDomain } from '../identity/spiffe-id.ts'
import { type VerifiedSvid, verifyJwtSvid } from '../identity/verify-svid.ts'
import type { Keyring } from '../keys/keyring.ts'
import type { Random } from '../base/random.ts'
import type { Store } from '../store/store.ts'
import { type OAuthError, refuseRequest } from './errors.ts'
import { type Form, type FormValues, readForm } from './form.ts'
import type { RefusalCounts } from './refusal-counts.ts'

/** The type of assertion that a JWT-SVID is. */
export const JWT_SPIFFE = 'urn:ietf:params:oauth:client-assertion-type:jwt-spiffe'

/** An authenticated client; its `client_id` is its SPIFFE ID. */
export interface Client extends VerifiedSvid {
  readonly assertion: string
}

/** What verifying a client needs. */
export interface ClientEnv {
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly keyring: Keyring
  readonly trustDomain: TrustDomain
  /** The public origin, and the only audience a client may name. */
  readonly issuer: string
  readonly refusalCounts: RefusalCounts
}

const parameters = z.object({
  client_assertion_type: z.literal(JWT_SPIFFE),
  client_assertion: z.string(),
  client_id: z.string().optional(),
  client_secret: z.never().optional(),
})

/** A form and the client that sent it. */
export interface ClientRequest {
  readonly client: Client
  readonly values: FormValues
}

/** Reads the form and authenticates its sender. Strangers' refusals are counted, not recorded. */
export async function authenticateClient(
  form: Form,
  env: ClientEnv,
): Promise<Result<ClientRequest, OAuthError>> {
  const request = await openForm(form, env)
  if (!request.ok) env.refusalCounts.count(request.error.reason)
  return request
}

async function openForm(form: Form, env: ClientEnv): Promise<Result<ClientRequest, OAuthError>> {
  const values = readForm(form)
  if (!values.ok) return values
  const client = await clientOf(values.value, env)
  return client.ok ? ok({ client: client.value, values: values.value }) : client
}

async function clientOf(values: FormValues, env: ClientEnv): Promise<Result<Client, OAuthError>> {
  const parsed = parameters.safeParse(values)
  if (!parsed.success) return refuseRequest('client_assertion_missing')
  const { client_assertion: assertion, client_id: clientId } = parsed.data

  // draft §3.1: the issuer identifier is the sole audience; else another server could be us.
  const svid = await verifyJwtSvid(assertion, env.issuer, env)
  if (!svid.ok) {
    const cause = svid.error.reason
    const inactive = cause === 'agent_not_active'
    return refuseRequest(inactive ? 'client_inactive' : 'client_assertion_invalid', { cause })
  }
  // RFC 7521 §4.2: a client_id must name the same client as the assertion.
  const { agentId, expiresAt } = svid.value
  const spiffeId: SpiffeId = svid.value.spiffeId
  if (clientId !== undefined && clientId !== spiffeId) return refuseRequest('client_id_mismatch')
  return ok({ agentId, spiffeId, expiresAt, assertion })
}
