/**
 * DPoP proofs: that whoever sends a request holds the key that its token is bound to (RFC 9449).
 *
 * Call `verifyDpopProof` last, once token or client hold: it remembers the proof, and a stranger's
 * proofs must not fill that memory. Signatures are checked off the main thread.
 */

import { createPublicKey, type KeyObject, verify } from 'node:crypto'
import * as z from 'zod'
import { type Clock, nowSeconds } from '../base/clock.ts'
import { ok, refuse, type Result } from '../base/result.ts'
import { type ParsedJws, parseJws, parseObject } from '../keys/jws.ts'
import { thumbprint } from '../keys/signing-key.ts'
import type { ProofNonces } from './proof-nonces.ts'
import type { Recent } from './recent.ts'
import type { SeenProofs } from './seen-proofs.ts'

/** How far a proof's `iat` may lie from our time, in seconds. */
export const PROOF_WINDOW_SECONDS = 60

const MAX_PROOF_BYTES = 4_096

/** The request that the proof must be for. */
export interface ProofExpectation {
  /** The HTTP method. */
  readonly htm: string
  /** The URL as the client sees it; query and fragment do not count. */
  readonly htu: string
  /** Base64url SHA-256 of the access token that came with the request, if one did. */
  readonly ath?: string
  /** Thumbprint of the only key that will do, if that is known. */
  readonly jkt?: string
}

/** Why a proof was refused. */
export interface ProofRefusal {
  readonly reason:
    | 'proof_malformed'
    | 'proof_bad_signature'
    | 'proof_wrong_request'
    | 'proof_wrong_token'
    | 'proof_wrong_key'
    | 'proof_stale'
    | 'proof_nonce_wanted'
    | 'proof_replayed'
    | 'proofs_exhausted'
}

/** What this process remembers of proofs and their keys. */
export interface ProofEnv {
  readonly clock: Clock
  readonly seenProofs: SeenProofs
  /** Keys by the header that names them: a client's proofs differ in their claims only. */
  readonly proofKeys: Recent<ProofKey>
  /** Present where proofs must bear a nonce of this process. */
  readonly proofNonces?: ProofNonces
}

/** The key that a proof's header names. */
export interface ProofKey {
  readonly key: KeyObject
  readonly jkt: string
}

/** RFC 9449 §4.2: a public P-256 key; another form of the same number would be another thumbprint. */
const coordinate = z.string().regex(/^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/)
const header = z.object({
  jwk: z.object({
    kty: z.literal('EC'),
    crv: z.literal('P-256'),
    x: coordinate,
    y: coordinate,
    // RFC 9449 §4.3 check 7: a private key must not be sent.
    d: z.never().optional(),
  }),
  crit: z.never().optional(),
  b64: z.never().optional(),
})

const claims = z.object({
  jti: z.string().min(1).max(256),
  htm: z.string(),
  htu: z.string().max(2_048),
  iat: z.int(),
  ath: z.string().optional(),
  nonce: z.string().max(256).optional(),
})

/**
 * The thumbprint of the key that signed the proof, if the proof is fresh, unused and for this request.
 *
 * @see RFC 9449 §4.3
 */
export async function verifyDpopProof(
  proof: string,
  expect: ProofExpectation,
  env: ProofEnv,
): Promise<Result<{ readonly jkt: string }, ProofRefusal>> {
  // RFC 9449 §4.3 checks 2 to 5: one well-formed JWT of type dpop+jwt with an asymmetric algorithm.
  const parsed = parseJws(proof, { typ: 'dpop+jwt', maxBytes: MAX_PROOF_BYTES })
  if (!parsed.ok) return refuse({ reason: 'proof_malformed' })
  const named = keyOf(proof, parsed.value, env)
  if (named === undefined) return refuse({ reason: 'proof_malformed' })
  const { key, jkt } = named
  if (expect.jkt !== undefined && jkt !== expect.jkt) return refuse({ reason: 'proof_wrong_key' })
  if (!(await verifies(parsed.value, key))) return refuse({ reason: 'proof_bad_signature' })

  const said = claims.safeParse(parseObject(parsed.value.payload))
  if (!said.success) return refuse({ reason: 'proof_malformed' })
  // Checks 8 and 9: for this method and this URL.
  if (said.data.htm !== expect.htm || !isSameUrl(said.data.htu, expect.htu)) {
    return refuse({ reason: 'proof_wrong_request' })
  }
  // Check 12: with a token, the token's hash.
  if (expect.ath !== undefined && said.data.ath !== expect.ath) {
    return refuse({ reason: 'proof_wrong_token' })
  }
  // Check 10: with a nonce of this server, where it wants one.
  if (env.proofNonces?.accepts(said.data.nonce) === false) {
    return refuse({ reason: 'proof_nonce_wanted' })
  }
  // Check 11: made now.
  if (Math.abs(nowSeconds(env.clock) - said.data.iat) > PROOF_WINDOW_SECONDS) {
    return refuse({ reason: 'proof_stale' })
  }
  // RFC 9449 §11.1: once.
  const seen = env.seenProofs.see(jkt, said.data.jti, said.data.iat + PROOF_WINDOW_SECONDS)
  return seen.ok ? ok({ jkt }) : seen
}

/** The key that a proof's header names; undefined if it names none, or no point of the curve. */
function keyOf(proof: string, { header: said }: ParsedJws, env: ProofEnv): ProofKey | undefined {
  const text = proof.slice(0, proof.indexOf('.'))
  const known = env.proofKeys.get(text)
  if (known !== undefined) return known
  const named = header.safeParse(said)
  if (!named.success) return undefined
  const { kty, crv, x, y } = named.data.jwk
  try {
    const key = createPublicKey({ key: { kty, crv, x, y }, format: 'jwk' })
    const found = { key, jkt: thumbprint({ kty, crv, x, y }) }
    env.proofKeys.put(text, found)
    return found
  } catch {
    return undefined
  }
}

async function verifies(jws: ParsedJws, key: KeyObject): Promise<boolean> {
  // RFC 7518 §3.4: R and S as 32 octets each.
  if (jws.signature.length !== 64) return false
  const { promise, resolve, reject } = Promise.withResolvers<boolean>()
  const options = { key, dsaEncoding: 'ieee-p1363' } as const
  verify('sha256', jws.signed, options, jws.signature, (fault, holds) =>
    fault === null ? resolve(holds) : reject(fault),
  )
  return await promise
}

/** Whether two URLs are the same but for query and fragment (RFC 9449 §4.3, RFC 3986 §6.2.2). */
function isSameUrl(said: string, expected: string): boolean {
  if (said === expected) return true
  const [a, b] = [URL.parse(said), URL.parse(expected)]
  return a !== null && b !== null && a.origin === b.origin && a.pathname === b.pathname
}
