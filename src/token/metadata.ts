/**
 * What clients are told before they ask: authorization server metadata (RFC 8414), protected resource
 * metadata (RFC 9728), and the keys that verify our tokens (RFC 7517).
 */

import type { JsonObject } from '../base/canonical-json.ts'
import type { Keyring } from '../keys/keyring.ts'
import { SCOPE, TOKEN_EXCHANGE } from './exchange-request.ts'
import { administrationResource, gatewayResource } from './resource.ts'

const WELL_KNOWN_RESOURCE = '/.well-known/oauth-protected-resource'

/** The document at `/.well-known/oauth-authorization-server`. @see RFC 8414 §2 */
export function authorizationServerMetadata(env: { readonly issuer: string }): JsonObject {
  const { issuer } = env
  const authentication = {
    methods: ['spiffe_jwt'],
    algorithms: ['ES256'],
  }
  return {
    issuer,
    token_endpoint: `${issuer}/oauth/token`,
    token_endpoint_auth_methods_supported: authentication.methods,
    token_endpoint_auth_signing_alg_values_supported: authentication.algorithms,
    introspection_endpoint: `${issuer}/oauth/introspect`,
    introspection_endpoint_auth_methods_supported: authentication.methods,
    introspection_endpoint_auth_signing_alg_values_supported: authentication.algorithms,
    revocation_endpoint: `${issuer}/oauth/revoke`,
    revocation_endpoint_auth_methods_supported: authentication.methods,
    revocation_endpoint_auth_signing_alg_values_supported: authentication.algorithms,
    jwks_uri: `${issuer}/oauth/jwks`,
    // RFC 8414 §2: required; empty, as there is no authorization endpoint yet.
    response_types_supported: [],
    grant_types_supported: [TOKEN_EXCHANGE],
    scopes_supported: [SCOPE],
    // RFC 9449 §5.1, RFC 9396 §10, RFC 9728 §4.
    dpop_signing_alg_values_supported: ['ES256'],
    authorization_details_types_supported: ['mcp_call'],
    protected_resources: [gatewayResource(issuer), administrationResource(issuer)],
  }
}

/** The document at `resourceMetadataUrl(resource)`. @see RFC 9728 §2 */
export function protectedResourceMetadata(
  resource: string,
  env: { readonly issuer: string },
): JsonObject {
  return {
    resource,
    authorization_servers: [env.issuer],
    scopes_supported: [SCOPE],
    bearer_methods_supported: ['header'],
    authorization_details_types_supported: ['mcp_call'],
    dpop_signing_alg_values_supported: ['ES256'],
    dpop_bound_access_tokens_required: true,
  }
}

/** Where a resource's metadata lies: the well-known path goes between host and path (RFC 9728 §3.1). */
export function resourceMetadataUrl(resource: string): string {
  const { origin, pathname } = new URL(resource)
  return `${origin}${WELL_KNOWN_RESOURCE}${pathname === '/' ? '' : pathname}`
}

/** The document at `/oauth/jwks`: keys that sign now, signed lately, or will sign. @see RFC 7517 §5 */
export function jwks(env: { readonly keyring: Keyring }): { readonly keys: readonly JsonObject[] } {
  return { keys: env.keyring.published('issuer').map(({ publicJwk }) => ({ ...publicJwk })) }
}
