/**
 * What a stdio server may use and reach: parsed here, judged by the sandbox's own rules, pinned by the review
 * with the rest of the transport. Call `confinementFault`.
 *
 * A credential is named, never held: what is sealed under that name is added outside of the sandbox.
 */

import * as z from 'zod'
import { destinationsOf, type Destination } from '../sandbox/egress.ts'
import { limitsOf } from '../sandbox/limits.ts'

/** The sandbox's limits of one program. The time of a call is the registration's `timeoutMilliseconds`. */
export const limitsSchema = z.strictObject({
  cpuSeconds: z.int().exactOptional(),
  memoryBytes: z.int().exactOptional(),
  processes: z.int().exactOptional(),
  openFiles: z.int().exactOptional(),
  scratchBytes: z.int().exactOptional(),
  diskBytes: z.int().exactOptional(),
  outputBytes: z.int().exactOptional(),
})

const text = z.string().min(1).max(253)
const credential = z.string().regex(/^[a-z][a-z0-9-]{0,62}$/)

/** The hosts that a program may reach through our proxy. */
export const egressSchema = z
  .array(
    z.strictObject({
      /** A name, `*.` and a name, or an address. */
      host: text,
      /** 443 by default. */
      ports: z.array(z.int()).min(1).max(20).exactOptional(),
      /** Addresses that are not public and that the name may have all the same. */
      addresses: z.array(text).min(1).max(20).exactOptional(),
      /** We speak TLS to it and add a sealed credential of this server, which the program never sees. */
      inject: z
        .strictObject({
          credential,
          /** `Authorization` by default, with `Bearer` unless the credential names a scheme. */
          header: text.exactOptional(),
          /** PEM, instead of the well-known authorities. */
          certificateAuthority: z.string().max(65_536).exactOptional(),
        })
        .exactOptional(),
    }),
  )
  .min(1)
  .max(50)

/** What a registration asks of the sandbox. */
export interface Confinement {
  readonly tier?: 'T0' | 'T1'
  readonly limits?: z.infer<typeof limitsSchema>
  readonly egress?: z.infer<typeof egressSchema>
}

/** One place that a registration lets its server reach. */
export type Egress = z.infer<typeof egressSchema>[number]

const DEFAULT_HEADER = 'Authorization'

/** What is wrong with a confinement that has the right shape; `issuer` is our own origin. */
export function confinementFault(
  { tier, limits = {}, egress = [] }: Confinement,
  issuer: string,
): string | undefined {
  const bounds = limitsOf(limits)
  if (!bounds.ok) return bounds.error.message
  if (egress.length > 0 && tier === 'T0') return 'expected no `egress` in T0, which has no network'
  const rules = destinationsOf(egress.map((each) => destination(each, 'to be unsealed')))
  if (!rules.ok) return rules.error.message
  const own = new URL(issuer)
  const port = Number(own.port) || (own.protocol === 'https:' ? 443 : 80)
  // A call of ours to ourselves would be decided as another caller's.
  const ours = rules.value.some(
    (rule) => rule.host === own.hostname && (rule.ports ?? [443]).includes(port),
  )
  return ours ? 'expected `egress` not to be of this installation' : undefined
}

/** The sandbox's rule for `egress`; `value` is the header's, where one is injected. */
export function destination(egress: Egress, value: string | undefined): Destination {
  const { host, ports, addresses, inject } = egress
  const rule = { host, ...(ports && { ports }), ...(addresses && { addresses }) }
  if (inject === undefined || value === undefined) return rule
  const { header = DEFAULT_HEADER, certificateAuthority } = inject
  return {
    ...rule,
    originate: {
      headers: { [header]: value },
      ...(certificateAuthority !== undefined && { certificateAuthority }),
    },
  }
}
