/**
 * A server over Streamable HTTP, of either era: a POST for each message, answered with JSON or with events.
 *
 * 2025: a session that `initialize` opens, whose id goes with every request. 2026: no session, the headers
 * repeat what the body says. No stream is opened for what the server might want to say by itself.
 *
 * @see MCP 2025-11-25 and 2026-07-28, Transports, "Streamable HTTP"
 */

import type { IncomingMessage } from 'node:http'
import type { JsonObject } from '../base/canonical-json.ts'
import type { Clock } from '../base/clock.ts'
import { MODERN, modernHeaders } from '../mcp/era.ts'
import { notificationText, parseMessage, requestText, type Message } from '../mcp/message.ts'
import { SseDecoder } from '../mcp/sse.ts'
import { parseStrictJson } from '../mcp/strict-json.ts'
import {
  connectionsTo,
  guardedRequest,
  type Connections,
  type Incoming,
  type Own,
} from './guarded-request.ts'
import {
  enveloped,
  noticed,
  replyTo,
  type Answer,
  type ClientInfo,
  type RequestOptions,
  type Wire,
  type WireEvents,
} from './wire.ts'

/** Where the server is, and what it is shown. */
export interface HttpOptions {
  readonly url: URL
  /** The credential. It reaches this server and nobody else. */
  readonly authorization?: string
  readonly maxAnswerBytes: number
  readonly client: ClientInfo
  readonly events: WireEvents
}

/** What the wire needs from outside. */
export interface HttpEnv {
  readonly own: Own
  readonly clock: Clock
}

const NOTIFY_MILLISECONDS = 5_000
/** Visible ASCII (MCP 2025-11-25, "Session Management"). */
const SESSION_ID = /^[!-~]{1,512}$/
/** What is read on after an answer so that the socket can serve again. */
const MAX_TRAILING_BYTES = 64 * 1024
const TRAILING_MILLISECONDS = 1_000

/** The conversation with one server. */
export class HttpWire implements Wire {
  readonly #options: HttpOptions
  readonly #env: HttpEnv
  readonly #connections: Connections
  readonly #ended = new AbortController()
  #version: string | undefined
  #session: string | undefined
  #nextId = 1

  constructor(options: HttpOptions, env: HttpEnv) {
    this.#options = options
    this.#env = env
    this.#connections = connectionsTo(options.url)
  }

  get ended(): AbortSignal {
    return this.#ended.signal
  }

  speak(version: string | undefined): void {
    this.#version = version
  }

  async request(method: string, params: JsonObject, options: RequestOptions): Promise<Answer> {
    if (this.ended.aborted) return { kind: 'unsent', why: String(this.ended.reason) }
    const id = this.#nextId++
    const body = requestText(id, method, enveloped(params, this.#version, this.#options.client))
    const signal = AbortSignal.any([options.signal, this.ended])
    const headers =
      this.#version === MODERN ? { ...modernHeaders(method, params), ...options.headers } : {}
    const incoming = await this.#post(body, headers, signal)
    const answer = incoming.ok
      ? await this.#read(incoming.response, { id, method, signal })
      : notAnswered(incoming)
    if (answer.kind === 'lost' && options.signal.aborted) this.#cancelled(id, method)
    return answer
  }

  async notify(method: string, params: JsonObject): Promise<void> {
    await this.#tell(notificationText(method, params))
  }

  async close(): Promise<void> {
    this.#ended.abort('closed')
    const session = this.#session
    // MCP 2025-11-25, "Session Management": a client that leaves SHOULD end its session.
    if (session !== undefined) await this.#tell('', 'DELETE')
    this.#session = undefined
    this.#connections.destroy()
  }

  /** MCP 2026: closing the stream cancels, and that has happened. MCP 2025: it does not, a notification does. */
  #cancelled(id: number, method: string): void {
    if (this.#version === MODERN || method === 'initialize') return
    void this.notify('notifications/cancelled', { requestId: id, reason: 'cancelled' })
  }

  async #post(
    body: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
    method: 'POST' | 'DELETE' = 'POST',
  ): Promise<Incoming> {
    const { url, authorization } = this.#options
    return await guardedRequest(
      {
        url,
        method,
        body,
        signal,
        headers: {
          ...headers,
          'content-type': 'application/json',
          // Both eras: a client MUST accept both.
          accept: 'application/json, text/event-stream',
          ...this.#sessionHeaders(),
          ...(authorization === undefined ? {} : { authorization }),
        },
      },
      { own: this.#env.own, connections: this.#connections },
    )
  }

  /** MCP 2025-11-25, "Protocol Version Header" and "Session Management": both go with all after `initialize`. */
  #sessionHeaders(): Record<string, string> {
    if (this.#version === undefined || this.#version === MODERN) return {}
    return {
      'mcp-protocol-version': this.#version,
      ...(this.#session === undefined ? {} : { 'mcp-session-id': this.#session }),
    }
  }

  /** Sends what has no answer, and does not care what becomes of it for longer than a while. */
  async #tell(body: string, method: 'POST' | 'DELETE' = 'POST'): Promise<void> {
    const enough = new AbortController()
    void this.#env.clock
      .sleep(NOTIFY_MILLISECONDS, enough.signal)
      .then(() => enough.abort('no answer'))
    const headers: Record<string, string> =
      this.#version === MODERN ? { 'mcp-protocol-version': MODERN } : {}
    const incoming = await this.#post(body, headers, enough.signal, method)
    if (incoming.ok) incoming.response.destroy()
    enough.abort()
  }

  async #read(response: IncomingMessage, asked: Asked): Promise<Answer> {
    const status = response.statusCode ?? 0
    try {
      if (status >= 300) return await this.#readRefusal(response, status, asked)
      this.#keepSession(response, asked.method)
      const type = (response.headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase()
      if ((response.headers['content-encoding'] ?? 'identity') !== 'identity') {
        return { kind: 'unusable', why: 'its answer is encoded, which was not asked for' }
      }
      if (type === 'text/event-stream') return await this.#readEvents(response, asked)
      if (type === 'application/json') {
        const bytes = await this.#whole(response)
        return judge(this.#message(bytes), bytes.length, asked)
      }
      return { kind: 'unusable', why: 'its answer is neither JSON nor events' }
    } catch (fault) {
      if (fault instanceof TooLarge) return { kind: 'unusable', why: 'its answer is too large' }
      if (asked.signal.aborted) return { kind: 'lost', why: 'cancelled' }
      return { kind: 'lost', why: 'its answer broke off' }
    } finally {
      this.#leave(response)
    }
  }

  #keepSession(response: IncomingMessage, method: string): void {
    const session = response.headers['mcp-session-id']
    if (method === 'initialize' && typeof session === 'string' && SESSION_ID.test(session)) {
      this.#session = session
    }
  }

  /** An HTTP error: the server's own where its body says so. */
  async #readRefusal(response: IncomingMessage, status: number, asked: Asked): Promise<Answer> {
    // Whoever is behind a redirect was not reviewed.
    if (status < 400) return refusedBy(`HTTP ${status}: redirects are not followed`)
    if (status === 401 || status === 403) this.#ended.abort('it refuses the credential')
    const message = this.#message(await this.#whole(response))
    const error = message?.type === 'response' && 'error' in message.outcome ? message : undefined
    // MCP 2025-11-25: 404 says that the session is gone. Published servers also say so with 400 and no id.
    if (
      this.#session !== undefined &&
      (status === 404 || (status === 400 && error?.id !== asked.id))
    ) {
      this.#ended.abort('its session is gone')
    }
    if (
      error !== undefined &&
      'error' in error.outcome &&
      (error.id === asked.id || error.id === null)
    ) {
      return { kind: 'failed', error: error.outcome.error }
    }
    // Below 500 the request was refused; from there on nobody knows how far it got.
    return status < 500 && status !== 408
      ? refusedBy(`HTTP ${status}`)
      : { kind: 'lost', why: `HTTP ${status}` }
  }

  async #readEvents(response: IncomingMessage, asked: Asked): Promise<Answer> {
    const decoder = new SseDecoder(this.#options.maxAnswerBytes)
    let left = this.#options.maxAnswerBytes
    for await (const chunk of piecesOf(response)) {
      left -= chunk.length
      for (const { event, data } of decoder.push(chunk)) {
        if ((event ?? 'message') !== 'message' || data === '') continue
        const bytes = Buffer.from(data)
        const message = this.#message(bytes)
        if (message === undefined) return { kind: 'unusable', why: 'an event is no message' }
        if (message.type === 'response') return judge(message, bytes.length, asked)
        const reply = replyTo(message, this.#version)
        if (reply !== undefined && this.#version !== MODERN) await this.#tell(reply)
        noticed(message, this.#options.events)
      }
      if (left < 0) return { kind: 'unusable', why: 'its answer is too large' }
    }
    return { kind: 'lost', why: 'its answer broke off' }
  }

  #message(bytes: Buffer): Message | undefined {
    const json = parseStrictJson(bytes, { maxBytes: this.#options.maxAnswerBytes })
    const message = json.ok ? parseMessage(json.value) : json
    return message.ok ? message.value : undefined
  }

  async #whole(response: IncomingMessage): Promise<Buffer> {
    const chunks: Buffer[] = []
    let size = 0
    for await (const chunk of piecesOf(response)) {
      size += chunk.length
      if (size > this.#options.maxAnswerBytes) throw new TooLarge()
      chunks.push(chunk)
    }
    return Buffer.concat(chunks)
  }

  /** Lets a finished answer end, so that its socket serves again, but not for long. */
  #leave(response: IncomingMessage): void {
    if (response.readableEnded || response.destroyed) return
    let left = MAX_TRAILING_BYTES
    response.on('error', () => {})
    response.on('data', (chunk: Buffer) => {
      left -= chunk.length
      if (left < 0) response.destroy()
    })
    const over = new AbortController()
    response.once('close', () => over.abort())
    void this.#env.clock.sleep(TRAILING_MILLISECONDS, over.signal).then(() => response.destroy())
  }
}

interface Asked {
  readonly id: number
  readonly method: string
  readonly signal: AbortSignal
}

class TooLarge extends Error {}

/** The pieces of a body; leaving the loop leaves the socket as it is. */
function piecesOf(response: IncomingMessage): AsyncIterable<Buffer> {
  return response.iterator({ destroyOnReturn: false })
}

function notAnswered(incoming: Extract<Incoming, { ok: false }>): Answer {
  return { kind: incoming.sent ? 'lost' : 'unsent', why: incoming.why }
}

function refusedBy(message: string): Answer {
  return { kind: 'failed', error: { code: -32_000, message } }
}

function judge(message: Message | undefined, bytes: number, asked: Asked): Answer {
  if (message?.type !== 'response' || message.id !== asked.id) {
    return { kind: 'unusable', why: 'its answer is refused' }
  }
  const { outcome } = message
  return 'result' in outcome
    ? { kind: 'answered', result: outcome.result, bytes }
    : { kind: 'failed', error: outcome.error }
}
