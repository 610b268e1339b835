/**
 * One question to a language model in the widely served chat-completions form: messages in, text out.
 *
 * Call `ask`. The endpoint is somebody else's program: it gets one guarded request (`guarded-request.ts`), so
 * many at a time, for so long from the first byte to the last, and its answer is one short JSON object or
 * nothing. What it says is never part of a refusal's words.
 */

import * as z from 'zod'
import type { Clock } from '../base/clock.ts'
import { ok, refuse, type Result } from '../base/result.ts'
import { parseStrictJson } from '../mcp/strict-json.ts'
import { connectionsTo, guardedRequest, type Connections, type Own } from './guarded-request.ts'
import { TooLarge, wholeBody } from './whole-body.ts'

/** Which model, where, and within what. */
export interface ChatOptions {
  readonly url: URL
  readonly model: string
  /** From asking to the last byte of the answer. */
  readonly timeoutMilliseconds: number
  /** Questions under way at once; further ones are refused at once. */
  readonly most: number
  /** The credential as it is now, if the endpoint wants one. It reaches this endpoint and nobody else. */
  readonly credential?: () => Promise<string>
}

/** What the model is told. */
export interface ChatMessage {
  readonly role: 'system' | 'user'
  readonly content: string
}

/** Why there is no answer. */
export interface ChatRefusal {
  readonly reason:
    | 'model_busy'
    | 'model_unreachable'
    | 'model_timed_out'
    | 'model_refused'
    | 'model_unusable'
  readonly message: string
}

interface Env {
  readonly clock: Clock
  readonly own: Own
}

/** The longest answer that is read, in bytes. */
const MAX_ANSWER_BYTES = 65_536

// Others' members pass: every provider adds some. What would be another answer than the one text does not.
const answerSchema = z.looseObject({
  choices: z
    .array(
      z.looseObject({
        // An answer that was cut off says something else than the whole would have.
        finish_reason: z.literal('stop').nullish(),
        message: z.looseObject({
          role: z.literal('assistant').optional(),
          content: z.string(),
          tool_calls: z.array(z.unknown()).max(0).nullish(),
        }),
      }),
    )
    .length(1),
})

/** A model behind an endpoint. */
export class ChatCompletions {
  readonly name: string
  readonly #options: ChatOptions
  readonly #env: Env
  readonly #connections: Connections
  #underWay = 0

  constructor(options: ChatOptions, env: Env) {
    this.name = options.model
    this.#options = options
    this.#env = env
    this.#connections = connectionsTo(options.url)
  }

  /** What the model answers, as text. */
  async ask(messages: readonly ChatMessage[]): Promise<Result<string, ChatRefusal>> {
    const { most } = this.#options
    if (this.#underWay >= most)
      return no('model_busy', `expected fewer than ${most} questions under way`)
    this.#underWay++
    try {
      return await this.#askOnce(messages)
    } finally {
      this.#underWay--
    }
  }

  /** Closes what is open. */
  close(): void {
    this.#connections.destroy()
  }

  async #endAfter(milliseconds: number, late: AbortController, done: AbortSignal): Promise<void> {
    await this.#env.clock.sleep(milliseconds, done)
    if (!done.aborted) late.abort()
  }

  async #askOnce(messages: readonly ChatMessage[]): Promise<Result<string, ChatRefusal>> {
    const { url, model, credential, timeoutMilliseconds } = this.#options
    let key: string | undefined
    try {
      key = await credential?.()
    } catch {
      // Whoever asks learns no path; where it cannot be read, the start says so.
      return no('model_unreachable', 'expected its credential to be there')
    }
    const late = new AbortController()
    const answered = new AbortController()
    void this.#endAfter(timeoutMilliseconds, late, answered.signal)
    try {
      const incoming = await guardedRequest(
        {
          url,
          method: 'POST',
          headers: {
            'content-type': 'application/json',
            accept: 'application/json',
            ...(key !== undefined && { authorization: `Bearer ${key}` }),
          },
          body: JSON.stringify({
            model,
            messages,
            stream: false,
            response_format: { type: 'json_object' },
          }),
          signal: late.signal,
        },
        { own: this.#env.own, connections: this.#connections },
      )
      if (!incoming.ok) {
        const isLate = late.signal.aborted
        return isLate ? tooLate(timeoutMilliseconds) : no('model_unreachable', incoming.why)
      }
      try {
        return await read(incoming.response, key)
      } catch (fault) {
        if (fault instanceof TooLarge)
          return no('model_unusable', `expected an answer of at most ${MAX_ANSWER_BYTES} bytes`)
        return late.signal.aborted
          ? tooLate(timeoutMilliseconds)
          : no('model_unusable', 'its answer broke off')
      } finally {
        if (!incoming.response.readableEnded) incoming.response.destroy()
      }
    } finally {
      answered.abort()
    }
  }
}

type Response = Parameters<typeof wholeBody>[0]

async function read(
  response: Response,
  key: string | undefined,
): Promise<Result<string, ChatRefusal>> {
  const status = response.statusCode ?? 0
  // Nobody configured whoever is behind a redirect.
  if (status !== 200) return no('model_refused', `expected HTTP 200, got ${status}`)
  if ((response.headers['content-encoding'] ?? 'identity') !== 'identity')
    return no('model_unusable', 'expected an answer that is not encoded')
  const type = (response.headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase()
  if (type !== 'application/json') return no('model_unusable', 'expected an answer in JSON')
  const bytes = await wholeBody(response, MAX_ANSWER_BYTES)
  const json = parseStrictJson(bytes, { maxBytes: MAX_ANSWER_BYTES })
  const parsed = json.ok ? answerSchema.safeParse(json.value) : undefined
  const content = parsed?.data?.choices[0]?.message.content
  if (content === undefined) return no('model_unusable', 'expected one whole choice of text')
  // INVARIANT (no standing secrets): what goes on to be shown and recorded holds no credential.
  if (key !== undefined && content.includes(key))
    return no('model_unusable', 'expected an answer without the credential')
  return ok(content)
}

function tooLate(milliseconds: number): Result<never, ChatRefusal> {
  return no('model_timed_out', `expected an answer within ${milliseconds / 1_000} seconds`)
}

function no(reason: ChatRefusal['reason'], message: string): Result<never, ChatRefusal> {
  return refuse({ reason, message })
}
