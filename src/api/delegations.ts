/** Delegations and approvals. Rows of the table in `operations.ts`. */

import * as z from 'zod'
import {
  id,
  instant,
  jsonObject,
  nothing,
  operation,
  reasonText,
  reference,
  seconds,
  slug,
} from './operation.ts'

const delegation = z.object({
  id: z.string(),
  person: z.string(),
  delegate: z.object({ archetype: z.string(), agent: z.string().optional() }),
  parent: z.string().optional(),
  purpose: z.string(),
  details: z.array(jsonObject),
  stages: z.array(z.string()),
  stage: z.string().nullable(),
  state: z.string(),
  expiresAt: seconds,
})

/** A request for a person's yes, with exactly what would be approved. */
export const approval = z.object({
  id: z.string(),
  state: z.string(),
  delegation: z.string(),
  action: z.string(),
  entitled: z.string(),
  shown: jsonObject,
  shownDigest: z.string(),
  expiresAt: instant,
})

export const delegate = operation({
  id: 'delegation.create',
  asker: 'person',
  method: 'POST',
  path: '/delegations',
  summary: 'Delegate authority for one purpose.',
  input: z.strictObject({
    purpose: z.string().min(1).max(2_000),
    archetype: slug,
    agent: reference.optional(),
    details: z.array(jsonObject).min(1).max(50),
    stages: z.array(slug).max(50).default([]),
    stageMovers: z.array(reference).max(50).optional(),
    expiresIn: seconds.min(1).max(31_536_000),
    /** What `scope.propose` proposed, where `details` are that or less. */
    proposal: z.string().max(131_072).optional(),
  }),
  output: delegation.extend({ signed: z.string() }),
})

export const subDelegate = operation({
  id: 'delegation.delegate',
  asker: 'agent',
  method: 'POST',
  path: '/delegations/{id}/delegations',
  summary: 'Pass part of a delegation on to another agent; it only narrows.',
  input: id.extend({
    purpose: z.string().min(1).max(2_000),
    archetype: slug,
    agent: reference.optional(),
    details: z.array(jsonObject).min(1).max(50),
    expiresIn: seconds.min(1).max(31_536_000),
  }),
  output: delegation.extend({ signed: z.string() }),
})

export const listDelegations = operation({
  id: 'delegation.list',
  asker: 'person',
  method: 'GET',
  path: '/delegations',
  summary: 'List delegations, newest first.',
  input: nothing,
  output: z.object({ delegations: z.array(delegation) }),
})

export const showDelegation = operation({
  id: 'delegation.show',
  asker: 'person',
  method: 'GET',
  path: '/delegations/{id}',
  summary: 'One delegation.',
  input: id,
  output: delegation,
})

export const moveStage = operation({
  id: 'delegation.stage',
  asker: 'person',
  method: 'POST',
  path: '/delegations/{id}/stage',
  summary: 'Move a delegation to its next stage.',
  input: id.extend({ stage: slug }),
  output: delegation,
})

export const suspendDelegation = operation({
  id: 'delegation.suspend',
  asker: 'person',
  method: 'POST',
  path: '/delegations/{id}/suspend',
  summary: 'Suspend a delegation and all below it.',
  input: id.extend({ reason: reasonText }),
  output: delegation,
})

export const resumeDelegation = operation({
  id: 'delegation.resume',
  asker: 'person',
  method: 'POST',
  path: '/delegations/{id}/resume',
  summary: 'Resume a suspended delegation.',
  input: id,
  output: delegation,
})

export const completeDelegation = operation({
  id: 'delegation.complete',
  asker: 'person',
  method: 'POST',
  path: '/delegations/{id}/complete',
  summary: 'Complete a delegation: its authority ends.',
  input: id,
  output: delegation,
})

export const revokeDelegation = operation({
  id: 'delegation.revoke',
  asker: 'person',
  method: 'POST',
  path: '/delegations/{id}/revoke',
  summary: 'Revoke a delegation and all below it.',
  input: id.extend({ reason: reasonText.optional() }),
  output: delegation,
})

export const listApprovals = operation({
  id: 'approval.list',
  asker: 'person',
  method: 'GET',
  path: '/approvals',
  summary: 'What waits for your decision.',
  input: nothing,
  output: z.object({ approvals: z.array(approval) }),
})

export const showApproval = operation({
  id: 'approval.show',
  asker: 'person',
  method: 'GET',
  path: '/approvals/{id}',
  summary: 'Exactly what would be approved.',
  input: id,
  output: approval,
})

export const decideApproval = operation({
  id: 'approval.decide',
  asker: 'person',
  method: 'POST',
  path: '/approvals/{id}/decide',
  summary: 'Say yes or no to exactly what was shown.',
  input: id.extend({ decision: z.enum(['approve', 'deny']), shownDigest: z.string() }),
  output: approval,
})
