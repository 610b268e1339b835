/**
 * The signed yes: ES256 by the issuer's key, of `typ` `approval+jwt`.
 *
 * It binds who said yes, how their presence was proven, what they were shown, and the one call it is
 * for. A role that can write the table can take an approval away, never make one.
 */

import type { KeyObject } from 'node:crypto'
import * as z from 'zod'
import type { Digest } from '../base/bytes.ts'
import { idSchema } from '../base/id.ts'
import { type Result, ok, refuse } from '../base/result.ts'
import { signJws, verifyJws } from '../keys/jws.ts'
import type { Keyring } from '../keys/keyring.ts'
import type { Session } from '../people/session.ts'
import { type Approval, bindingDigest } from './approval.ts'

const APPROVAL_TYP = 'approval+jwt'
const digest = z.custom<Digest>((value) => /^sha256:[0-9a-f]{64}$/.test(String(value)))

const claims = z.strictObject({
  iss: z.string(),
  /** The person who said yes. */
  sub: idSchema('per'),
  jti: idSchema('apr'),
  iat: z.int(),
  exp: z.int(),
  delegation: idSchema('dlg'),
  binding: digest,
  shown: digest,
  presence: z.enum(['session', 'passkey']),
})

/** What a signed yes says. */
export type ApprovalClaims = z.infer<typeof claims>

interface Env {
  readonly keyring: Keyring
  /** The public origin. */
  readonly issuer: string
}

/** Signs a yes to `approval` by the person of `session`, at `now` in milliseconds. */
export function signApproval(approval: Approval, session: Session, now: number, env: Env): string {
  const payload: ApprovalClaims = {
    iss: env.issuer,
    sub: session.person,
    jti: approval.id,
    iat: Math.floor(now / 1_000),
    // Whole seconds; the row's milliseconds decide, and end no later.
    exp: Math.ceil(approval.expiresAt / 1_000),
    delegation: approval.binding.delegation,
    binding: bindingDigest(approval.binding),
    shown: approval.shownDigest,
    presence: session.presence,
  }
  return signJws(env.keyring.active('issuer'), { typ: APPROVAL_TYP }, payload)
}

/** Succeeds if what the row says is what was signed; returns the claims. */
export function verifyApproval(
  approval: Approval,
  env: Env,
): Result<ApprovalClaims, { reason: 'not_as_signed' }> {
  const find = (kid: string): KeyObject | undefined => env.keyring.find('issuer', kid)?.publicKey
  const verified = verifyJws(approval.signed ?? '', find, { typ: APPROVAL_TYP })
  const parsed = claims.safeParse(verified.ok ? verified.value.payload : undefined)
  if (!parsed.success) return refuse({ reason: 'not_as_signed' })
  const signed = parsed.data
  const same =
    signed.iss === env.issuer &&
    signed.jti === approval.id &&
    signed.sub === approval.decidedBy &&
    signed.delegation === approval.binding.delegation &&
    signed.binding === bindingDigest(approval.binding) &&
    signed.shown === approval.shownDigest &&
    signed.exp === Math.ceil(approval.expiresAt / 1_000)
  return same ? ok(signed) : refuse({ reason: 'not_as_signed' })
}
