/** The resources that tokens are for (RFC 8707): each is an audience of its own. */

import type { McpCallDetail } from '../delegation/intent.ts'

/** Every server behind one endpoint. */
export function gatewayResource(issuer: string): string {
  return `${issuer}/mcp`
}

/** One server behind the gateway. */
export function serverResource(issuer: string, server: string): string {
  return `${issuer}/mcp/${server}`
}

/** The administration API. */
export function administrationResource(issuer: string): string {
  return `${issuer}/api/v1`
}

/**
 * What `details` grant at `resource`; undefined if nothing of it is the delegation's.
 *
 * INVARIANT (narrowing): a token for one server carries the authority for that server alone.
 */
export function detailsAt(
  resource: string,
  details: readonly McpCallDetail[],
  issuer: string,
): McpCallDetail[] | undefined {
  if (resource === gatewayResource(issuer)) return [...details]
  if (resource === administrationResource(issuer)) return []
  const here = details
    .filter(({ locations }) => locations.includes(resource))
    .map((detail) => ({ ...detail, locations: [resource] }))
  return here.length === 0 ? undefined : here
}
