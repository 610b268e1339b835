/**
 * The signed proposal: what was proposed to a person, by which way, from which words.
 *
 * Call `signProposal` where a scope is proposed, `verifyProposal` where it is delegated. The person brings it
 * back with what they confirm, so that the record can say how the scope came about; it grants nothing, and
 * whoever leaves it away delegates what they wrote themselves.
 */

import * as z from 'zod'
import { digestOf } from '../base/bytes.ts'
import { type Clock, nowSeconds } from '../base/clock.ts'
import { idSchema } from '../base/id.ts'
import { ok, refuse, type Result } from '../base/result.ts'
import { signJws, verifyJws } from '../keys/jws.ts'
import type { Keyring } from '../keys/keyring.ts'
import type { PersonId } from '../people/person.ts'
import { archetypeSchema } from './delegation.ts'
import { detailsSchema } from './intent.ts'

const TYP = 'scope-proposal+jwt'
const MAX_BYTES = 131_072
/** How long a person may look at it. */
const LIFETIME_SECONDS = 3_600

const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/)
const template = z.strictObject({ name: z.string().max(80), digest })

const proposalSchema = z.strictObject({
  way: z.discriminatedUnion('by', [
    z.strictObject({ by: z.literal('words') }),
    z.strictObject({ by: z.literal('template'), template }),
    z.strictObject({
      by: z.literal('model'),
      template,
      model: z.string().max(200),
      /** Of all that the model was asked. */
      prompt: digest,
      /** The values that the person gave themselves. */
      said: z.record(z.string(), z.string()),
    }),
  ]),
  details: detailsSchema,
})

/** What was proposed, and by which way. */
export type Proposal = z.infer<typeof proposalSchema>

const claims = proposalSchema.extend({
  iss: z.string(),
  sub: idSchema('per'),
  iat: z.int(),
  exp: z.int(),
  /** Of the words that it was proposed for. */
  words: digest,
  archetype: archetypeSchema,
})

/** For whom something is proposed, and what for. */
export interface ProposedTo {
  readonly person: PersonId
  readonly words: string
  readonly archetype: string
}

interface Env {
  readonly keyring: Keyring
  readonly clock: Clock
  /** The public origin. */
  readonly issuer: string
}

/** The proposal under the issuer's signature; none where what is proposed is too much to delegate. */
export function signProposal(proposal: Proposal, to: ProposedTo, env: Env): string | undefined {
  const sound = proposalSchema.safeParse(proposal)
  if (!sound.success) return undefined
  const iat = nowSeconds(env.clock)
  const payload: z.infer<typeof claims> = {
    ...sound.data,
    iss: env.issuer,
    sub: to.person,
    iat,
    exp: iat + LIFETIME_SECONDS,
    words: digestOf(to.words),
    archetype: to.archetype,
  }
  return signJws(env.keyring.active('issuer'), { typ: TYP }, payload)
}

/** What was proposed, if it was: to this person, for these words and this kind of agent, not long ago. */
export function verifyProposal(
  signed: string,
  to: ProposedTo,
  env: Env,
): Result<Proposal, { readonly reason: 'invalid_proposal'; readonly message: string }> {
  const find = (kid: string) => env.keyring.find('issuer', kid)?.publicKey
  const verified = verifyJws(signed, find, { typ: TYP, maxBytes: MAX_BYTES })
  const parsed = verified.ok ? claims.safeParse(verified.value.payload) : undefined
  const message =
    'expected what was proposed to you within the hour, for this purpose and kind of agent'
  if (parsed?.data === undefined) return refuse({ reason: 'invalid_proposal', message })
  const { iss, sub, exp, words, archetype, way, details } = parsed.data
  const isTheirs =
    iss === env.issuer &&
    sub === to.person &&
    words === digestOf(to.words) &&
    archetype === to.archetype &&
    nowSeconds(env.clock) < exp
  return isTheirs ? ok({ way, details }) : refuse({ reason: 'invalid_proposal', message })
}
