/** Policies: proposed, tried, reviewed, activated, rolled back. Rows of the table in `operations.ts`. */

import * as z from 'zod'
import { done, id, instant, nothing, operation, reasonText, reference } from './operation.ts'

const sets = z.record(z.string(), z.string().max(1_000_000))
const tests = z.record(z.string().max(200), z.string().max(1_000_000))
const summary = z.string().min(1).max(500)

const policyVersion = z.object({
  id: z.string(),
  version: z.string(),
  author: z.string(),
  summary: z.string(),
  base: z.string().optional(),
  createdAt: instant,
})

const report = z.object({
  policy: z.string(),
  base: z.string(),
  candidate: z.string(),
  calls: z.int(),
  replayed: z.int(),
  unreplayable: z.record(z.string(), z.int()),
  unfaithful: z.int(),
  flips: z.int(),
  loosened: z.int(),
  stories: z.array(
    z.object({
      index: z.int(),
      call: z.string(),
      time: instant,
      delegation: z.string(),
      person: z.string(),
      agent: z.string(),
      action: z.string(),
      was: z.string(),
      now: z.string(),
      story: z.string(),
    }),
  ),
  widening: z.array(z.string()),
  newlyPermitted: z.array(
    z.object({
      because: z.string(),
      sentence: z.string(),
      test: z.object({
        given: z.record(z.string(), z.json()),
        when: z.record(z.string(), z.json()),
      }),
    }),
  ),
  tried: z.int(),
  /** Left out of reports that were kept before this was told. */
  properties: z
    .array(
      z.object({
        file: z.string(),
        name: z.string(),
        tried: z.int(),
        of: z.number(),
        exhaustive: z.boolean(),
      }),
    )
    .optional(),
})

export const showPolicies = operation({
  id: 'policy.show',
  asker: 'person',
  method: 'GET',
  path: '/policies',
  summary: 'The policies in force, with their tests.',
  input: nothing,
  output: z.object({
    version: z.string(),
    policy: z.string(),
    sets: z.record(z.string(), z.string()),
    tests: z.record(z.string(), z.string()),
  }),
})

export const proposePolicies = operation({
  id: 'policy.propose',
  asker: 'person',
  method: 'POST',
  path: '/policies/versions',
  summary: 'Propose a version: it must compile and pass its tests. Sets that are left out stay.',
  input: z.strictObject({ sets, tests: tests.optional(), summary, base: z.string().optional() }),
  output: policyVersion,
})

export const listPolicyVersions = operation({
  id: 'policy.history',
  asker: 'person',
  method: 'GET',
  path: '/policies/versions',
  summary: 'The last versions, and when which of them was in force by whose leave.',
  input: nothing,
  output: z.object({
    inForce: z.string(),
    mode: z.string(),
    versions: z.array(policyVersion),
    activations: z.array(
      z.object({
        policy: z.string(),
        activatedAt: instant,
        by: z.string(),
        mode: z.string(),
        authorizedBy: z.array(z.string()),
      }),
    ),
  }),
})

export const showPolicyVersion = operation({
  id: 'policy.version',
  asker: 'person',
  method: 'GET',
  path: '/policies/versions/{id}',
  summary: 'One version: its texts and tests, its last dry-run, its review.',
  input: id,
  output: z.object({
    ...policyVersion.shape,
    sets: z.record(z.string(), z.string()),
    tests: z.record(z.string(), z.string()),
    dryRun: z.object({ digest: z.string(), report }).optional(),
    review: z.object({ reviewer: z.string(), decision: z.string() }).optional(),
  }),
})

export const dryRunPolicies = operation({
  id: 'policy.dry-run',
  asker: 'person',
  method: 'POST',
  path: '/policies/versions/{id}/dry-run',
  summary:
    'Decide the last recorded calls again by a proposed version, and keep what would change.',
  input: id.extend({ calls: z.int().min(1).max(10_000).optional() }),
  output: z.object({ digest: z.string(), report }),
})

export const reviewPolicies = operation({
  id: 'policy.review',
  asker: 'person',
  method: 'POST',
  path: '/policies/versions/{id}/review',
  summary: 'Accept or refuse what somebody else proposed, on the dry-run that was read.',
  input: id.extend({
    decision: z.enum(['accepted', 'refused']),
    report: z.string().max(80).optional(),
    reason: reasonText.optional(),
  }),
  output: done,
})

export const activatePolicies = operation({
  id: 'policy.activate',
  asker: 'person',
  method: 'POST',
  path: '/policies',
  summary:
    'Put a reviewed version in force; or sets in one go, where nobody else could review them.',
  input: z
    .strictObject({
      policy: z.string().max(80).optional(),
      sets: sets.optional(),
      tests: tests.optional(),
      summary: summary.optional(),
    })
    .refine(
      (given) => (given.policy === undefined) !== (given.sets === undefined),
      'expected either `policy` or `sets`',
    ),
  output: z.object({ version: z.string() }),
})

export const rollBackPolicies = operation({
  id: 'policy.rollback',
  asker: 'person',
  method: 'POST',
  path: '/policies/versions/{id}/rollback',
  summary:
    'Return to a version that was in force: at once if it permits no more, else as a proposal.',
  input: id,
  output: z.object({
    state: z.enum(['active', 'proposed']),
    policy: policyVersion,
    because: z.array(z.string()),
  }),
})

export const setPolicyMode = operation({
  id: 'policy.mode',
  asker: 'person',
  method: 'POST',
  path: '/policies/mode',
  summary: 'Dual authorization, or a single operator where nobody else could review.',
  input: z.strictObject({ mode: z.enum(['dual', 'single_operator']) }),
  output: done,
})

const outcome = z.enum(['permit', 'deny', 'step_up', 'approval_required'])

export const simulatePolicies = operation({
  id: 'policy.simulate',
  asker: 'person',
  method: 'POST',
  path: '/policies/simulate',
  summary: 'What an agent of a kind could do for a person now, at most; by a proposed version too.',
  input: z.strictObject({
    archetype: reference,
    person: reference,
    delegation: reference.optional(),
    policy: reference.optional(),
  }),
  output: z.object({
    tools: z.array(
      z.object({
        server: z.string(),
        tool: z.string(),
        class: z.string(),
        outcome,
        constraint: z.string().optional(),
        policies: z.array(z.string()),
      }),
    ),
  }),
})

export const reachPolicies = operation({
  id: 'policy.reach',
  asker: 'person',
  method: 'POST',
  path: '/policies/reach',
  summary: 'Who can reach a tool, through which kind of agent; by a proposed version too.',
  input: z.strictObject({
    server: reference,
    tool: z.string().min(1).max(200),
    policy: reference.optional(),
  }),
  output: z.object({
    ways: z.array(z.object({ archetype: z.string(), person: z.string(), outcome })),
    pairs: z.int(),
    complete: z.boolean(),
  }),
})
