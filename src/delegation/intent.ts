/**
 * Intent: what a delegation is for, as data (RFC 9396 `authorization_details` of type `mcp_call`).
 *
 * Call `parseDetails` at the edge. A detail grants the product of its locations and actions, in its
 * stages, with arguments that meet every condition it states. Details add up: a call needs one that
 * covers it (`covers.ts`), and a list is contained in another as `narrowing.ts` says.
 *
 * The language is small so that containment is decidable, and closed: a member that is not known here
 * might have been meant as a restriction, so it is refused (RFC 9396 §5).
 */

import * as z from 'zod'
import { canonicalJson, type Json } from '../base/canonical-json.ts'
import { idSchema } from '../base/id.ts'
import { type Result, ok, refuse } from '../base/result.ts'
import { parseArgumentPath } from './argument-path.ts'
import { canonicalSegments } from './canonical-path.ts'
import { isPattern } from './pattern.ts'

/** The bytes that all details of one delegation may take: they travel inside tokens, in a header. */
const MAX_DETAILS_BYTES = 8_192

/** The name of a tool, prompt or resource template: printable ASCII without `*`. */
const NAME = /^[\x21-\x29\x2b-\x7e]{1,256}$/
/** A method, with a name exactly where the method acts on something by name. */
const NAMED = /^(?:tools\/call|prompts\/get|completion\/complete):(?<name>.+)$/s
const UNNAMED = /^(?!tools\/call$|prompts\/get$|completion\/complete$)[a-z]+(?:\/[a-zA-Z_]+)+$/

const text = z
  .string()
  .max(1_024)
  .refine((value) => value.isWellFormed(), 'expected well-formed Unicode')
const scalar = z.union([text, z.number(), z.boolean()])
const host = z
  .string()
  .max(260)
  .refine(isHost, 'expected a host in lower case, with its port unless it is the default')

/**
 * What a value must meet: every member that is present. On a list, every element must meet it, and an
 * empty list meets nothing.
 *
 * - `equals`, `oneOf`: the same JSON scalar, without conversion.
 * - `prefix`: a canonical absolute path, or URI, at or below this one, by whole segments.
 * - `min`, `max`: an amount (a number, or plain decimal text) within bounds.
 * - `sum`: an amount of at least 0; all calls under the delegation together stay within it.
 * - `host`: an http(s) URL of exactly this host.
 * - `any`: whatever it is, or nothing: where the call reaches is left to provenance and policy.
 * - `pattern`: literal text in which `*` stands for one or more of a few harmless characters.
 */
export const conditionSchema = z
  .strictObject({
    equals: scalar.exactOptional(),
    oneOf: z.array(scalar).min(1).max(100).exactOptional(),
    prefix: text
      .refine((value) => canonicalSegments(value).ok, 'expected a canonical absolute path or URI')
      .exactOptional(),
    min: z.number().exactOptional(),
    max: z.number().exactOptional(),
    sum: z.number().nonnegative().exactOptional(),
    host: host.exactOptional(),
    any: z.literal(true).exactOptional(),
    pattern: text.refine(isPattern, 'expected a pattern of at most 16 `*`').exactOptional(),
  })
  .refine((value) => Object.keys(value).length > 0, 'expected at least one predicate')

const argumentPath = z
  .string()
  .max(300)
  .refine((path) => parseArgumentPath(path) !== undefined, 'expected a path such as `to[].email`')

const actionSchema = z
  .string()
  .max(300)
  .refine(isAction, 'expected a method, with the name of the one tool, prompt or template')

const limits = z.strictObject({
  /** How many calls. */
  calls: z.int().nonnegative().exactOptional(),
  /** The total of what stands at each path, over all calls; every call must carry it. */
  sum: z.record(argumentPath, z.number().nonnegative()).exactOptional(),
  /** Seconds since the Unix epoch; from then on the detail grants nothing. */
  until: z.int().nonnegative().exactOptional(),
})

const detail = z
  .strictObject({
    type: z.literal('mcp_call'),
    /** Resource URIs of single servers: `<issuer>/mcp/<server>`. */
    locations: z.array(z.string().min(1).max(500)).min(1).max(16),
    actions: z.array(actionSchema).min(1).max(64),
    /** By what `argumentsKey` says of the action, then by argument path. */
    arguments: z
      .record(z.string().max(300), z.record(argumentPath, conditionSchema))
      .exactOptional(),
    /** The stages in which it grants; all if absent. */
    stages: z.array(stageSchema()).min(1).max(50).exactOptional(),
    limits: limits.exactOptional(),
    /** Each call needs a yes by this person, or by a member of this group. */
    approval: z.strictObject({ by: z.union([idSchema('grp'), idSchema('per')]) }).exactOptional(),
  })
  .superRefine((value, context) => {
    const keys = new Set(value.actions.map(argumentsKey))
    for (const key of Object.keys(value.arguments ?? {})) {
      // A condition under a name that nothing looks up would look like a restriction and be none.
      if (!keys.has(key)) {
        context.addIssue(`expected conditions only for actions granted, got \`${key}\``)
      }
    }
  })

const details = z.array(detail).min(1).max(50)

/** One `authorization_details` object (RFC 9396 §2) of type `mcp_call`. */
export type McpCallDetail = z.infer<typeof detail>
/** What the value at one argument path must meet. */
export type Condition = z.infer<typeof conditionSchema>
/** One member of a condition. */
export type Predicate = {
  [K in keyof Condition]-?: { readonly name: K; readonly operand: NonNullable<Condition[K]> }
}[keyof Condition]
/** A JSON scalar that a condition can name. */
export type Scalar = z.infer<typeof scalar>

/** Details that were stored or signed by us. */
export const detailsSchema = details

/** A zod schema for the name of a stage. */
export function stageSchema(): z.ZodString {
  return z.string().regex(/^[a-z0-9](?:[a-z0-9_-]{0,62}[a-z0-9])?$/)
}

/** Parses details as an asker states them; refuses what is unknown, ambiguous or too large. */
export function parseDetails(
  value: Json,
): Result<McpCallDetail[], { reason: 'invalid_authorization_details'; message: string }> {
  // zod leaves a member `__proto__` out of a record: a condition under that name would vanish.
  const hidden = 'expected no member `__proto__` and at most 16 levels'
  if (hasProtoMember(value))
    return refuse({ reason: 'invalid_authorization_details', message: hidden })
  const parsed = details.safeParse(value)
  if (!parsed.success) {
    return refuse({ reason: 'invalid_authorization_details', message: firstIssue(parsed.error) })
  }
  if (Buffer.byteLength(canonicalJson(parsed.data)) > MAX_DETAILS_BYTES) {
    const message = `expected details of at most ${MAX_DETAILS_BYTES} bytes`
    return refuse({ reason: 'invalid_authorization_details', message })
  }
  return ok(parsed.data)
}

/** One line on the first thing that was not understood, and where it stands. */
export function firstIssue({ issues }: z.ZodError): string {
  const [issue] = issues
  const where = issue?.path.join('.') ?? ''
  return `at \`${where}\`: ${issue?.message ?? 'not understood'}`.slice(0, 500)
}

/**
 * Under which key the conditions on an action's arguments stand: the tool's name for
 * `tools/call:<tool>`, else the whole action (`resources/read`, whose one argument is `uri`).
 */
export function argumentsKey(action: string): string {
  return action.startsWith('tools/call:') ? action.slice('tools/call:'.length) : action
}

/** The members of a condition, each as a tagged value. */
export function predicates(of: Condition): Predicate[] {
  return Object.entries(of).map(([name, operand]) => ({ name, operand }) as Predicate)
}

function isAction(value: string): boolean {
  const name = NAMED.exec(value)?.groups?.['name']
  return name === undefined ? UNNAMED.test(value) : NAME.test(name) && name !== '__proto__'
}

function isHost(value: string): boolean {
  return URL.parse(`https://${value}/`)?.host === value
}

function hasProtoMember(value: Json, depth = 0): boolean {
  if (typeof value !== 'object' || value === null || depth > 16) return depth > 16
  return (
    Object.hasOwn(value, '__proto__') ||
    Object.values(value).some((member) => member !== undefined && hasProtoMember(member, depth + 1))
  )
}
