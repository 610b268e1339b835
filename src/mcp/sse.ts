/**
 * Server-sent events, as Streamable HTTP carries messages in them (WHATWG HTML §9.2).
 *
 * `encodeEvent` writes one, `SseDecoder` reads a stream in whatever pieces it arrives.
 */

/** One event. */
export interface SseEvent {
  /** Default `message`. */
  readonly event?: string
  readonly data: string
  readonly id?: string
}

/** The text of an event. A line end in `data` makes another `data` line; in a name or id it throws. */
export function encodeEvent(event: SseEvent): string {
  let out = ''
  if (event.event !== undefined) out += `event: ${oneLine(event.event)}\n`
  if (event.id !== undefined) out += `id: ${oneLine(event.id)}\n`
  for (const line of event.data.split(/\r\n|\r|\n/)) out += `data: ${line}\n`
  return `${out}\n`
}

function oneLine(text: string): string {
  if (/[\r\n\0]/.test(text)) throw new TypeError('expected one line')
  return text
}

/** A stream that was not an event stream, or whose event was longer than allowed. */
export class SseError extends Error {}

/** Reads a stream of at most `maxEventBytes` (UTF-16 units) per event. */
export class SseDecoder {
  readonly #maxEventBytes: number
  readonly #utf8 = new TextDecoder('utf-8', { fatal: true })
  #rest = ''
  #data: string[] = []
  #size = 0
  #event = ''
  #id: string | undefined
  /** A carriage return ended the last piece: a line feed that follows belongs to it. */
  #afterReturn = false

  constructor(maxEventBytes = 4_194_304) {
    this.#maxEventBytes = maxEventBytes
  }

  /** The events that `piece` completed. Throws `SseError` on malformed UTF-8 or an oversized event. */
  push(piece: Uint8Array): SseEvent[] {
    let text: string
    try {
      text = this.#utf8.decode(piece, { stream: true })
    } catch (cause) {
      throw new SseError('expected UTF-8', { cause })
    }
    const events: SseEvent[] = []
    let start = 0
    if (text !== '') {
      if (this.#afterReturn && text.startsWith('\n')) start = 1
      this.#afterReturn = false
    }
    for (const end of text.matchAll(/\r\n?|\n/g)) {
      if (end.index < start) continue
      this.#line(this.#rest + text.slice(start, end.index), events)
      this.#rest = ''
      start = end.index + end[0].length
      this.#afterReturn = end[0] === '\r' && start === text.length
    }
    this.#rest += text.slice(start)
    this.#bound(this.#rest.length)
    return events
  }

  #line(line: string, events: SseEvent[]): void {
    if (line === '') {
      // §9.2.6: an event without data is not dispatched.
      if (this.#data.length > 0) {
        events.push({
          event: this.#event === '' ? 'message' : this.#event,
          data: this.#data.join('\n'),
          ...(this.#id === undefined ? {} : { id: this.#id }),
        })
      }
      this.#data = []
      this.#size = 0
      this.#event = ''
      return
    }
    const colon = line.indexOf(':')
    const field = colon === -1 ? line : line.slice(0, colon)
    const value = colon === -1 ? '' : line.slice(colon + (line[colon + 1] === ' ' ? 2 : 1))
    if (field === 'data') {
      this.#size += value.length + 1
      this.#bound(0)
      this.#data.push(value)
    } else if (field === 'event') this.#event = value
    else if (field === 'id' && !value.includes('\0')) this.#id = value
  }

  #bound(pending: number): void {
    if (this.#size + pending > this.#maxEventBytes) {
      throw new SseError(`expected events of at most ${this.#maxEventBytes} bytes`)
    }
  }
}
