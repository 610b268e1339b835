/**
 * The answer in an HTTP response: one message as JSON, or the one among events that answers, or an HTTP error.
 *
 * Every way out leaves the body bounded in bytes, and its socket either usable again or closed.
 */

import type { IncomingMessage } from 'node:http'
import type { Clock } from '../base/clock.ts'
import { parseMessage, type Message } from '../mcp/message.ts'
import { SseDecoder, SseError } from '../mcp/sse.ts'
import { parseStrictJson } from '../mcp/strict-json.ts'
import { TooLarge, wholeBody } from './whole-body.ts'
import type { Answer } from './wire.ts'

/** The request that is being answered. */
export interface Asked {
  readonly id: number
  readonly signal: AbortSignal
  readonly maxBytes: number
  readonly inSession: boolean
  /** Takes what the server says before it answers. */
  readonly meanwhile: (message: Exclude<Message, { type: 'response' }>) => Promise<void>
}

/** What a response came to, and why the conversation is over with it, if it is. */
export interface Read {
  readonly answer: Answer
  readonly ends?: string
}

/** What is read on after an answer so that the socket can serve again. */
const MAX_TRAILING_BYTES = 64 * 1024
const TRAILING_MILLISECONDS = 1_000

/** Reads `response`. Never rejects. */
export async function readAnswer(
  response: IncomingMessage,
  asked: Asked,
  env: { readonly clock: Clock },
): Promise<Read> {
  const status = response.statusCode ?? 0
  try {
    return status < 300
      ? { answer: await read(response, asked) }
      : await readRefusal(response, asked)
  } catch (fault) {
    if (fault instanceof TooLarge) return { answer: unusable('its answer is too large') }
    if (fault instanceof SseError) return { answer: unusable('its events are refused') }
    const why = asked.signal.aborted ? 'cancelled' : 'its answer broke off'
    return { answer: { kind: 'lost', why } }
  } finally {
    leave(response, env.clock)
  }
}

async function read(response: IncomingMessage, asked: Asked): Promise<Answer> {
  if ((response.headers['content-encoding'] ?? 'identity') !== 'identity') {
    return unusable('its answer is encoded, which was not asked for')
  }
  const type = (response.headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase()
  if (type === 'text/event-stream') return await readEvents(response, asked)
  if (type !== 'application/json') return unusable('its answer is neither JSON nor events')
  const bytes = await wholeBody(response, asked.maxBytes)
  return judged(messageIn(bytes, asked.maxBytes), bytes.length, asked)
}

async function readEvents(response: IncomingMessage, asked: Asked): Promise<Answer> {
  const decoder = new SseDecoder(asked.maxBytes)
  let left = asked.maxBytes
  for await (const chunk of piecesOf(response)) {
    left -= chunk.length
    for (const { event, data } of decoder.push(chunk)) {
      if ((event ?? 'message') !== 'message' || data === '') continue
      const bytes = Buffer.from(data)
      const message = messageIn(bytes, asked.maxBytes)
      if (message === undefined) return unusable('its answer is refused')
      if (message.type === 'response') return judged(message, bytes.length, asked)
      await asked.meanwhile(message)
    }
    if (left < 0) throw new TooLarge()
  }
  return { kind: 'lost', why: 'its answer broke off' }
}

function judged(message: Message | undefined, bytes: number, asked: Asked): Answer {
  if (message?.type !== 'response' || message.id !== asked.id) {
    return unusable('its answer is refused')
  }
  const { outcome } = message
  return 'result' in outcome
    ? { kind: 'answered', result: outcome.result, bytes }
    : { kind: 'failed', error: outcome.error }
}

/** An HTTP error: in the server's own words where its body has some. */
async function readRefusal(response: IncomingMessage, asked: Asked): Promise<Read> {
  const status = response.statusCode ?? 0
  // Whoever is behind a redirect was not reviewed.
  if (status < 400) return { answer: refusedBy(`HTTP ${status}: redirects are not followed`) }
  const message = messageIn(await wholeBody(response, asked.maxBytes), asked.maxBytes)
  const said = message?.type === 'response' && 'error' in message.outcome ? message : undefined
  const answer = answerOf(status, message, asked)
  if (status === 401 || status === 403) return { answer, ends: 'it refuses the credential' }
  // MCP 2025-11-25: 404 says that the session is gone. Published servers also say so with 400 and another id.
  if (asked.inSession && (status === 404 || (status === 400 && said?.id !== asked.id))) {
    return { answer, ends: 'its session is gone' }
  }
  return { answer }
}

function answerOf(status: number, message: Message | undefined, asked: Asked): Answer {
  if (message?.type === 'response' && (message.id === asked.id || message.id === null)) {
    if ('error' in message.outcome) return { kind: 'failed', error: message.outcome.error }
  }
  // Below 500 the request was refused; from there on nobody knows how far it got.
  const refused = status < 500 && status !== 408
  return refused ? refusedBy(`HTTP ${status}`) : { kind: 'lost', why: `HTTP ${status}` }
}

function refusedBy(message: string): Answer {
  return { kind: 'failed', error: { code: -32_000, message } }
}

function unusable(why: string): Answer {
  return { kind: 'unusable', why }
}

function messageIn(bytes: Buffer, maxBytes: number): Message | undefined {
  const json = parseStrictJson(bytes, { maxBytes })
  const message = json.ok ? parseMessage(json.value) : json
  return message.ok ? message.value : undefined
}

/** The pieces of a body; leaving the loop leaves the socket as it is. */
function piecesOf(response: IncomingMessage): AsyncIterable<Buffer> {
  return response.iterator({ destroyOnReturn: false })
}

/** Lets a finished answer end, so that its socket serves again, but not for long. */
function leave(response: IncomingMessage, clock: Clock): void {
  if (response.readableEnded || response.destroyed) return
  let left = MAX_TRAILING_BYTES
  response.on('error', () => {})
  response.on('data', (chunk: Buffer) => {
    left -= chunk.length
    if (left < 0) response.destroy()
  })
  const over = new AbortController()
  response.once('close', () => over.abort())
  void clock.sleep(TRAILING_MILLISECONDS, over.signal).then(() => response.destroy())
}
