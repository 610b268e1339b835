/**
 * For resource servers: whether an access token of Behalf entitles its bearer to speak here.
 *
 * Call `verifyAccessToken` with the keys from the issuer's `jwks_uri`. Everything is checked here and
 * offline, so a revoked token passes until it expires, at most 300 s. Pure: WebCrypto only, runs
 * anywhere.
 *
 * @see RFC 9068 §4, RFC 9449 §4.3 and §7.1
 */

import {
  calculateJwkThumbprint,
  createLocalJWKSet,
  EmbeddedJWK,
  errors,
  type JSONWebKeySet,
  type JWTVerifyGetKey,
  type JWTVerifyOptions,
  jwtVerify,
} from 'jose'
import * as z from 'zod'
import { ok, refuse, type Result } from '../base/result.ts'
import {
  ACCESS_TOKEN_TYPE,
  type AccessTokenClaims,
  accessTokenSchema,
  MAX_TOKEN_BYTES,
} from './access-token.ts'
import { actChain } from './act-chain.ts'

/** The HTTP request that carried the token. */
export interface TokenRequest {
  /** The value of the header `Authorization`. */
  readonly authorization: string
  /** The value of the header `DPoP`. */
  readonly dpop?: string
  readonly method: string
  /** The URL as the client sees it. */
  readonly url: string
}

/** What this resource server is and trusts. */
export interface TokenExpectation {
  readonly issuer: string
  /** This resource's identifier; the token's `aud` must equal it. */
  readonly audience: string
  /** The issuer's keys: a JWKS document, or jose's `createRemoteJWKSet(…)`, which also keeps imported keys. */
  readonly keys: JSONWebKeySet | JWTVerifyGetKey
  /** Milliseconds since the epoch. */
  readonly nowMilliseconds: number
}

/** Who speaks, for whom, with what. */
export interface VerifiedToken {
  readonly claims: AccessTokenClaims
  /** The person on whose behalf. */
  readonly person: string
  /** SPIFFE IDs, the agent that acts now first. */
  readonly agents: readonly string[]
  /** Remember it for 120 s and refuse it twice: only this server can see its own replays (RFC 9449 §11.1). */
  readonly proofId?: string
}

/** Why a token is not accepted here. */
export interface TokenRefusal {
  readonly reason:
    | 'no_token'
    | 'token_invalid'
    | 'token_expired'
    | 'proof_missing'
    | 'proof_invalid'
}

const PROOF_WINDOW_SECONDS = 60
const SCHEME = /^(?<scheme>DPoP|Bearer) (?<token>[A-Za-z0-9_.-]+)$/i

const proofClaims = z.object({
  jti: z.string().min(1).max(256),
  htm: z.string(),
  htu: z.string(),
  iat: z.int(),
  ath: z.string(),
})

/** Verifies an access token and, as it is bound to a key, the proof that its bearer holds that key. */
export async function verifyAccessToken(
  request: TokenRequest,
  expect: TokenExpectation,
): Promise<Result<VerifiedToken, TokenRefusal>> {
  const { scheme, token } = SCHEME.exec(request.authorization)?.groups ?? {}
  if (scheme === undefined || token === undefined || token.length > MAX_TOKEN_BYTES) {
    return refuse({ reason: 'no_token' })
  }
  const claims = await verifyToken(token, expect)
  if (!claims.ok) return claims
  const verified = {
    claims: claims.value,
    person: claims.value.sub,
    agents: actChain(claims.value.act),
  }
  const { cnf } = claims.value
  const isDpop = scheme.toLowerCase() === 'dpop'
  if (cnf === undefined) return isDpop ? refuse({ reason: 'token_invalid' }) : ok(verified)
  // A certificate's binding is checked where TLS ends, which this function cannot see.
  if (!('jkt' in cnf)) return refuse({ reason: 'proof_missing' })

  // RFC 9449 §7.2: a bound token is not accepted as a bearer token.
  if (!isDpop || request.dpop === undefined) return refuse({ reason: 'proof_missing' })
  const proof = await verifyProof(request.dpop, { ...request, token, jkt: cnf.jkt }, expect)
  return proof.ok ? ok({ ...verified, proofId: proof.value }) : proof
}

async function verifyToken(
  token: string,
  expect: TokenExpectation,
): Promise<Result<AccessTokenClaims, TokenRefusal>> {
  const keys = typeof expect.keys === 'function' ? expect.keys : createLocalJWKSet(expect.keys)
  const options: JWTVerifyOptions = {
    // RFC 9068 §4: typ, iss, aud and exp; RFC 8725 §3.1: the algorithm is ours to choose.
    typ: ACCESS_TOKEN_TYPE,
    algorithms: ['ES256'],
    issuer: expect.issuer,
    audience: expect.audience,
    requiredClaims: ['exp'],
    currentDate: dateOf(expect.nowMilliseconds),
  }
  try {
    const { payload } = await jwtVerify(token, keys, options)
    const claims = accessTokenSchema.safeParse(payload)
    return claims.success ? ok(claims.data) : refuse({ reason: 'token_invalid' })
  } catch (cause) {
    if (cause instanceof errors.JWTExpired) return refuse({ reason: 'token_expired' })
    if (isRefusal(cause)) return refuse({ reason: 'token_invalid' })
    throw new Error('the keys of the issuer could not be had', { cause })
  }
}

/** The proof's `jti`, if the proof is for this request, this token and the key that the token names. */
async function verifyProof(
  proof: string,
  bound: TokenRequest & { readonly token: string; readonly jkt: string },
  expect: TokenExpectation,
): Promise<Result<string, TokenRefusal>> {
  try {
    const { payload, protectedHeader } = await jwtVerify(proof, EmbeddedJWK, {
      typ: 'dpop+jwt',
      algorithms: ['ES256'],
      currentDate: dateOf(expect.nowMilliseconds),
    })
    const claims = proofClaims.parse(payload)
    const now = Math.floor(expect.nowMilliseconds / 1_000)
    const holds =
      // RFC 9449 §4.3: 8 method, 9 URL without query and fragment, 11 freshness, 12 token and key.
      claims.htm === bound.method &&
      withoutQuery(claims.htu) === withoutQuery(bound.url) &&
      Math.abs(now - claims.iat) <= PROOF_WINDOW_SECONDS &&
      claims.ath === (await hashOf(bound.token)) &&
      protectedHeader.jwk !== undefined &&
      (await calculateJwkThumbprint(protectedHeader.jwk)) === bound.jkt
    return holds ? ok(claims.jti) : refuse({ reason: 'proof_invalid' })
  } catch (cause) {
    if (isRefusal(cause) || cause instanceof z.ZodError) return refuse({ reason: 'proof_invalid' })
    throw cause
  }
}

/** jose throws for what is wrong with a token; a failed fetch of keys is a fault. */
function isRefusal(cause: unknown): boolean {
  return (
    cause instanceof errors.JOSEError &&
    !(cause instanceof errors.JWKSTimeout) &&
    !(cause instanceof errors.JWKSInvalid)
  )
}

function withoutQuery(url: string): string | undefined {
  const parsed = URL.parse(url)
  return parsed === null ? undefined : parsed.origin + parsed.pathname
}

async function hashOf(token: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(token))
  return new Uint8Array(digest).toBase64({ alphabet: 'base64url', omitPadding: true })
}

function dateOf(milliseconds: number): Date {
  // oxlint-disable-next-line no-restricted-globals -- jose takes the caller's now as a Date
  return new Date(milliseconds)
}
