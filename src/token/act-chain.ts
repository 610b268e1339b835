/**
 * The act chain: who acts for whom (RFC 8693 §4.1).
 *
 * The outermost `act` is the agent that acts now; each inner one passed the work on to the one around
 * it. Call `nestAct` to make the claim, `actChain` to read it. Pure: runs anywhere.
 */

import * as z from 'zod'

/** The claim `act`. */
export type ActClaim = { readonly sub: string; readonly act?: ActClaim | undefined }

/** The most agents in one chain: what a delegation tree allows. */
export const MAX_CHAIN = 16

/** Accepts a claim `act` of at most `MAX_CHAIN` agents; members beside `sub` and `act` pass unseen. */
export const actClaimSchema: z.ZodType<ActClaim> = z
  .object({
    sub: z.string().min(1).max(2_048),
    get act() {
      return actClaimSchema.optional()
    },
  })
  .refine((act) => depth(act) <= MAX_CHAIN, `expected at most ${MAX_CHAIN} agents`)

/** The claim for `subjects`, the one that acts now first; undefined for nobody. */
export function nestAct(subjects: readonly string[]): ActClaim | undefined {
  return subjects.reduceRight<ActClaim | undefined>(
    (act, sub) => (act === undefined ? { sub } : { sub, act }),
    undefined,
  )
}

/** The subjects of a claim, the one that acts now first. */
export function actChain(act: ActClaim | undefined): string[] {
  const subjects: string[] = []
  for (let at = act; at !== undefined; at = at.act) subjects.push(at.sub)
  return subjects
}

function depth(act: ActClaim): number {
  return actChain(act).length
}
