/**
 * What an enforcement point asks, as it stands on the wire (AuthZEN Authorization API 1.0 §5, §6, §7).
 *
 * Read loosely: members that nobody knows pass unseen, as the specification wants. Subjects are `agent`
 * (`agt_…` or a SPIFFE ID) and `person` or `user` (a handle or `per_…`); actions are MCP methods and
 * operations of the administration API; resources are `tool`, `resource` and `prompt` (`server/name`) and
 * `installation`. `context.arguments` are the arguments of the call, `context.delegation` names the
 * delegation when a person asks.
 */

import * as z from 'zod'

const text = z.string().min(1).max(2_048)
const properties = z.record(z.string(), z.json()).optional()

/** One question (§6.1). */
export const questionSchema = z.looseObject({
  subject: z.looseObject({ type: text, id: text, properties }),
  action: z.looseObject({ name: text, properties }),
  resource: z.looseObject({ type: text, id: text, properties }),
  context: z.record(z.string(), z.json()).optional(),
})
/** One question. */
export type Question = z.infer<typeof questionSchema>

/** Several questions at once (§7.1): what stands outside is the default for each. */
export const questionsSchema = z.looseObject({
  subject: z.record(z.string(), z.json()).optional(),
  action: z.record(z.string(), z.json()).optional(),
  resource: z.record(z.string(), z.json()).optional(),
  context: z.record(z.string(), z.json()).optional(),
  evaluations: z.array(z.record(z.string(), z.json())).max(100),
  options: z
    .looseObject({
      evaluations_semantic: z
        .enum(['execute_all', 'deny_on_first_deny', 'permit_on_first_permit'])
        .default('execute_all'),
    })
    .default({ evaluations_semantic: 'execute_all' }),
})
/** Several questions at once. */
export type Questions = z.infer<typeof questionsSchema>

/** The members that a question takes from outside where it has none of its own (§7.1.1). */
export function withDefaults(
  one: Questions['evaluations'][number],
  { subject, action, resource, context }: Questions,
): Record<string, unknown> {
  const present = Object.entries({ subject, action, resource, context }).filter(
    ([, value]) => value !== undefined,
  )
  return { ...Object.fromEntries(present), ...one }
}

/** What is wrong with a question, for whoever asked it. */
export function invalidQuestion(
  issue: { readonly path: readonly PropertyKey[]; readonly message: string } | undefined,
): {
  readonly reason: string
  readonly message: string
} {
  const at = issue?.path.join('.') ?? ''
  return {
    reason: 'invalid_request',
    message: `\`${at}\`: ${issue?.message ?? 'expected another value'}`,
  }
}
