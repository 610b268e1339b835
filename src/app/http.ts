/**
 * HTTP, the outermost door: bounds, Host and Origin, one table of routes, one place that catches faults.
 *
 * Call `serveHttp` with the routes. A handler answers with plain data; what it throws is a fault and
 * becomes 500, or 503 with Retry-After when the database is out of reach.
 */

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Diagnostics } from '../base/diagnostics.ts'
import type { Metrics } from './metrics.ts'

/** A request whose body is read and within bounds. */
export interface HttpRequest {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  /** What `{name}` parts of the route's path matched, decoded. */
  readonly parameters: Readonly<Record<string, string>>
  readonly headers: IncomingMessage['headers']
  /** How often a header was sent: a duplicated `Authorization` or `DPoP` is refused, not joined. */
  readonly times: (header: string) => number
  readonly body: Uint8Array
  /** Aborts when the peer goes away. */
  readonly signal: AbortSignal
}

/** An answer; `body` is sent as it stands. */
export interface HttpAnswer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string | readonly string[]>>
  readonly body?: string | Uint8Array
}

/** One row of the routing table. `path` parts in braces match one segment; a last `{name*}` matches the rest. */
export interface Route {
  readonly method: string
  readonly path: string
  readonly handle: (request: HttpRequest) => Promise<HttpAnswer> | HttpAnswer
}

/** What `serveHttp` needs to know. */
export interface HttpOptions {
  readonly host: string
  readonly port: number
  readonly maxBodyBytes: number
  readonly diagnostics: Diagnostics
  readonly metrics: Metrics
}

/** A listening server. */
export interface HttpServer {
  readonly port: number
  /** Routes and the origin are known only when the port is: nothing is answered before. */
  start(routes: readonly Route[], issuer: string): void
  /** Refuses new work, waits for what is under way, at most `milliseconds`. */
  stop(milliseconds: number): Promise<void>
}

/** How long a stop waits for work whose connection was closed. */
const LAST_MILLISECONDS = 5_000

type Answerer = (request: IncomingMessage, response: ServerResponse) => Promise<HttpAnswer>

const notReady: Answerer = async () => unavailable()

function unavailable(): HttpAnswer {
  const { headers, ...rest } = plain(503, 'unavailable')
  return { ...rest, headers: { ...headers, 'retry-after': '1' } }
}

/** Listens. Rejects with a clear message when the port is taken. */
export async function serveHttp(options: HttpOptions): Promise<HttpServer> {
  let answer = notReady
  let stopping = false
  const underWay = new Set<Promise<void>>()
  const server = createServer(
    {
      requestTimeout: 30_000,
      headersTimeout: 10_000,
      maxHeaderSize: 32_768,
      joinDuplicateHeaders: false,
    },
    (request, response) => {
      // A connection that is kept would go on asking for as long as it likes.
      if (stopping) response.setHeader('connection', 'close')
      const responding = respond(request, response, answer, options)
      underWay.add(responding)
      void responding.finally(() => underWay.delete(responding))
    },
  )
  server.keepAliveTimeout = 65_000
  server.maxConnections = 10_000
  server.on('clientError', (_, socket) => {
    if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n')
  })
  await listen(server, options)
  const { port } = server.address() as AddressInfo
  return {
    port,
    start(routes, issuer) {
      const find = compileRoutes(routes)
      const hosts = allowedHosts(issuer, port)
      answer = (request, response) =>
        handle(request, response, { find, hosts, issuer, maxBodyBytes: options.maxBodyBytes })
    },
    async stop(milliseconds) {
      if (!server.listening) return
      stopping = true
      const { promise, resolve } = Promise.withResolvers<void>()
      server.close(() => resolve())
      server.closeIdleConnections()
      const timer = setTimeout(() => server.closeAllConnections(), milliseconds)
      await promise
      clearTimeout(timer)
      // Whoever asked has gone; what was begun for them is still finished, as far as it takes no longer.
      const late = Promise.withResolvers<void>()
      const last = setTimeout(late.resolve, LAST_MILLISECONDS)
      await Promise.race([Promise.allSettled(underWay), late.promise])
      clearTimeout(last)
    },
  }
}

async function listen(
  server: ReturnType<typeof createServer>,
  options: HttpOptions,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', (cause: NodeJS.ErrnoException) => {
    const where = `${options.host}:${options.port}`
    reject(
      cause.code === 'EADDRINUSE'
        ? new Error(`${where} is in use: stop what listens there, or choose another \`--port\``)
        : new Error(`cannot listen on ${where}`, { cause }),
    )
  })
  server.listen(options.port, options.host, resolve)
  await promise
}

interface Door {
  readonly find: (method: string, path: string) => Found
  readonly hosts: ReadonlySet<string>
  readonly issuer: string
  readonly maxBodyBytes: number
}

async function handle(
  request: IncomingMessage,
  response: ServerResponse,
  door: Door,
): Promise<HttpAnswer> {
  const { method = 'GET', headers } = request
  const target = request.url ?? '/'
  const mark = target.indexOf('?')
  const path = mark === -1 ? target : target.slice(0, mark)
  // RFC 9112 §3.2: whoever is in front of us may have read the other one.
  if (timesSent(request.rawHeaders, 'host') > 1) return plain(400, 'expected one host')
  // DNS rebinding: a page of another origin may resolve its own name to us, but not name us.
  if (!door.hosts.has((headers.host ?? '').toLowerCase())) return plain(421, 'unknown host')
  if (headers.origin !== undefined && headers.origin !== door.issuer)
    return plain(403, 'foreign origin')
  const found = door.find(method, path)
  if (found.route === undefined) {
    return found.allowed.length > 0
      ? { ...plain(405, 'method not allowed'), headers: { allow: found.allowed.join(', ') } }
      : plain(404, 'not found')
  }
  const body = await readBody(request, door.maxBodyBytes)
  if (body === undefined)
    return { ...plain(413, 'body too large'), headers: { connection: 'close' } }
  const gone = new AbortController()
  response.once('close', () => {
    // An answer that was sent whole ends nothing; and a reason of ours saves making an error for it.
    if (!response.writableFinished) gone.abort('the peer went away')
  })
  return await found.route.handle({
    method,
    path,
    query: new URLSearchParams(mark === -1 ? '' : target.slice(mark + 1)),
    parameters: found.parameters,
    headers,
    times: (name) => timesSent(request.rawHeaders, name),
    body,
    signal: gone.signal,
  })
}

/** How often a header stands in `raw`, which lists names and values in turn. */
function timesSent(raw: readonly string[], name: string): number {
  let times = 0
  for (let at = 0; at < raw.length; at += 2) {
    const sent = raw[at] as string
    if (sent.length === name.length && sent.toLowerCase() === name) times++
  }
  return times
}

async function respond(
  request: IncomingMessage,
  response: ServerResponse,
  answer: Answerer,
  { diagnostics, metrics }: HttpOptions,
): Promise<void> {
  let result: HttpAnswer
  try {
    result = await answer(request, response)
  } catch (fault) {
    // Who hangs up before the request is whole has made no fault of ours.
    if (response.destroyed && !request.complete) return
    diagnostics.error('http.fault', fault, { method: request.method ?? '' })
    result = isUnavailable(fault) ? unavailable() : plain(500, 'internal error')
  }
  metrics.count('behalf_http_answers_total', { status: String(result.status) })
  if (response.destroyed) return
  const length = result.body === undefined ? 0 : Buffer.byteLength(result.body)
  response.writeHead(result.status, {
    'content-length': length,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...(result.headers as Record<string, string>),
  })
  response.end(result.body)
}

const EMPTY = new Uint8Array()

/** The body, or undefined when it is larger than `most` bytes; never holds more than that. */
async function readBody(request: IncomingMessage, most: number): Promise<Uint8Array | undefined> {
  const declared = Number(request.headers['content-length'] ?? 0)
  if (declared > most) return undefined
  if (declared === 0 && request.headers['transfer-encoding'] === undefined) return EMPTY
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array | undefined>()
  const chunks: Buffer[] = []
  let size = 0
  request.on('data', (chunk: Buffer) => {
    size += chunk.length
    if (size > most) {
      request.pause()
      resolve(undefined)
    } else chunks.push(chunk)
  })
  request.once('end', () => resolve(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)))
  request.once('error', reject)
  request.once('close', () => reject(new Error('the peer went away')))
  return await promise
}

interface Found {
  readonly route?: Route
  readonly parameters: Record<string, string>
  readonly allowed: readonly string[]
}

interface Pattern {
  readonly pattern: RegExp
  readonly route: Route
}

/** A lookup over the routes: exact paths by map, others by their first segment and then their patterns in order. */
function compileRoutes(routes: readonly Route[]): (method: string, path: string) => Found {
  const exact = new Map<string, Route[]>()
  const patterns = new Map<string, Pattern[]>()
  for (const route of routes) {
    const { path } = route
    if (!path.includes('{')) exact.set(path, [...(exact.get(path) ?? []), route])
    else {
      const first = firstSegment(path)
      const pattern = { pattern: patternOf(path), route }
      patterns.set(first, [...(patterns.get(first) ?? []), pattern])
    }
  }
  return (method, path) => {
    const matching = (exact.get(path) ?? []).map((route) => ({ route, parameters: {} }))
    const candidates =
      matching.length > 0 ? matching : matchPatterns(patterns.get(firstSegment(path)) ?? [], path)
    const hit = candidates.find(({ route }) => route.method === method)
    const allowed = candidates.map(({ route }) => route.method)
    return hit === undefined ? { parameters: {}, allowed } : { ...hit, allowed }
  }
}

/** `/api` of `/api/v1/people`: no route begins with a parameter. */
function firstSegment(path: string): string {
  const end = path.indexOf('/', 1)
  return end === -1 ? path : path.slice(0, end)
}

function patternOf(path: string): RegExp {
  const source = path
    .replaceAll(/[.]/g, String.raw`\.`)
    .replaceAll(/\{(\w+)\*\}/g, '(?<$1>.+)')
    .replaceAll(/\{(\w+)\}/g, '(?<$1>[^/]+)')
  return new RegExp(`^${source}$`)
}

function matchPatterns(
  patterns: readonly Pattern[],
  path: string,
): { route: Route; parameters: Record<string, string> }[] {
  return patterns.flatMap(({ pattern, route }) => {
    const groups = pattern.exec(path)?.groups
    if (groups === undefined) return []
    const parameters: Record<string, string> = {}
    for (const [name, value] of Object.entries(groups)) {
      const decoded = decode(value)
      if (decoded === undefined) return []
      parameters[name] = decoded
    }
    return [{ route, parameters }]
  })
}

function decode(part: string): string | undefined {
  try {
    return decodeURIComponent(part)
  } catch {
    return undefined
  }
}

/** The Host values that mean us: the public origin's, and the loopback names of the port we listen on. */
function allowedHosts(issuer: string, port: number): ReadonlySet<string> {
  return new Set([
    new URL(issuer).host,
    ...['127.0.0.1', 'localhost', '[::1]'].map((name) => `${name}:${port}`),
  ])
}

/** SQLSTATE classes and system errors that mean "the database is out of reach", not "we have a bug". */
const UNAVAILABLE = /^(?:08|53|57|ECONN|ENOENT|EPIPE|ETIMEDOUT)/

function isUnavailable(fault: unknown): boolean {
  if (!(fault instanceof Error)) return false
  const { code } = fault as NodeJS.ErrnoException
  if (code !== undefined && UNAVAILABLE.test(code)) return true
  if (
    /connection (?:terminated|ended)|timeout exceeded when trying to connect/i.test(fault.message)
  )
    return true
  return isUnavailable(fault.cause)
}

/** A short answer in plain text. */
export function plain(status: number, text: string): HttpAnswer {
  return { status, headers: { 'content-type': 'text/plain; charset=utf-8' }, body: `${text}\n` }
}

/** An answer in JSON. */
export function json(status: number, value: unknown, headers?: HttpAnswer['headers']): HttpAnswer {
  return {
    status,
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(value),
  }
}
