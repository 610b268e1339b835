/** What needs somebody. A row of the table in `operations.ts`. */

import * as z from 'zod'
import { approval } from './delegations.ts'
import { instant, nothing, operation } from './operation.ts'

const refusal = z.object({
  /** Its entry in the log. */
  entry: z.int(),
  time: instant,
  /** What was reached for. */
  what: z.string(),
  /** Which constraint said no, and why. */
  why: z.string(),
})

const suspendedAgent = z.object({
  id: z.string(),
  archetype: z.string(),
  suspendedFor: z.string(),
  /**
   * What the asker has to do with it: `answers` for it, `delegated` to it, or `appoints`, where nobody
   * answers for it and the asker may say who does.
   */
  as: z.array(z.enum(['answers', 'delegated', 'appoints'])),
  /** Who answers for it, and so may let it go on. */
  accountable: z.object({ person: z.string(), name: z.string() }).optional(),
  /** The delegations of the asker that wait for it. */
  delegations: z.array(z.object({ id: z.string(), purpose: z.string() })),
  /** The entry that suspended it. */
  entry: z.int().optional(),
  since: instant.optional(),
  /** What it was refused before, the latest first: for whoever answers, and whose work it was. */
  refusals: z.array(refusal),
})

export const listAttention = operation({
  id: 'attention.list',
  asker: 'person',
  method: 'GET',
  path: '/attention',
  summary: 'What needs you: approvals that wait for you, and suspended agents that concern you.',
  input: nothing,
  output: z.object({
    approvals: z.array(approval),
    agents: z.array(suspendedAgent),
    /** Whether more agents are suspended than were looked at. */
    more: z.boolean(),
  }),
})
