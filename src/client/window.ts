/**
 * A window's side of the door (`api/door.ts`): asks for an agent identity of its own and keeps it while
 * the process lives. When the server goes away it comes back for the same window. Node only.
 */

import { connect, type Socket } from 'node:net'
import {
  type DoorAnswer,
  doorAnswer,
  type DoorRequest,
  type OpenedWindow,
  UNAVAILABLE,
} from '../api/door.ts'
import type { Clock } from '../base/clock.ts'
import { ok, refuse, type Result } from '../base/result.ts'

/** Where to ask, and for which connection. */
export interface WindowOptions {
  /** The path of the door's socket. */
  readonly door: string
  /** `con_…`. */
  readonly connection: string
}

/** An open window. */
export interface Window extends OpenedWindow {
  /** Resolves with the reason when the server ended the window. */
  readonly ended: Promise<string>
  /** Gives the window up: its agent ends. */
  close(): void
}

const RETRY_MILLISECONDS = 500

/** Opens a window. Refusals are the server's; throws when nobody answers at the door. */
export async function openWindow(
  options: WindowOptions,
  env: { readonly clock: Clock },
): Promise<Result<Window>> {
  const first = await ask(options.door, { open: options.connection })
  if (first === undefined) throw new Error(`\`${options.door}\` was closed before it answered`)
  const { answer, line } = first
  if ('refused' in answer) return refuse(refusalOf(answer))
  if (!('opened' in answer)) throw new Error(`expected \`${options.door}\` to open a window`)
  const closing = new AbortController()
  const { agent } = answer.opened
  return ok({
    ...answer.opened,
    ended: keep({ line, agent, options, signal: closing.signal }, env),
    close: () => closing.abort(),
  })
}

interface Kept {
  readonly line: Line
  readonly agent: string
  readonly options: WindowOptions
  readonly signal: AbortSignal
}

/** Stays connected until the server says that the window has ended; never resolves once closed here. */
async function keep(
  { line: first, agent, options, signal }: Kept,
  env: { readonly clock: Clock },
): Promise<string> {
  let line = first
  const hangUp = (): void => line.close()
  signal.addEventListener('abort', hangUp)
  for (;;) {
    const said = await line.next()
    if (signal.aborted) return await new Promise<never>(() => undefined)
    if (said !== undefined && 'ended' in said) return said.ended
    if (said !== undefined) continue
    // The server went away, perhaps for a moment: the window is still this one.
    await env.clock.sleep(RETRY_MILLISECONDS, signal)
    if (signal.aborted) continue
    const again = await ask(options.door, {
      resume: agent,
      connection: options.connection,
    }).catch(() => undefined)
    if (again === undefined) continue
    const { answer } = again
    if ('refused' in answer && answer.refused !== UNAVAILABLE) return answer.refused
    // After a refusal that passes the line ends, and we come back.
    line = again.line
  }
}

interface Asked {
  readonly answer: DoorAnswer
  readonly line: Line
}

/** Connects and asks; undefined when the connection ends before an answer. */
async function ask(door: string, request: DoorRequest): Promise<Asked | undefined> {
  const socket = await connected(door)
  const line = lineOf(socket)
  socket.write(`${JSON.stringify(request)}\n`)
  const answer = await line.next()
  return answer === undefined ? undefined : { answer, line }
}

/** What the server says, value by value. */
interface Line {
  /** Undefined when the connection has ended. */
  next(): Promise<DoorAnswer | undefined>
  close(): void
}

function lineOf(socket: Socket): Line {
  const answers = answersFrom(socket)
  return {
    next: async () => {
      const { value } = await answers.next()
      return value ?? undefined
    },
    close: () => socket.destroy(),
  }
}

async function* answersFrom(socket: Socket): AsyncGenerator<DoorAnswer, undefined> {
  let text = ''
  try {
    for await (const chunk of socket.setEncoding('utf8')) {
      const lines = `${text}${chunk as string}`.split('\n')
      text = lines.pop() ?? ''
      for (const line of lines) yield doorAnswer.parse(JSON.parse(line))
    }
  } catch {
    // A connection that breaks has ended like one that was closed.
    socket.destroy()
  }
  return undefined
}

async function connected(door: string): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>()
  const socket = connect(door, () => resolve(socket))
  socket.once('error', (cause: NodeJS.ErrnoException) =>
    reject(
      new Error(`${FAILURES[cause.code ?? ''] ?? 'cannot connect to'} \`${door}\``, { cause }),
    ),
  )
  return await promise
}

const FAILURES: Readonly<Record<string, string>> = {
  ENOENT: 'no installation runs here, is `behalf serve` running? expected the socket',
  ECONNREFUSED: 'no installation runs here, is `behalf serve` running? nobody answers at',
  EACCES: 'the installation belongs to another user, who alone may open',
}

function refusalOf(answer: Extract<DoorAnswer, { refused: string }>): {
  reason: string
  message?: string
} {
  const { refused, message } = answer
  return { reason: refused, ...(message !== undefined && { message }) }
}
