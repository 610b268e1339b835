/**
 * The administration API, typed, for whoever imports Behalf. Call `connect`.
 *
 * Runs wherever `fetch` is. What the server refuses comes back as a value; a network fault is thrown.
 */

import { type Input, OPERATIONS, type OperationName, type Output } from '../api/operations.ts'
import { type Operation, type Problem, problemSchema } from '../api/operation.ts'
import { ok, refuse, type Result } from '../base/result.ts'

/** Where the installation is and who asks. */
export interface ClientOptions {
  /** The public origin, e.g. `http://127.0.0.1:8787`. */
  readonly url: string
  /** The token of a signed-in person. */
  readonly session?: string
  /** Replaces the global `fetch`; an agent passes one that adds its token and proof. */
  readonly fetch?: (request: Request) => Promise<Response>
}

/** Why an operation was refused: the server's problem (RFC 9457), with its `reason` to branch on. */
export interface ApiRefusal {
  readonly reason: string
  readonly message: string
  readonly problem: Problem
}

/** The operations of one installation. */
export interface Client {
  readonly url: string
  call<N extends OperationName>(name: N, input: Input<N>): Promise<Result<Output<N>, ApiRefusal>>
}

/** A client; it connects with the first call. */
export function connect(options: ClientOptions): Client {
  const url = options.url.replace(/\/$/, '')
  const send = options.fetch ?? ((request: Request) => fetch(request))
  return {
    url,
    async call(name, input) {
      const response = await send(
        requestOf(OPERATIONS[name], input, {
          url,
          ...(options.session !== undefined && { session: options.session }),
        }),
      )
      const body: unknown = await response.json().catch(() => undefined)
      if (!response.ok) return refuse(refusalOf(response.status, body))
      return ok(OPERATIONS[name].output.parse(body) as Output<typeof name>)
    },
  }
}

function requestOf(
  row: Operation,
  input: object,
  { url, session }: { readonly url: string; readonly session?: string },
): Request {
  const rest = new Map<string, unknown>(Object.entries(input))
  const path = row.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const value = rest.get(name)
    rest.delete(name)
    return encodeURIComponent(String(value))
  })
  const target = new URL(`${url}/api/v1${path}`)
  const headers = new Headers({ accept: 'application/json' })
  if (session !== undefined) headers.set('authorization', `Bearer ${session}`)
  if (row.method === 'GET') {
    for (const [name, value] of rest) {
      if (value !== undefined) target.searchParams.set(name, `${value as string | number}`)
    }
    return new Request(target, { method: 'GET', headers })
  }
  headers.set('content-type', 'application/json')
  return new Request(target, {
    method: row.method,
    headers,
    body: JSON.stringify(Object.fromEntries(rest)),
  })
}

function refusalOf(status: number, body: unknown): ApiRefusal {
  const parsed = problemSchema.safeParse(body)
  const problem = parsed.success
    ? parsed.data
    : { type: 'about:blank', title: 'unexpected answer', status, reason: `http_${status}` }
  return { reason: problem.reason, message: problem.detail ?? problem.title, problem }
}
