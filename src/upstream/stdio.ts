/**
 * A server that we start ourselves, in the sandbox: one JSON message a line over its pipes.
 *
 * Call `startStdio`. What the server writes to its error pipe is read and thrown away: it may hold anything.
 *
 * @see MCP 2025-11-25 and 2026-07-28, Transports, "stdio"
 */

import type { JsonObject } from '../base/canonical-json.ts'
import type { Clock } from '../base/clock.ts'
import { ok, type Result } from '../base/result.ts'
import { notificationText, parseMessage, requestText, type Message } from '../mcp/message.ts'
import { parseStrictJson } from '../mcp/strict-json.ts'
import {
  sandboxed,
  type Sandboxed,
  type SandboxEnv,
  type SandboxRefusal,
  type SandboxSpec,
} from '../sandbox/sandboxed.ts'
import { LineReader, type Line } from './lines.ts'
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

/** How a program is started and bounded. */
export interface StdioOptions {
  readonly program: Omit<SandboxSpec, 'limits'>
  /** What differs from the sandbox's defaults. */
  readonly limits: SandboxSpec['limits']
  readonly maxLineBytes: number
  readonly client: ClientInfo
  readonly events: WireEvents
}

const HEAP_MEGABYTES = 512
/** What a server that does not read may leave in our memory. */
const MAX_UNREAD_BYTES = 8 * 1024 * 1024
/** Messages that nobody asked for, between two answers. */
const MAX_UNASKED = 10_000
const CLOSE_MILLISECONDS = 1_000

/** Starts the program; what it runs in is the sandbox's to decide, and to report. */
export async function startStdio(
  options: StdioOptions,
  env: SandboxEnv,
): Promise<Result<StdioWire, SandboxRefusal>> {
  const spec = { ...options.program, limits: { heapMegabytes: HEAP_MEGABYTES, ...options.limits } }
  const program = await sandboxed(spec, env)
  return program.ok ? ok(new StdioWire(program.value, options, env.clock)) : program
}

/** A running server and the requests that await its answers. */
export class StdioWire implements Wire {
  /** Where it runs: the sandbox's own report. */
  readonly sandbox: Pick<Sandboxed, 'tier' | 'fellBack'>
  readonly #program: Sandboxed
  readonly #options: StdioOptions
  readonly #clock: Clock
  readonly #ended = new AbortController()
  readonly #pending = new Map<number, (answer: Answer) => void>()
  #version: string | undefined
  #nextId = 1
  #unasked = 0

  constructor(program: Sandboxed, options: StdioOptions, clock: Clock) {
    this.sandbox = program
    this.#program = program
    this.#options = options
    this.#clock = clock
    const lines = new LineReader(options.maxLineBytes, (line) => this.#take(line))
    program.stdout.on('data', (chunk: Buffer) => lines.push(chunk))
    program.stdout.on('error', () => this.#end('its output failed'))
    program.stderr.on('error', () => {})
    program.stderr.resume()
    const drained = new Promise((resolve) => program.stdout.once('close', resolve))
    // What it said before it ended counts.
    void Promise.all([program.exit, drained]).then(([{ code, signal }]) =>
      this.#end(`it ended with ${signal ?? code}`),
    )
  }

  get ended(): AbortSignal {
    return this.#ended.signal
  }

  speak(version: string | undefined): void {
    this.#version = version
  }

  async request(method: string, params: JsonObject, options: RequestOptions): Promise<Answer> {
    const { signal } = options
    if (this.ended.aborted) return { kind: 'unsent', why: String(this.ended.reason) }
    if (signal.aborted) return { kind: 'unsent', why: 'cancelled' }
    if (this.#program.stdin.writableLength > MAX_UNREAD_BYTES) {
      return { kind: 'unsent', why: 'it does not read' }
    }
    const id = this.#nextId++
    const { promise, resolve } = Promise.withResolvers<Answer>()
    this.#pending.set(id, resolve)
    const cancel = (): void => this.#cancel(id)
    signal.addEventListener('abort', cancel, { once: true })
    this.#write(requestText(id, method, enveloped(params, this.#version, this.#options.client)))
    const answer = await promise
    signal.removeEventListener('abort', cancel)
    return answer
  }

  async notify(method: string, params: JsonObject): Promise<void> {
    this.#write(notificationText(method, params))
  }

  async close(): Promise<void> {
    this.#end('closed')
    // MCP stdio, "Shutdown": close its input, wait, then kill.
    this.#program.stdin.end()
    const gone = new AbortController()
    void this.#program.exit.then(() => gone.abort())
    await this.#clock.sleep(CLOSE_MILLISECONDS, gone.signal)
    this.#program.kill()
  }

  #cancel(id: number): void {
    if (!this.#settle(id, { kind: 'lost', why: 'cancelled' })) return
    // MCP "Cancellation": the sender SHOULD ignore an answer that still comes.
    void this.notify('notifications/cancelled', { requestId: id, reason: 'cancelled' })
  }

  #write(text: string): void {
    if (!this.ended.aborted) this.#program.stdin.write(`${text}\n`)
  }

  #take(line: Line): void {
    if (line.kind === 'too_long') return this.#unusable(line.guess, 'its answer is too large')
    const json = parseStrictJson(line.bytes, { maxBytes: this.#options.maxLineBytes })
    const message = json.ok ? parseMessage(json.value) : json
    if (!message.ok)
      return this.#unusable(line.guess, `its answer is refused: ${message.error.reason}`)
    this.#receive(message.value, line.bytes.length)
  }

  #receive(message: Message, bytes: number): void {
    if (message.type !== 'response') {
      const reply = replyTo(message, this.#version)
      if (reply !== undefined && this.#program.stdin.writableLength <= MAX_UNREAD_BYTES) {
        this.#write(reply)
      }
      noticed(message, this.#options.events)
      return this.#count()
    }
    const { outcome, id } = message
    const answer: Answer =
      'result' in outcome
        ? { kind: 'answered', result: outcome.result, bytes }
        : { kind: 'failed', error: outcome.error }
    if (typeof id === 'number' && this.#settle(id, answer)) this.#unasked = 0
    else this.#count()
  }

  /**
   * A line that is no message. It fails the request that it seems to answer; a server that lies about which
   * gains nothing, for it could have answered that one so.
   */
  #unusable(guess: () => number | undefined, why: string): void {
    const id = guess()
    if (id === undefined || !this.#settle(id, { kind: 'unusable', why })) this.#count()
  }

  #count(): void {
    if (++this.#unasked > MAX_UNASKED) {
      this.#end('it does not stop talking')
      this.#program.kill()
    }
  }

  #settle(id: number, answer: Answer): boolean {
    const resolve = this.#pending.get(id)
    this.#pending.delete(id)
    resolve?.(answer)
    return resolve !== undefined
  }

  #end(why: string): void {
    if (this.ended.aborted) return
    this.#ended.abort(why)
    for (const id of this.#pending.keys()) this.#settle(id, { kind: 'lost', why })
  }
}
