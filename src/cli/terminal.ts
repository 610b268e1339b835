/**
 * What the command line prints and how it ends: exit status 0 done, 1 refused, 2 usage, 3 fault.
 *
 * With `--json` every command prints one JSON value on standard output, refusals included. What people
 * read cannot move the cursor or turn the line around: content of others is in it.
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

/** Ends a command with a refusal, from wherever it is learned. */
export class Refused extends Error {
  readonly reason: string

  constructor(reason: string, message: string) {
    super(message)
    this.reason = reason
  }
}

/** Prints a value: `text` for people, the value itself with `--json`. */
export function print(terminal: Terminal, value: unknown, text: string): void {
  terminal.out(terminal.json ? `${JSON.stringify(value)}\n` : lines(text))
}

/** Prints a refusal and returns the exit status. */
export function refused(
  terminal: Terminal,
  error: { readonly reason: string; readonly message?: string },
): number {
  const { reason, message = reason.replaceAll('_', ' ') } = error
  if (terminal.json) terminal.out(`${JSON.stringify({ refused: reason, message })}\n`)
  else {
    const hint = HINTS[reason]
    terminal.err(lines(`behalf: refused: ${message} (${reason})`))
    if (hint !== undefined) terminal.err(`  ${hint}\n`)
  }
  return EXIT.refused
}

/** What to do next, by reason. */
const HINTS: Readonly<Record<string, string>> = {
  not_signed_in: 'sign in first: behalf login --code …',
  bad_code: 'a code works once and not for long; ask for another: behalf person code <person>',
  unknown_person: 'known people: behalf person list',
  unknown_group: 'known groups: behalf group list',
  unknown_owner: 'known people and groups: behalf person list, behalf group list',
  unknown_party: 'known people and groups: behalf person list, behalf group list',
  unknown_archetype: 'known kinds of agents: behalf archetype list',
  unknown_agent: 'known agents: behalf agent list',
  unknown_server: 'known servers: behalf server list',
  unknown_delegation: 'your delegations: behalf delegation list',
  unknown_approval: 'what waits for you: behalf approval list',
  unknown_connection: 'your connections: behalf connection list',
  unknown_conversation: 'your conversations: behalf session list',
  nobody_accountable:
    'somebody must own the archetype: behalf owner archetype:<name> <person-or-group>',
  shown_differs: 'look again at what you approve: behalf approval show <approval>',
}

/** Prints what an operation answered, or its refusal; returns the exit status. */
export async function finish<T>(
  terminal: Terminal,
  result: Result<T, ApiRefusal>,
  text: (value: T) => string | Promise<string>,
): Promise<number> {
  if (!result.ok) return refused(terminal, result.error)
  print(terminal, result.value, terminal.json ? '' : await text(result.value))
  return EXIT.done
}

/** Rows under their headings, columns as wide as they need. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return 'none'
  const cells = [headings.map((heading) => heading.toUpperCase()), ...rows].map((row) =>
    row.map(oneLine),
  )
  const widths = headings.map((_, column) =>
    Math.max(...cells.map((row) => (row[column] ?? '').length)),
  )
  return cells
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** `name: value` lines; members that are undefined, null or empty are left out. */
export function facts(value: Readonly<Record<string, unknown>>): string {
  const known = Object.entries(value)
    .map(([name, member]) => [wordsOf(name), factText(name, member)] as const)
    .filter(([, text]) => text !== '')
  const width = Math.max(0, ...known.map(([name]) => name.length))
  return known.map(([name, text]) => `${`${name}:`.padEnd(width + 1)} ${oneLine(text)}`).join('\n')
}

function factText(name: string, member: unknown): string {
  if (member === undefined || member === null) return ''
  if (typeof member === 'boolean') return member ? 'yes' : 'no'
  if (typeof member === 'number' && /(?:At|Time)$/.test(name)) return dateText(member)
  if (typeof member === 'string') return member
  if (Array.isArray(member) && member.every((each) => typeof each === 'string')) {
    return member.join(', ')
  }
  return JSON.stringify(member)
}

/** `spiffeId` → `spiffe id`. */
function wordsOf(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
}

/** Times before the year 5138 in seconds are smaller than times after 1973 in milliseconds. */
const LARGEST_SECONDS = 100_000_000_000

/** `2026-11-21 14:49:35Z`, of seconds or milliseconds since the Unix epoch. */
export function dateText(instant: number): string {
  const milliseconds = instant < LARGEST_SECONDS ? instant * 1_000 : instant
  const text = Temporal.Instant.fromEpochMilliseconds(milliseconds).toString({
    smallestUnit: 'second',
  })
  return text.replace('T', ' ')
}

/** What stands under a command's help. */
export function examples(...commands: readonly string[]): string {
  const heading = commands.length === 1 ? 'Example' : 'Examples'
  return `\n${heading}:\n${commands.map((command) => `  ${command}\n`).join('')}`
}

/** Text without characters that a terminal acts on, line breaks apart; it ends with one. */
function lines(text: string): string {
  return `${text
    .replace(/\n$/, '')
    .split('\n')
    .map((line) => line.split('\t').map(oneLine).join('\t'))
    .join('\n')}\n`
}

function oneLine(text: string): string {
  return text
    .toWellFormed()
    .replaceAll(
      /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
      (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
    )
}
