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
import { notificationText, requestText } from '../mcp/message.ts'
import {
  connectionsTo,
  guardedRequest,
  type Connections,
  type Incoming,
  type Own,
} from './guarded-request.ts'
import { readAnswer, type Asked } from './read-answer.ts'
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
    const headers =
      this.#version === MODERN ? { ...modernHeaders(method, params), ...options.headers } : {}
    const stop = new AbortController()
    const cancel = (): void => stop.abort('cancelled')
    for (const one of [options.signal, this.ended]) one.addEventListener('abort', cancel)
    if (options.signal.aborted) cancel()
    const { signal } = stop
    const incoming = await this.#post(body, headers, signal)
    const answer = incoming.ok
      ? await this.#read(incoming.response, { id, signal }, method)
      : notAnswered(incoming)
    for (const one of [options.signal, this.ended]) one.removeEventListener('abort', cancel)
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

  async #read(
    response: IncomingMessage,
    asked: Pick<Asked, 'id' | 'signal'>,
    method: string,
  ): Promise<Answer> {
    this.#keepSession(response, method)
    const { answer, ends } = await readAnswer(
      response,
      {
        ...asked,
        maxBytes: this.#options.maxAnswerBytes,
        inSession: this.#session !== undefined,
        meanwhile: async (message) => {
          noticed(message, this.#options.events)
          const reply = replyTo(message, this.#version)
          // MCP 2026-07-28: servers send no requests, and nobody awaits an answer.
          if (reply !== undefined && this.#version !== MODERN) await this.#tell(reply)
        },
      },
      this.#env,
    )
    if (ends !== undefined) this.#ended.abort(ends)
    return answer
  }

  #keepSession(response: IncomingMessage, method: string): void {
    const session = response.headers['mcp-session-id']
    if (method === 'initialize' && typeof session === 'string' && SESSION_ID.test(session)) {
      this.#session = session
    }
  }
}

function notAnswered(incoming: Extract<Incoming, { ok: false }>): Answer {
  return { kind: incoming.sent ? 'lost' : 'unsent', why: incoming.why }
}
