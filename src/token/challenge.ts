/**
 * What a resource of ours answers when a token does not do: `WWW-Authenticate` values.
 *
 * `resource_metadata` leads a client from the refusal to the issuer (RFC 9728 §5.1). The `Bearer`
 * challenge stands first: clients of MCP read that one.
 */

import { resourceMetadataUrl } from './metadata.ts'

/** The error codes of RFC 6750 §3.1, RFC 9449 §7.1 and §9. */
export type ChallengeError =
  | 'invalid_request'
  | 'invalid_token'
  | 'invalid_dpop_proof'
  | 'use_dpop_nonce'

/** The values for a resource; without an error where no token came (RFC 6750 §3.1). */
export function challenges(resource: string, error?: ChallengeError): string[] {
  const about = `resource_metadata="${resourceMetadataUrl(resource)}"`
  const said = error === undefined ? '' : `error="${error}", `
  // RFC 6750 knows neither code of DPoP's; RFC 9449 §7.1 wants `algs` with every DPoP challenge.
  const isDpops = error === 'invalid_dpop_proof' || error === 'use_dpop_nonce'
  const forBearer = isDpops ? 'error="invalid_token", ' : said
  return [`Bearer ${forBearer}${about}`, `DPoP ${said}algs="ES256", ${about}`]
}
