/** The token exchange request as parsed from its form (RFC 8693 §2.1). */

import * as z from 'zod'
import type { Json } from '../base/canonical-json.ts'
import { ok, type Result } from '../base/result.ts'
import { type McpCallDetail, parseDetails } from '../delegation/intent.ts'
import { parseUniqueMembers } from '../keys/unique-members.ts'
import { type OAuthError, type OAuthReason, refuseRequest } from './errors.ts'
import type { FormValues } from './form.ts'
import { gatewayResource } from './resource.ts'

/** The grant type of token exchange. */
export const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange'
/** The type of the tokens that come in: signed delegations, JWT-SVIDs (RFC 8693 §3). */
export const JWT_TYPE = 'urn:ietf:params:oauth:token-type:jwt'
/** The type of the token that goes out. */
export const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token'
/** The one scope: what may be called is said by `authorization_details`. */
export const SCOPE = 'mcp'

/** A well-formed request; nothing in it is verified. */
export interface ExchangeRequest {
  /** A signed delegation. */
  readonly subjectToken: string
  /** A JWT-SVID. */
  readonly actorToken: string
  /** The audience asked for; all of the gateway unless told. */
  readonly resource: string
  /** The narrower authority asked for, if not all of the delegation's. */
  readonly details?: readonly McpCallDetail[]
}

const parameters = z.object({
  subject_token: z.string(),
  subject_token_type: z.string(),
  actor_token: z.string(),
  actor_token_type: z.string(),
  requested_token_type: z.string().default(ACCESS_TOKEN),
  resource: z.string().optional(),
  audience: z.string().optional(),
  scope: z.string().default(SCOPE),
  authorization_details: z.string().optional(),
})

/** Reads a request. */
export function parseExchangeRequest(
  values: FormValues,
  env: { readonly issuer: string },
): Result<ExchangeRequest, OAuthError> {
  if (values['grant_type'] !== TOKEN_EXCHANGE) return refuseRequest('grant_type_unsupported')
  const parsed = parameters.safeParse(values)
  if (!parsed.success) return refuseRequest('parameter_missing')
  const asked = parsed.data
  const reason = unsupported(asked)
  if (reason !== undefined) return refuseRequest(reason)

  const details = parseRequestedDetails(asked.authorization_details)
  if (!details.ok) return details
  return ok({
    subjectToken: asked.subject_token,
    actorToken: asked.actor_token,
    resource: asked.resource ?? asked.audience ?? gatewayResource(env.issuer),
    ...(details.value === undefined ? {} : { details: details.value }),
  })
}

function unsupported(asked: z.infer<typeof parameters>): OAuthReason | undefined {
  const incoming = [asked.subject_token_type, asked.actor_token_type]
  if (incoming.some((type) => type !== JWT_TYPE)) return 'token_type_unsupported'
  if (asked.requested_token_type !== ACCESS_TOKEN) return 'token_type_unsupported'
  if (asked.scope !== SCOPE) return 'scope_unknown'
  // RFC 8693 §2.1: an audience names the target too. We go by URI, so they must agree.
  const agree =
    asked.audience === undefined || asked.audience === (asked.resource ?? asked.audience)
  return agree ? undefined : 'resource_not_delegated'
}

function parseRequestedDetails(
  text: string | undefined,
): Result<McpCallDetail[] | undefined, OAuthError> {
  if (text === undefined) return ok<McpCallDetail[] | undefined>(undefined)
  const value: Json | undefined = parseUniqueMembers(Buffer.from(text))
  const details = value === undefined ? undefined : parseDetails(value)
  return details?.ok ? details : refuseRequest('details_malformed')
}
