/**
 * A load generator that costs little: requests are bytes that were made beforehand, and each connection
 * sends the next one as soon as its answer is whole.
 *
 * It speaks as much HTTP/1.1 as the peers here answer with: a status, `content-length`, a body. Anything
 * else ends the run, as does an answer that is not the expected one: a fast refusal is no fast call.
 */

import { connect, type Socket } from 'node:net'

/** What came of a run. */
export interface Load {
  readonly perSecond: number
  /** Milliseconds from a request's first byte out to its answer's last byte in, sorted. */
  readonly latencies: Float64Array
}

/** An answer that the run may go on after. */
export type Accept = (status: number, body: string) => boolean

/** Sends all `requests` over `connections` and waits for every answer. */
export async function load(
  url: string,
  requests: readonly Buffer[],
  options: { readonly connections: number; readonly accept: Accept },
): Promise<Load> {
  const lines = await Promise.all(
    Array.from({ length: options.connections }, () => Line.open(new URL(url))),
  )
  const latencies = new Float64Array(requests.length)
  let next = 0
  const started = performance.now()
  await Promise.all(
    lines.map(async (line) => {
      for (let at = next++; at < requests.length; at = next++) {
        const sent = performance.now()
        // oxlint-disable-next-line no-await-in-loop -- a connection carries one request at a time
        const { status, body } = await line.ask(requests[at] as Buffer)
        latencies[at] = performance.now() - sent
        if (!options.accept(status, body)) {
          throw new Error(`expected another answer than ${status} ${body.slice(0, 500)}`)
        }
      }
    }),
  )
  const seconds = (performance.now() - started) / 1_000
  for (const line of lines) line.close()
  return { perSecond: requests.length / seconds, latencies: latencies.toSorted() }
}

/** The bytes of a POST. */
export function postBytes(
  url: string,
  headers: Readonly<Record<string, string>>,
  body: string,
): Buffer {
  const { host, pathname } = new URL(url)
  const head = Object.entries({ host, ...headers, 'content-length': Buffer.byteLength(body) })
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')
  return Buffer.from(`POST ${pathname} HTTP/1.1\r\n${head}\r\n${body}`)
}

interface Answer {
  readonly status: number
  readonly body: string
}

/** One connection. */
class Line {
  readonly #socket: Socket
  #received = ''
  #waiting: PromiseWithResolvers<Answer> | undefined

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setEncoding('latin1')
    socket.setNoDelay(true)
    socket.on('data', (chunk: string) => this.#take(chunk))
    socket.on('error', (error) => this.#waiting?.reject(error))
    socket.on('close', () => this.#waiting?.reject(new Error('the connection was closed')))
  }

  static async open(url: URL): Promise<Line> {
    const socket = connect(Number(url.port), url.hostname)
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    socket.once('connect', resolve)
    socket.once('error', reject)
    await promise
    return new Line(socket)
  }

  ask(request: Buffer): Promise<Answer> {
    this.#waiting = Promise.withResolvers<Answer>()
    this.#socket.write(request)
    return this.#waiting.promise
  }

  close(): void {
    this.#waiting = undefined
    this.#socket.destroy()
  }

  #take(chunk: string): void {
    this.#received += chunk
    const headEnd = this.#received.indexOf('\r\n\r\n')
    if (headEnd === -1) return
    const head = this.#received.slice(0, headEnd)
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0)
    const end = headEnd + 4 + length
    if (this.#received.length < end) return
    const answer = {
      status: Number(this.#received.slice(9, 12)),
      body: this.#received.slice(headEnd + 4, end),
    }
    this.#received = this.#received.slice(end)
    this.#waiting?.resolve(answer)
  }
}
