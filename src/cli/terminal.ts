/**
 * What the command line prints and how it ends: exit status 0 done, 1 refused, 2 usage, 3 fault.
 *
 * With `--json` every command prints one JSON value on standard output, refusals included.
 */

import type { ApiRefusal } from '../client/client.ts'
import type { Result } from '../base/result.ts'

/** Exit statuses. */
export const EXIT = { done: 0, refused: 1, usage: 2, fault: 3 } as const

/** Where a command writes. */
export interface Terminal {
  readonly json: boolean
  readonly out: (text: string) => void
  readonly err: (text: string) => void
}

/** Prints a value: `text` for people, the value itself with `--json`. */
export function print(terminal: Terminal, value: unknown, text: string): void {
  terminal.out(terminal.json ? `${JSON.stringify(value)}\n` : ensureNewline(text))
}

/** Prints a refusal and returns the exit status. */
export function refused(terminal: Terminal, error: { reason: string; message?: string }): number {
  if (terminal.json)
    terminal.out(`${JSON.stringify({ refused: error.reason, message: error.message })}\n`)
  else terminal.err(`behalf: refused: ${error.message ?? error.reason} (${error.reason})\n`)
  return EXIT.refused
}

/** Prints what an operation answered, or its refusal; returns the exit status. */
export function finish<T>(
  terminal: Terminal,
  result: Result<T, ApiRefusal>,
  text: (value: T) => string,
): number {
  if (!result.ok) return refused(terminal, result.error)
  print(terminal, result.value, text(result.value))
  return EXIT.done
}

/** Rows under their headings, columns as wide as they need. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [headings.map((heading) => heading.toUpperCase()), ...rows]
  const widths = headings.map((_, column) =>
    Math.max(...lines.map((line) => (line[column] ?? '').length)),
  )
  return lines
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** `name: value` lines; members that are undefined are left out. */
export function facts(value: Readonly<Record<string, unknown>>): string {
  const known = Object.entries(value).filter(
    ([, member]) => member !== undefined && member !== null,
  )
  const width = Math.max(0, ...known.map(([name]) => name.length))
  return known
    .map(
      ([name, member]) =>
        `${`${name}:`.padEnd(width + 1)} ${typeof member === 'string' ? member : JSON.stringify(member)}`,
    )
    .join('\n')
}

function ensureNewline(text: string): string {
  return text.endsWith('\n') ? text : `${text}\n`
}
