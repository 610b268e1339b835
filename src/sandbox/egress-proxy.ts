/**
 * The only way out of a jail's empty network: an HTTP proxy of ours, outside of it. Call `egressProxy`.
 *
 * - `CONNECT host:port` is a tunnel to a checked address. What is said in it is ciphertext: on a host that
 *   many share, the program may reach any of them (domain fronting).
 * - `GET http://host/…` is forwarded; where the rule says `originate`, over TLS that we speak, with the
 *   rule's headers. There Host is the name that was checked, and a CONNECT is refused.
 *
 * A redirect is given back as it came, so that what it leads to is checked as an attempt of its own.
 *
 * @see RFC 9110 §9.3.6 (CONNECT), §7.6.1 (Connection); RFC 9112 §3.2.2 (absolute form)
 */

import {
  createServer,
  request as httpRequest,
  type ClientRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http'
import { request as httpsRequest } from 'node:https'
import { connect, isIP, type LookupFunction, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { ok, type Result } from '../base/result.ts'
import type { Door } from './doors.ts'
import { EchoFilter } from './echo-filter.ts'
import {
  destinationsOf,
  reached,
  type Destination,
  type EgressRefusal,
  type Reached,
  type Way,
} from './egress.ts'
import type { Denied, Usage } from './report.ts'
import type { Traffic } from './supervise.ts'

const PORT = 3128
const URL_INSIDE = `http://127.0.0.1:${PORT}`
/** What tells programs about the proxy. */
export const PROXY_ENVIRONMENT: Readonly<Record<string, string>> = {
  HTTP_PROXY: URL_INSIDE,
  HTTPS_PROXY: URL_INSIDE,
  http_proxy: URL_INSIDE,
  https_proxy: URL_INSIDE,
  NO_PROXY: '127.0.0.1,localhost',
  no_proxy: '127.0.0.1,localhost',
}

const IDLE_MILLISECONDS = 600_000
const MAX_HEADER_BYTES = 32 * 1024
const MAX_DENIALS = 100
const AUTHORITY = /^(?:\[[\da-fA-F:.]+\]|[\w.-]+):(\d{1,5})$/
// RFC 9110 §7.6.1, and what is said to the proxy alone.
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'host',
])

/** A proxy for one program: its door, and what went through it. */
export function egressProxy(
  rules: readonly Destination[],
  way: Way,
): Result<EgressProxy, EgressRefusal> {
  const checked = destinationsOf(rules)
  return checked.ok ? ok(new EgressProxy(checked.value, way)) : checked
}

/** @see egressProxy */
export class EgressProxy implements Traffic {
  readonly door: Door
  readonly #rules: readonly Destination[]
  readonly #way: Way
  readonly #server: Server
  readonly #outside = new Set<Socket>()
  readonly #denied = new Map<string, number>()
  #closedSent = 0
  #closedReceived = 0

  constructor(rules: readonly Destination[], way: Way) {
    this.#rules = rules
    this.#way = way
    this.#server = createServer({ maxHeaderSize: MAX_HEADER_BYTES })
    this.#server.on('request', (request, response) => void this.#forward(request, response))
    this.#server.on('connect', (request, socket, head) => void this.#tunnel(request, socket, head))
    this.#server.on('clientError', (_, socket) => socket.destroy())
    this.door = { port: PORT, serve: (socket) => void this.#server.emit('connection', socket) }
  }

  get egress(): Usage['egress'] {
    let [sentBytes, receivedBytes] = [this.#closedSent, this.#closedReceived]
    for (const socket of this.#outside) {
      sentBytes += socket.bytesWritten
      receivedBytes += socket.bytesRead
    }
    return { sentBytes, receivedBytes }
  }

  denied(): readonly Denied[] {
    return [...this.#denied].map(([detail, times]) => ({ what: 'egress', detail, times }))
  }

  close(): void {
    for (const socket of this.#outside) socket.destroy()
    this.#server.closeAllConnections()
  }

  async #tunnel(request: IncomingMessage, inside: Duplex, head: Buffer): Promise<void> {
    inside.on('error', () => inside.destroy())
    // RFC 9112 §3.2.3: host and port, and nothing that could be read as more.
    const asked = AUTHORITY.exec(request.url ?? '')
    const target = asked === null ? null : URL.parse(`http://${asked[0]}`)
    if (target === null) return answer(inside, 400)
    const port = Number(asked?.[1])
    const checked = await this.#check({ host: bare(target.hostname), port })
    if (checked === undefined || checked.rule.originate !== undefined) {
      if (checked !== undefined) this.#deny(`${target.hostname}:${port}`, 'we speak TLS there')
      return answer(inside, 403)
    }
    const outside = this.#counted(connect({ host: checked.address, port }))
    let connected = false
    outside.once('connect', () => {
      connected = true
      inside.write('HTTP/1.1 200 Connection Established\r\n\r\n')
      outside.write(head)
      inside.pipe(outside).pipe(inside)
    })
    outside.on('error', () => (connected ? inside.destroy() : answer(inside, 502)))
    outside.once('close', () => inside.destroy())
    inside.once('close', () => outside.destroy())
  }

  async #forward(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = URL.parse(request.url ?? '')
    // RFC 9112 §3.2.2: a proxy is asked in absolute form; anything else was meant for an origin.
    if (url === null || url.protocol !== 'http:' || url.username !== '') return end(response, 400)
    if (request.method === 'TRACE') return end(response, 405)
    const rule = this.#originating(bare(url.hostname))
    const port = Number(url.port) || (rule === undefined ? 80 : (rule.ports?.[0] ?? 443))
    const checked = await this.#check({ host: bare(url.hostname), port })
    if (checked === undefined) return end(response, 403)
    const { originate } = checked.rule
    const outgoing = (originate === undefined ? httpRequest : httpsRequest)({
      host: bare(url.hostname),
      // The checked address, whatever the name has become meanwhile.
      lookup: pinned(checked.address),
      port,
      method: request.method,
      path: `${url.pathname}${url.search}`,
      headers: headersFor(request, { url, port, rule: checked.rule }),
      agent: false,
      setHost: false,
      maxHeaderSize: MAX_HEADER_BYTES,
      ...(originate?.certificateAuthority === undefined
        ? {}
        : { ca: originate.certificateAuthority }),
    })
    outgoing.once('socket', (socket) => this.#counted(socket))
    relay(request, response, outgoing, originate?.headers)
  }

  #originating(host: string): Destination | undefined {
    return this.#rules.find((rule) => rule.originate !== undefined && rule.host === host)
  }

  async #check(attempt: { host: string; port: number }): Promise<Reached | undefined> {
    const checked = await reached(attempt, this.#rules, this.#way)
    if (checked.ok) return checked.value
    this.#deny(`${attempt.host}:${attempt.port}`, checked.error.reason)
    return undefined
  }

  #deny(where: string, why: string): void {
    const detail = `${where.slice(0, 300)}: ${why}`
    const known = this.#denied.get(detail)
    if (known !== undefined || this.#denied.size < MAX_DENIALS) {
      this.#denied.set(detail, (known ?? 0) + 1)
    }
  }

  #counted(socket: Socket): Socket {
    this.#outside.add(socket)
    socket.setTimeout(IDLE_MILLISECONDS, () => socket.destroy())
    socket.once('close', () => {
      this.#outside.delete(socket)
      this.#closedSent += socket.bytesWritten
      this.#closedReceived += socket.bytesRead
    })
    return socket
  }
}

/** The program's headers, less those for the proxy, with ours in place of its own. */
function headersFor(
  { headers }: { readonly headers: IncomingHttpHeaders },
  to: { readonly url: URL; readonly port: number; readonly rule: Destination },
): Record<string, string | string[]> {
  const kept: Record<string, string | string[]> = {}
  const named = (headers.connection ?? '').toLowerCase().split(/\s*,\s*/)
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || HOP_BY_HOP.has(name) || named.includes(name)) continue
    kept[name] = value
  }
  // RFC 9112 §6: what has a body says where it ends, or the body of a GET would be read as a request.
  if (headers['transfer-encoding'] !== undefined || isUnframed(headers, kept)) {
    delete kept['content-length']
    kept['transfer-encoding'] = 'chunked'
  }
  const { originate } = to.rule
  // RFC 9112 §3.2.2: the target's authority, never the Host that came along.
  kept['host'] =
    to.port === (originate === undefined ? 80 : 443)
      ? to.url.hostname
      : `${to.url.hostname}:${to.port}`
  if (originate?.headers === undefined) return kept
  for (const [name, value] of Object.entries(originate.headers)) kept[name.toLowerCase()] = value
  // What is compressed, or comes in pieces, cannot be searched for what we added.
  kept['accept-encoding'] = 'identity'
  delete kept['range']
  delete kept['if-range']
  return kept
}

/** Whether `Connection` named the length away. */
function isUnframed(
  headers: IncomingHttpHeaders,
  kept: Readonly<Record<string, unknown>>,
): boolean {
  return headers['content-length'] !== undefined && kept['content-length'] === undefined
}

/** Passes the body out and the answer in; an answer that repeats what we added is cut off. */
function relay(
  request: IncomingMessage,
  response: ServerResponse,
  outgoing: ClientRequest,
  added: Readonly<Record<string, string>> | undefined,
): void {
  outgoing.once('response', (incoming) => {
    const filter = new EchoFilter(Object.values(added ?? {}))
    const encoded = incoming.headers['content-encoding'] ?? 'identity'
    if (filter.needed && (encoded !== 'identity' || filter.found(incoming.rawHeaders.join('\n')))) {
      outgoing.destroy()
      return end(response, 502)
    }
    response.writeHead(incoming.statusCode ?? 502, answerHeaders(incoming))
    const body = filter.needed ? incoming.pipe(filter) : incoming
    filter.once('error', () => {
      outgoing.destroy()
      response.destroy()
    })
    body.pipe(response)
    incoming.once('error', () => response.destroy())
  })
  outgoing.once('error', () => (response.headersSent ? response.destroy() : end(response, 502)))
  response.once('close', () => outgoing.destroy())
  request.pipe(outgoing)
}

function answerHeaders({ headers }: IncomingMessage): Record<string, string | string[]> {
  const kept: Record<string, string | string[]> = {}
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined && !HOP_BY_HOP.has(name)) kept[name] = value
  }
  return kept
}

function pinned(address: string): LookupFunction {
  const family = isIP(address)
  return (_host, options, give) =>
    options.all === true ? give(null, [{ address, family }]) : give(null, address, family)
}

function bare(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, '')
}

function answer(socket: Duplex, status: 400 | 403 | 502): void {
  const text = { 400: 'Bad Request', 403: 'Forbidden', 502: 'Bad Gateway' }[status]
  socket.end(`HTTP/1.1 ${status} ${text}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`)
}

function end(response: ServerResponse, status: number): void {
  response.writeHead(status, { connection: 'close', 'content-length': 0 }).end()
}
