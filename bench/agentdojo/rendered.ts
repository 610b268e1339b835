/**
 * What a recorded tool answered, as structure again: the recording keeps the text that was rendered for the
 * model (block YAML of a fixed dumper, or plain text). A server would have answered with the structure.
 *
 * Only what the dumper writes is read; whatever else is plain text, and stays so. Text inside a value
 * cannot pass for structure: the dumper quotes or indents it.
 */

import type { Json } from '../../src/base/canonical-json.ts'

/** The structure of a rendered answer, or the text itself. */
export function structureOf(text: string): Json {
  if (text.trim() === '[]') return []
  if (/^[[{]/.test(text)) return parsed(text)
  if (!/^(?:- |[a-z_][\w]*:(?: |$))/m.test(text.slice(0, 200))) return text
  try {
    const reader = new Reader(text)
    const value = reader.block(0)
    return reader.isDone() && hasOrder(value) ? value : text
  } catch {
    return text
  }
}

/** A recording of our own is JSON. */
function parsed(text: string): Json {
  try {
    return JSON.parse(text) as Json
  } catch {
    return text
  }
}

/** The dumper sorts the members of an object; a text that somebody wrote hardly does. */
function hasOrder(value: Json): boolean {
  if (Array.isArray(value)) return (value as readonly Json[]).every(hasOrder)
  if (typeof value !== 'object' || value === null) return true
  const keys = Object.keys(value)
  return keys.every((key, at) => at === 0 || (keys[at - 1] ?? '') < key || /\W/.test(key))
}

const KEY = /^('(?:[^']|'')*'|"(?:[^"\\]|\\.)*"|[^\s'"#&*!|>%@`[\]{},?:-][^:]*?):(?: (.*))?$/

class Reader {
  readonly #lines: string[]
  #at = 0

  constructor(text: string) {
    this.#lines = text.replace(/\n$/, '').split('\n')
  }

  isDone(): boolean {
    return this.#at >= this.#lines.length
  }

  /** The list or object whose lines are indented by `indent`. */
  block(indent: number): Json {
    const line = this.#lines[this.#at] ?? ''
    return line.slice(indent).startsWith('- ') ? this.#list(indent) : this.#object(indent)
  }

  #list(indent: number): Json {
    const items: Json[] = []
    const lead = `${' '.repeat(indent)}- `
    for (;;) {
      const line = this.#lines[this.#at]
      if (line === undefined || !line.startsWith(lead)) break
      const rest = line.slice(lead.length)
      // The first member of an object stands behind the dash.
      if (KEY.test(rest)) {
        this.#lines[this.#at] = `${' '.repeat(indent + 2)}${rest}`
        items.push(this.#object(indent + 2))
      } else {
        this.#at++
        items.push(this.#scalar(rest, indent))
      }
    }
    return items
  }

  #object(indent: number): Json {
    const found: Record<string, Json> = {}
    for (;;) {
      const line = this.#lines[this.#at]
      if (line === undefined || !line.startsWith(' '.repeat(indent)) || line[indent] === ' ') break
      const [, key, rest] = KEY.exec(line.slice(indent)) ?? []
      if (key === undefined) {
        if (line.slice(indent).startsWith('- ')) break
        throw new SyntaxError('expected a member')
      }
      this.#at++
      const name = /^['"]/.test(key) ? quoted(key) : key
      if (rest !== undefined && rest !== '') found[name] = this.#scalar(rest, indent)
      else {
        const next = this.#lines[this.#at] ?? ''
        const deeper = /^ */.exec(next)?.[0].length ?? 0
        found[name] =
          next.slice(indent).startsWith('- ') || deeper > indent
            ? this.block(next.slice(indent).startsWith('- ') ? indent : deeper)
            : null
      }
    }
    if (Object.keys(found).length === 0) throw new SyntaxError('expected members')
    return found
  }

  /** A value that may go on over lines that are indented deeper, or are empty. */
  #scalar(first: string, indent: number): Json {
    const quote = /^['"]/.exec(first)?.[0]
    let text = first
    while (quote === undefined ? this.#goesOn(indent) : !isClosed(text, quote)) {
      const line = this.#lines[this.#at++]
      if (line === undefined) throw new SyntaxError('expected the end of a quotation')
      text += `\n${line.trim()}`
    }
    return quote === undefined ? plain(folded(text)) : quoted(text)
  }

  #goesOn(indent: number): boolean {
    let at = this.#at
    while (this.#lines[at] === '') at++
    const line = this.#lines[at]
    return (
      line !== undefined && /^ */.exec(line)![0].length > indent && this.#at < this.#lines.length
    )
  }
}

function isClosed(text: string, quote: string): boolean {
  const body = text.slice(1)
  return quote === "'" ? /^(?:[^']|'')*'$/.test(body) : /^(?:[^"\\]|\\[\s\S])*"$/.test(body)
}

/** One line break is a space, more are one less. */
function folded(text: string): string {
  return text.replace(/\n+/g, (breaks) => (breaks.length === 1 ? ' ' : breaks.slice(1)))
}

function quoted(text: string): string {
  if (text.startsWith("'")) return folded(text.slice(1, -1).replaceAll("''", "'"))
  const body = folded(text.slice(1, -1).replaceAll(/\\\n\s*\\?/g, ''))
  return body.replaceAll(
    /\\(?:x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|[\s\S])/g,
    (escape) => escaped(escape.slice(1)),
  )
}

const ESCAPES: Readonly<Record<string, string>> = {
  n: '\n',
  t: '\t',
  r: '\r',
  '0': '\0',
  e: '\u001b',
}

function escaped(code: string): string {
  if (code.length > 1) return String.fromCodePoint(Number.parseInt(code.slice(1), 16))
  return ESCAPES[code] ?? code
}

function plain(text: string): Json {
  if (text === 'null' || text === '~') return null
  if (text === 'true' || text === 'false') return text === 'true'
  if (text === '[]') return []
  if (text === '{}') return {}
  return /^-?(?:0|[1-9]\d*)(?:\.\d+)?$/.test(text) ? Number(text) : text
}
