/**
 * The bridge: an MCP server over stdio that hands everything on to the gateway, as an agent of its own.
 *
 * MCP clients keep one token per server for all their windows and cannot prove possession of a key. A
 * bridge is started once per window: it asks at the door for an agent identity (`window.ts`), and sends
 * each message to `<issuer>/mcp` with a token bound to a key in its memory. It holds no session of the
 * person. Call `bridge`. Node only.
 *
 * Messages of both eras pass as they are; the answer to a request always comes, as an error where there
 * is no other, for a client waits for it.
 */

import type { Readable, Writable } from 'node:stream'
import type { Json, JsonObject } from '../base/canonical-json.ts'
import type { Clock } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import { ok, type Result } from '../base/result.ts'
import { LEGACY, LEGACY_VERSIONS, META, modernHeaders } from '../mcp/era.ts'
import { errorText, isObject, type Message, parseMessage, type RequestId } from '../mcp/message.ts'
import { errorFor } from '../mcp/refusals.ts'
import { parseStrictJson } from '../mcp/strict-json.ts'
import { type AgentAccess, agentAccess, ExchangeRefused } from './agent.ts'
import { openWindow, type WindowOptions } from './window.ts'
import { workloadApi } from './workload.ts'

/** The streams of the client that started the bridge. */
export interface BridgeStreams {
  readonly input: Readable
  readonly output: Writable
}

/** What a bridge needs. */
export interface BridgeEnv {
  readonly clock: Clock
  readonly random: Random
  /** For the client's log, a line each: standard output belongs to the protocol. */
  readonly say: (line: string) => void
}

/**
 * Serves a client until it closes its end, `signal` aborts, or the server ends the window; the last is
 * told as the reason. Throws when nobody answers at the door.
 */
export async function bridge(
  { signal, ...options }: WindowOptions & { readonly signal: AbortSignal },
  streams: BridgeStreams,
  env: BridgeEnv,
): Promise<Result<{ readonly ended?: string }>> {
  const opened = await openWindow(options, env)
  if (!opened.ok) return opened
  const window = opened.value
  const workload = workloadApi(`unix://${window.socket}`, env)
  const { issuer, delegation } = window
  const access = agentAccess({ issuer, workload, delegation }, env)
  env.say(`this window is ${window.spiffeId}`)
  const relay = new Relay(`${issuer}/mcp`, { access, output: streams.output, say: env.say })
  const aborted = new Promise<undefined>((resolve) =>
    signal.addEventListener('abort', () => resolve(undefined), { once: true }),
  )
  try {
    const closed = relay.run(streams.input).then(() => relay.settled(env.clock))
    const ended = await Promise.race([closed, aborted, window.ended])
    return ok(ended === undefined ? {} : { ended })
  } finally {
    relay.stop()
    window.close()
    workload.close()
  }
}

/** What a client had under way when it closed its end may still finish within this time. */
const SETTLE_MILLISECONDS = 5_000
/** The most that any installation accepts; what this one accepts, it says itself. */
const MAX_LINE_BYTES = 67_108_864

interface RelayEnv {
  readonly access: AgentAccess
  readonly output: Writable
  readonly say: (line: string) => void
}

type Request = Extract<Message, { type: 'request' }>
type Sent = Exclude<Message, { type: 'response' }>

/** Messages from one client to one endpoint, and the answers back. */
class Relay {
  readonly #endpoint: string
  readonly #env: RelayEnv
  readonly #underWay = new Map<RequestId, AbortController>()
  readonly #work = new Set<Promise<void>>()
  /** The revision that `initialize` settled on; requests of the stateless era name their own. */
  #version: string | undefined

  constructor(endpoint: string, env: RelayEnv) {
    this.#endpoint = endpoint
    this.#env = env
  }

  /** Passes on what the client says until it has said everything. */
  async run(input: Readable): Promise<void> {
    for await (const line of linesOf(input)) this.#take(line)
  }

  /** Resolves when nothing is under way any more, or was for long enough. */
  async settled(clock: Clock): Promise<undefined> {
    const enough = new AbortController()
    await Promise.race([Promise.all(this.#work), clock.sleep(SETTLE_MILLISECONDS, enough.signal)])
    enough.abort()
  }

  /** Gives up what is under way. */
  stop(): void {
    for (const request of this.#underWay.values()) request.abort()
  }

  #take(line: Uint8Array): void {
    const json = parseStrictJson(line, { maxBytes: MAX_LINE_BYTES })
    const message = json.ok ? parseMessage(json.value) : json
    if (!message.ok) return this.#refuse(idIn(line), message.error.reason)
    const { value } = message
    // The gateway asks clients nothing, so that no response of theirs is awaited.
    if (value.type === 'response') return
    if (value.type === 'notification' && value.method === 'notifications/cancelled') {
      return this.#cancel(value.params['requestId'])
    }
    const done = this.#pass(value, line).finally(() => this.#work.delete(done))
    this.#work.add(done)
  }

  /** Over HTTP a request is cancelled by hanging up; a cancelled one gets no answer (MCP, Cancellation). */
  #cancel(id: Json | undefined): void {
    if (typeof id === 'string' || typeof id === 'number') this.#underWay.get(id)?.abort()
  }

  async #pass(message: Sent, line: Uint8Array): Promise<void> {
    const cancelled = new AbortController()
    if (message.type === 'request') {
      // JSON-RPC 2.0 §4: an id in use could not be told from the other one.
      if (this.#underWay.has(message.id)) return this.#refuse(message.id, 'message_shape')
      this.#underWay.set(message.id, cancelled)
    }
    try {
      const response = await this.#send(message, line, cancelled.signal)
      const text = await response.text()
      if (message.type === 'request') this.#answer(message, response.status, text)
    } catch (fault) {
      if (cancelled.signal.aborted) return
      this.#env.say(`\`${message.method}\` failed: ${chainOf(fault)}`)
      if (message.type === 'request') this.#refuse(message.id, reasonOf(fault, message))
    } finally {
      if (message.type === 'request') this.#underWay.delete(message.id)
    }
  }

  async #send(message: Sent, line: Uint8Array, signal: AbortSignal): Promise<Response> {
    const post = (): Promise<Response> =>
      this.#env.access.fetch(this.#endpoint, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
          ...this.#headersOf(message),
        },
        // The bytes that were parsed: what the gateway decides about is what the client said.
        body: new Uint8Array(line),
        signal,
      })
    const response = await post()
    // Nothing was done with a request whose token was refused, so it is asked again with a new one.
    return response.status === 401 ? await post() : response
  }

  #headersOf({ method, params }: Sent): Record<string, string> {
    const meta = params['_meta']
    const claimed = isObject(meta) ? meta[META.protocolVersion] : undefined
    if (typeof claimed === 'string') {
      return { ...modernHeaders(method, params), 'mcp-protocol-version': claimed }
    }
    return this.#version === undefined || method === 'initialize'
      ? {}
      : { 'mcp-protocol-version': this.#version }
  }

  /** Writes the answer to a request, whatever the endpoint said. */
  #answer(request: Request, status: number, text: string): void {
    const answer = messageIn(text)
    if (answer === undefined) {
      this.#env.say(`\`${request.method}\` was answered with ${status}`)
      return this.#refuse(request.id, reasonOfStatus(status, request))
    }
    if (request.method === 'initialize') this.#version = versionIn(answer) ?? this.#version
    // An error about the request as a whole names no id; the client knows it by one.
    if (answer['id'] !== request.id) this.#write(JSON.stringify({ ...answer, id: request.id }))
    // Outside of strings a line break is white space, inside it is escaped.
    else this.#write(text.replaceAll(/[\r\n]/g, ' '))
  }

  #refuse(id: RequestId | null, reason: string): void {
    this.#write(errorText(id, errorFor(reason, LEGACY).error))
  }

  #write(line: string): void {
    this.#env.output.write(`${line}\n`)
  }
}

/** Lines without their end. Not by `readline`, which takes U+2028 in a string for one. */
async function* linesOf(input: Readable): AsyncGenerator<Uint8Array> {
  let parts: Buffer[] = []
  let size = 0
  for await (const chunk of input) {
    let rest = Buffer.from(chunk as Uint8Array)
    for (let end = rest.indexOf(0x0a); end !== -1; end = rest.indexOf(0x0a)) {
      yield* whole([...parts, rest.subarray(0, end)])
      rest = rest.subarray(end + 1)
      parts = []
      size = 0
    }
    size += rest.length
    if (size > MAX_LINE_BYTES) throw new Error(`expected lines of at most ${MAX_LINE_BYTES} bytes`)
    if (rest.length > 0) parts.push(rest)
  }
  yield* whole(parts)
}

function* whole(parts: readonly Buffer[]): Generator<Uint8Array> {
  const line = Buffer.concat(parts)
  if (line.toString('latin1').trim() !== '') yield line
}

/** The JSON-RPC response in an HTTP body; undefined if there is none. */
function messageIn(text: string): JsonObject | undefined {
  try {
    const value = JSON.parse(text) as Json
    return isObject(value) && value['jsonrpc'] === '2.0' ? value : undefined
  } catch {
    return undefined
  }
}

/** The id of a message that was refused, as any parser would read it; only to answer to. */
function idIn(line: Uint8Array): RequestId | null {
  try {
    const value = JSON.parse(Buffer.from(line).toString('utf8')) as Json
    const id = isObject(value) ? value['id'] : undefined
    return typeof id === 'string' || typeof id === 'number' ? id : null
  } catch {
    return null
  }
}

function versionIn({ result }: JsonObject): string | undefined {
  const version = isObject(result) ? result['protocolVersion'] : undefined
  return LEGACY_VERSIONS.find((known) => known === version)
}

/** Nothing was connected, so nothing was asked. */
const NOT_SENT = new Set(['ECONNREFUSED', 'ENOENT', 'ENOTFOUND'])

function reasonOf(fault: unknown, request: Request): string {
  if (fault instanceof ExchangeRefused) {
    const passing = fault.code === 'temporarily_unavailable' || fault.code === 'server_error'
    return passing ? 'unavailable' : 'delegation_not_standing'
  }
  const cause = fault instanceof TypeError ? (fault.cause as NodeJS.ErrnoException) : undefined
  const sent = cause !== undefined && !NOT_SENT.has(cause.code ?? '')
  return sent && isCall(request) ? 'outcome_unknown' : 'unavailable'
}

function reasonOfStatus(status: number, request: Request): string {
  if (status === 413) return 'json_too_large'
  if (status === 401) return 'delegation_not_standing'
  if (status === 404) return 'unknown_server'
  return status >= 500 && isCall(request) ? 'outcome_unknown' : 'unavailable'
}

/** Whether the request may change something, so that "try again" would be the wrong word. */
function isCall({ method }: Request): boolean {
  return method === 'tools/call'
}

function chainOf(fault: unknown): string {
  if (!(fault instanceof Error)) return String(fault)
  return fault.cause === undefined ? fault.message : `${fault.message}: ${chainOf(fault.cause)}`
}
