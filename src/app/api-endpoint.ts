/**
 * The administration API: every row of `api/operations.ts` as a route.
 *
 * One pipeline for all: read the input, know the asker, decide the operation (policy, the person alone),
 * run it, answer in JSON or with a problem (RFC 9457). What policy refuses a person is recorded, and
 * whatever an agent is refused; what strangers send is only counted.
 */

import type { Caller } from '../token/authenticate-token.ts'
import type { Json, JsonObject } from '../base/canonical-json.ts'
import { ok, refuse, type Refusal, type Result } from '../base/result.ts'
import type { Operation } from '../api/operation.ts'
import { OPERATIONS, type OperationName, type Output, type Parsed } from '../api/operations.ts'
import type { OperationTarget } from '../decision/decide-operation.ts'
import { refusalBeside, suspendIfOverspent } from '../delegation/refusal-budget.ts'
import { parseStrictJson } from '../mcp/strict-json.ts'
import type { Session } from '../people/session.ts'
import { decideFor, INSTALLATION, knowAgent, knowPerson } from './asker.ts'
import { type HttpAnswer, type HttpRequest, json, type Route } from './http.ts'
import type { Installation } from './installation.ts'
import { problem } from './problems.ts'

/** Who asked: nobody in particular, a person in a session, or an agent with its token. */
export interface Askers {
  readonly anyone: undefined
  readonly person: Session
  readonly agent: Caller
}

/** How one operation is carried out. */
export interface Handler<N extends OperationName> {
  /** What policy is asked about; the installation unless told. */
  readonly target?: (
    input: Parsed<N>,
    session: Session,
    env: Installation,
  ) => Promise<Result<OperationTarget>>
  readonly run: (
    input: Parsed<N>,
    asker: Askers[(typeof OPERATIONS)[N]['asker']],
    env: Installation,
  ) => Promise<Result<Output<N>>>
}

/** One handler per operation: a missing one is a compile error. */
export type Handlers = { readonly [N in OperationName]: Handler<N> }

/** The routes of the API. */
export function apiRoutes(handlers: Handlers, env: Installation): Route[] {
  return (Object.keys(OPERATIONS) as OperationName[]).map((name) => {
    const row: Operation = OPERATIONS[name]
    return {
      method: row.method,
      path: `/api/v1${row.path}`,
      // The table's types say that input and asker belong together; a union of rows cannot.
      handle: (request: HttpRequest) =>
        answer(request, row, handlers[name] as unknown as AnyHandler, env),
    }
  })
}

interface AnyHandler {
  readonly target?: (
    input: unknown,
    session: Session,
    env: Installation,
  ) => Promise<Result<OperationTarget>>
  readonly run: (input: unknown, asker: unknown, env: Installation) => Promise<Result<Json>>
}

async function answer(
  request: HttpRequest,
  row: Operation,
  handler: AnyHandler,
  env: Installation,
): Promise<HttpAnswer> {
  const asker = await knowAsker(request, row, env)
  if (!asker.ok) return problem(asker.error)
  const input = readInput(request, row)
  if (!input.ok) return problem(input.error)
  if (row.asker === 'person') {
    const session = asker.value as Session
    const decided = await decide(row.id, handler, { input: input.value, session }, env)
    if (!decided.ok) return problem(decided.error)
  }
  // Reading is no entry, and must not cost more than what is one.
  if (row.asker === 'agent' && row.method === 'GET' && !mayRead(asker.value as Caller, env))
    return problem({ reason: 'too_many_idle' })
  const result = await handler.run(input.value, asker.value, env)
  if (result.ok) return json(200, result.value)
  if (row.asker === 'agent') {
    const recorded = await recordRefusedAgent(row.id, asker.value as Caller, result.error, env)
    if (!recorded) return problem({ reason: 'too_many_idle' })
  }
  return problem(result.error)
}

function mayRead({ agents }: Caller, { admissions }: Pick<Installation, 'admissions'>): boolean {
  return admissions.takeIdle(agents[0] ?? '')
}

/** An agent that reaches for more than it has stands in the record. False if it did too often to be recorded. */
async function recordRefusedAgent(
  operation: string,
  { agents, delegation, person }: Caller,
  { reason }: Refusal,
  env: Installation,
): Promise<boolean> {
  const [agent] = agents
  if (agent === undefined) throw new Error('expected a token of ours to name its agent')
  const isReaching = REACHING.has(reason)
  const recorded = await env.admissions.recordIdle(agent, {
    sealings: [],
    ...(isReaching && { rows: () => [refusalBeside(agent)] }),
    entry: () => ({
      v: 1,
      kind: 'operation_refused',
      time: env.clock.nowMilliseconds(),
      by: { type: 'agent', agent, delegation, person },
      operation,
      reason,
    }),
  })
  if (recorded && isReaching) await suspendIfOverspent({ agent, delegation }, env)
  return recorded
}

/** Refusals of an agent that wants to hand on more than it has: they count against its budget. */
const REACHING: ReadonlySet<string> = new Set(['not_contained', 'not_entitled', 'not_the_delegate'])

async function knowAsker(
  request: HttpRequest,
  row: Operation,
  env: Installation,
): Promise<Result<Session | Caller | undefined, Refusal & { headers?: HttpAnswer['headers'] }>> {
  if (row.asker === 'anyone') return ok(undefined)
  return row.asker === 'person' ? await knowPerson(request, env) : await knowAgent(request, env)
}

/** Path parameters, then the query of a GET or the body of anything else, strictly. */
function readInput(request: HttpRequest, row: Operation): Result<unknown> {
  let given: Record<string, unknown>
  if (row.method === 'GET') {
    const names = [...request.query.keys()]
    if (new Set(names).size !== names.length)
      return refuse({ reason: 'invalid_request', message: 'expected each parameter once' })
    given = Object.fromEntries(request.query)
  } else {
    const body = request.body.length === 0 ? ok<Json>({}) : parseStrictJson(request.body)
    if (!body.ok) return refuse({ reason: body.error.reason, message: 'expected a JSON object' })
    if (typeof body.value !== 'object' || body.value === null || Array.isArray(body.value)) {
      return refuse({ reason: 'invalid_request', message: 'expected a JSON object' })
    }
    given = { ...(body.value as JsonObject) }
  }
  const input = { ...given, ...request.parameters }
  // What is kept as text in Postgres cannot hold it, and C strings end there.
  if (holdsNul(input))
    return refuse({ reason: 'invalid_request', message: 'expected text without NUL' })
  const parsed = row.input.safeParse(input)
  if (parsed.success) return ok(parsed.data)
  const issue = parsed.error.issues[0]
  const at = issue?.path.join('.') ?? ''
  return refuse({
    reason: 'invalid_request',
    message: `\`${at}\`: ${messageOf(issue?.message)}`,
  })
}

/** Whether a text in a value, as deep as `parseStrictJson` lets it be, holds NUL. */
function holdsNul(value: unknown): boolean {
  if (typeof value === 'string') return value.includes('\0')
  if (typeof value !== 'object' || value === null) return false
  return Object.values(value).some(holdsNul)
}

/** zod's words without those that say nothing. */
function messageOf(message = 'expected another value'): string {
  const plain = message.replace(/^Invalid (?:input|option): /, '')
  return plain.charAt(0).toLowerCase() + plain.slice(1)
}

async function decide(
  operation: string,
  handler: AnyHandler,
  { input, session }: { readonly input: unknown; readonly session: Session },
  env: Installation,
): Promise<Result<undefined>> {
  const target =
    handler.target === undefined ? ok(INSTALLATION) : await handler.target(input, session, env)
  if (!target.ok) return target
  return await decideFor(session, { operation, target: target.value }, env)
}
