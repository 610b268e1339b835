/** What the members of entries hold, where several kinds of entries have them (`entry.ts`). */

import * as z from 'zod'

/** Schemas that most kinds share. */
export const subject = z.string().min(1).max(300)
/** @see subject */
export const text = z.string().max(2_000)
/** @see subject */
export const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/)
/** A reference to a value kept beside the log: SHA-256 over salt and value. */
export const sealed = z.strictObject({ sealed: digest, bytes: z.int().nonnegative() })

/** Who did it: a person in a session, an agent under a delegation, a program of ours. */
export const actor = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('person'),
    person: subject,
    session: z.string().optional(),
    presence: z.enum(['none', 'session', 'passkey']),
  }),
  z.strictObject({
    type: z.literal('agent'),
    agent: subject,
    delegation: subject.optional(),
    person: subject.optional(),
  }),
  z.strictObject({ type: z.literal('system'), part: z.string().max(40) }),
])

/** Who answers, and why it is they: the path from the agent to a person at this instant. */
export const accountable = z.strictObject({
  person: subject,
  name: z.string().max(200),
  path: z
    .array(
      z.strictObject({
        via: z.enum(['agent', 'archetype', 'person', 'rotation', 'manager']),
        subject,
      }),
    )
    .max(20),
})

/** What one constraint said about a call. */
export const verdict = z.strictObject({
  constraint: z.enum(['agent', 'person', 'intent', 'guardrail']),
  subject,
  effect: z.enum(['permit', 'deny', 'step_up', 'approval_required']),
  policies: z.array(z.string().max(200)).max(50),
  version: z.string().max(80),
  reason: text.optional(),
})

/**
 * What a decision stood on beside the arguments and their provenance, so that it can be made again under
 * other policies: identifiers and words of the review, nothing that a person wrote.
 */
export const facts = z.strictObject({
  /** The kind of each agent of the act chain, and those that were not active. */
  archetypes: z.array(z.string().max(200)).max(16),
  inactive: z.array(subject).max(40).optional(),
  /** The delegating person first, each with their groups. */
  people: z.array(z.strictObject({ person: subject, groups: z.array(subject).max(200) })).max(120),
  depth: z.int().nonnegative(),
  type: z.enum(['tool', 'resource', 'prompt', 'server']),
  class: z.enum(['read', 'write', 'egress', 'destructive', 'money']),
  consequential: z.boolean(),
  serverState: z.enum(['registered', 'reviewed', 'quarantined', 'withdrawn']),
  /** Where the server ran, or was to. */
  tier: z.enum(['T0', 'T1', 'remote', 'none']).optional(),
  sinks: z.array(z.strictObject({ path: z.string().max(200), kind: z.string().max(20) })).max(50),
  /** What else the call brought: `acr`, `boundBy`, what the intent covers, the approval. */
  context: z.record(z.string().max(40), z.json()),
})

/** One MCP request as it was decided, before any effect. */
export const call = {
  call: z.string().max(80),
  delegation: subject,
  person: subject,
  /** The act chain, the agent that acts now first (RFC 8693 §4.1). */
  agents: z.array(subject).min(1).max(16),
  server: subject.optional(),
  serverName: z.string().max(128).optional(),
  /** `tools/call:read_text_file`, `resources/read`, … */
  action: z.string().max(300),
  definition: digest.optional(),
  arguments: sealed.optional(),
  /** Digest of the canonical arguments; unsalted, binds approvals. Only where a decision needed one. */
  argumentsDigest: digest.optional(),
  /** Whether review found that the action changes something that matters. */
  consequential: z.boolean().optional(),
  stage: z.string().max(80).nullable(),
  verdicts: z.array(verdict).max(40),
  provenance: z
    .array(
      z.strictObject({
        path: z.string().max(300),
        from: z.array(z.string().max(200)).max(20),
        grounded: z.boolean(),
      }),
    )
    .max(100)
    .optional(),
  accountable: accountable.optional(),
  facts: facts.optional(),
}

const template = z.strictObject({ name: z.string().max(80), digest })
/**
 * By which way a scope was proposed that its person then confirmed, narrowed or not: by rules from their words,
 * by a template whose sentence they are, or by a model that chose one. `proposal` is all that was proposed.
 */
export const proposed = z.discriminatedUnion('by', [
  z.strictObject({ by: z.literal('words'), proposal: sealed }),
  z.strictObject({ by: z.literal('template'), template, proposal: sealed }),
  z.strictObject({
    by: z.literal('model'),
    model: z.string().max(200),
    template,
    proposal: sealed,
  }),
])

/** What every event of a conversation says: its place, and the author as transport proved them. */
export const conversed = {
  conversation: subject,
  delegation: subject,
  seq: z.int().nonnegative(),
  author: subject,
}
