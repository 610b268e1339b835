/**
 * What an operation of the administration API is: one row of the table in `operations.ts`.
 *
 * `app/` implements every row, `client/` calls them, `openapi.ts` describes them. Members of `input` that
 * the path names travel there; the others in the query of a GET, or in the JSON body.
 */

import * as z from 'zod'

/** Who may ask: nobody in particular, a signed-in person, or an agent by its own token. */
export type Asker = 'anyone' | 'person' | 'agent'

/** One operation. `id` is `<noun>.<verb>`, which is also the Cedar action that policy decides about. */
export interface Operation<
  I extends z.ZodType = z.ZodType,
  O extends z.ZodType = z.ZodType,
  A extends Asker = Asker,
> {
  readonly id: string
  readonly asker: A
  readonly method: 'GET' | 'POST' | 'DELETE'
  /** Below `/api/v1`, with `{name}` for parameters. */
  readonly path: string
  /** One sentence, for OpenAPI and help. */
  readonly summary: string
  readonly input: I
  readonly output: O
}

/** Declares an operation, keeping the precise types of its input and output. */
export function operation<I extends z.ZodType, O extends z.ZodType, const A extends Asker>(
  row: Operation<I, O, A>,
): Operation<I, O, A> {
  return row
}

/** The media type of a refusal (RFC 9457 §3). */
export const PROBLEM_TYPE = 'application/problem+json'

/** A refusal as the API tells it (RFC 9457): `type` ends in our reason, `detail` is one sentence. */
export const problemSchema = z.looseObject({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string().optional(),
  reason: z.string(),
})
/** A refusal as the API tells it. */
export type Problem = z.infer<typeof problemSchema>

/** Common shapes of the API: names that people choose, and instants. */
export const slug = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,62}$/, 'expected lower case letters, digits and hyphens, at most 63')
/** A person's handle or `per_…`; a group's name or `grp_…`: resolved by the server. */
export const reference = z.string().min(1).max(200)
/** Milliseconds since the Unix epoch. */
export const instant = z.int().nonnegative()
/** Seconds since the Unix epoch, as in tokens. */
export const seconds = z.int().nonnegative()
/** Any JSON object; the owning room parses it strictly. */
export const jsonObject = z.record(z.string(), z.json())
/** No members. */
export const nothing = z.strictObject({})

/** The answer of an operation that has nothing to tell. */
export const done = z.object({ done: z.literal(true) })

/** An operation on one record. */
export const id = z.strictObject({ id: reference })

/** Why, in the words of the person who asks. */
export const reasonText = z.string().min(1).max(500)
