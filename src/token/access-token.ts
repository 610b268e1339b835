/**
 * What an access token of ours says: a JWT by RFC 9068, bound to its holder's key (RFC 9449 §6).
 *
 * Pure: the minter, the gateway and other people's resource servers read the same schema.
 */

import * as z from 'zod'
import { actClaimSchema } from './act-chain.ts'

/** The header `typ` (RFC 9068 §2.1). */
export const ACCESS_TOKEN_TYPE = 'at+jwt'
/** The longest lifetime of an access token, in seconds. */
export const MAX_LIFETIME_SECONDS = 300
/** The longest access token, in bytes: it travels in a header, beside a proof. */
export const MAX_TOKEN_BYTES = 24_576

/** How a token is bound to its holder's key (RFC 7800 §3.1). */
const confirmation = z.union([
  z.object({ jkt: z.string().length(43) }),
  z.object({ 'x5t#S256': z.string().length(43) }),
])

/** The claims. `grant_id` is the delegation; times are seconds since the epoch (RFC 7519 §2). */
export const accessTokenSchema = z.object({
  iss: z.string().min(1),
  sub: z.string().min(1),
  /** One resource: a token for one is refused at every other (RFC 8707 §2). */
  aud: z.string().min(1),
  exp: z.int().nonnegative(),
  iat: z.int().nonnegative(),
  jti: z.string().min(1).max(80),
  client_id: z.string().min(1),
  scope: z.string(),
  act: actClaimSchema.optional(),
  authorization_details: z.array(z.looseObject({ type: z.string() })),
  cnf: confirmation.optional(),
  auth_time: z.int().nonnegative(),
  acr: z.string().max(200),
  grant_id: z.string().min(1),
})

/** The claims of an access token. */
export type AccessTokenClaims = z.infer<typeof accessTokenSchema>
