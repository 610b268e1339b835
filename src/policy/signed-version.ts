/**
 * What the issuer signs about policies: that a version was proposed, reviewed, activated, and that an
 * office works by a single operator.
 *
 * INVARIANT (separate powers): whoever can write the tables can take a policy away and never make one:
 * what is in force is what a signed activation says, and an activation is signed only by `activate.ts`.
 */

import * as z from 'zod'
import { idSchema } from '../base/id.ts'
import { ok, refuse, type Result } from '../base/result.ts'
import { signJws, verifyJws } from '../keys/jws.ts'
import type { Keyring } from '../keys/keyring.ts'
import { digestSchema, MODES, policyIdSchema, setsSchema } from './version.ts'

const person = idSchema('per')
const content = { jti: policyIdSchema, iat: z.int(), version: digestSchema }

const CLAIMS = {
  /** By the author. */
  'policy-version+jwt': z.strictObject({
    ...content,
    sub: z.string(),
    sets: setsSchema,
    tests: digestSchema,
    base: digestSchema.optional(),
  }),
  /** By the reviewer, on the dry-run that they saw. */
  'policy-review+jwt': z.strictObject({
    ...content,
    sub: person,
    presence: z.enum(['none', 'session', 'passkey']),
    decision: z.enum(['accepted', 'refused']),
    dry_run: digestSchema.optional(),
  }),
  /** By whoever put it in force, with the right that they had. */
  'policy-activation+jwt': z.strictObject({
    ...content,
    sub: z.string(),
    sets: setsSchema,
    mode: z.enum(MODES),
    authorized_by: z.array(z.string()).max(4),
  }),
  'policy-mode+jwt': z.strictObject({
    sub: person,
    iat: z.int(),
    mode: z.enum(['dual', 'single_operator']),
  }),
} as const

type Kind = keyof typeof CLAIMS
/** What a signed statement of one kind says. */
export type Claims<K extends Kind> = z.infer<(typeof CLAIMS)[K]>

interface Env {
  readonly keyring: Keyring
}

const MAX_BYTES = 16_384

/** Signs a statement with the issuer's key. */
export function sign<K extends Kind>(kind: K, claims: Claims<K>, { keyring }: Env): string {
  return signJws(keyring.active('issuer'), { typ: kind }, { ...claims })
}

/** The claims of a statement, once its signature holds. */
export function verify<K extends Kind>(
  kind: K,
  token: string,
  { keyring }: Env,
): Result<Claims<K>, { reason: string }> {
  const verified = verifyJws(token, (kid) => keyring.find('issuer', kid)?.publicKey, {
    typ: kind,
    maxBytes: MAX_BYTES,
  })
  if (!verified.ok) return verified
  const parsed = CLAIMS[kind].safeParse(verified.value.payload)
  if (!parsed.success) return refuse({ reason: 'malformed' })
  return ok(parsed.data as Claims<K>)
}
