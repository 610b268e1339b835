/** Archetypes, agents, and who owns them. Rows of the table in `operations.ts`. */

import * as z from 'zod'
import { done, id, nothing, operation, reasonText, reference, slug } from './operation.ts'

const accountable = z.object({
  person: z.string(),
  name: z.string(),
  path: z.array(z.object({ via: z.string(), subject: z.string() })),
})

const agent = z.object({
  id: z.string(),
  spiffeId: z.string(),
  archetype: z.string(),
  state: z.string(),
  /** Why it is suspended. */
  suspendedFor: z.string().optional(),
  parent: z.string().optional(),
  selectors: z.array(z.string()),
  socket: z.string().optional(),
  accountable: accountable.optional(),
})

export const createArchetype = operation({
  id: 'archetype.create',
  asker: 'person',
  method: 'POST',
  path: '/archetypes',
  summary: 'Add a kind of agent, with its owner.',
  input: z.strictObject({ name: slug, description: z.string().max(2_000), owner: reference }),
  output: z.object({ name: z.string(), description: z.string(), owner: z.string() }),
})

export const listArchetypes = operation({
  id: 'archetype.list',
  asker: 'person',
  method: 'GET',
  path: '/archetypes',
  summary: 'List archetypes.',
  input: nothing,
  output: z.object({
    archetypes: z.array(
      z.object({ name: z.string(), description: z.string(), owner: z.string().optional() }),
    ),
  }),
})

export const assignOwner = operation({
  id: 'owner.assign',
  asker: 'person',
  method: 'POST',
  path: '/owners',
  summary: 'Assign the owner of an archetype, agent or group.',
  input: z.strictObject({ owned: reference, owner: reference }),
  output: done,
})

export const createAgent = operation({
  id: 'agent.create',
  asker: 'person',
  method: 'POST',
  path: '/agents',
  summary: 'Bring an agent to life: an identity and a Workload API socket of its own.',
  input: z.strictObject({
    archetype: slug,
    parent: reference.optional(),
    selectors: z.array(z.string().max(300)).max(20).optional(),
  }),
  output: agent,
})

export const listAgents = operation({
  id: 'agent.list',
  asker: 'person',
  method: 'GET',
  path: '/agents',
  summary: 'List agents, newest first.',
  input: z.strictObject({
    archetype: slug.optional(),
    state: z.enum(['active', 'suspended', 'ended']).optional(),
  }),
  output: z.object({ agents: z.array(agent) }),
})

export const showAgent = operation({
  id: 'agent.show',
  asker: 'person',
  method: 'GET',
  path: '/agents/{id}',
  summary: 'One agent, and who answers for it now.',
  input: id,
  output: agent,
})

export const suspendAgent = operation({
  id: 'agent.suspend',
  asker: 'person',
  method: 'POST',
  path: '/agents/{id}/suspend',
  summary: 'Suspend an agent.',
  input: id.extend({ reason: reasonText }),
  output: done,
})

export const resumeAgent = operation({
  id: 'agent.resume',
  asker: 'person',
  method: 'POST',
  path: '/agents/{id}/resume',
  summary: 'Resume a suspended agent.',
  input: id,
  output: done,
})

export const endAgent = operation({
  id: 'agent.end',
  asker: 'person',
  method: 'POST',
  path: '/agents/{id}/end',
  summary: 'End an agent for good.',
  input: id,
  output: done,
})
