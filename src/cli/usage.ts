/** What people write on the command line, read strictly: what is wrong with it is their error, not ours. */

import { readFileSync } from 'node:fs'
import type * as z from 'zod'

/** Something on the command line is wrong: exit status 2. */
export class UsageError extends Error {}

/** `45m` → 2700. */
export function secondsOf(text: string): number {
  const [, count, unit = ''] = /^(\d{1,8})([smhd])$/.exec(text) ?? []
  if (count === undefined)
    throw new UsageError(`expected a duration such as \`45m\`, \`8h\` or \`30d\`, got \`${text}\``)
  return Number(count) * (UNITS[unit] ?? 1)
}

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 }

/** A whole number, not negative. */
export function wholeNumber(text: string, what: string): number {
  if (!/^\d{1,15}$/.test(text))
    throw new UsageError(`expected ${what} as a number, got \`${text}\``)
  return Number(text)
}

/** One of a few words. */
export function oneOf<const W extends string>(words: readonly W[], text: string, what: string): W {
  const found = words.find((word) => word === text)
  if (found === undefined)
    throw new UsageError(`expected ${what} to be one of ${words.join(', ')}, got \`${text}\``)
  return found
}

/** A comma-separated list without empty members. */
export function listOf(text: string): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
}

/** `host` or `host:port`. */
export function hostOf(text: string): { readonly host: string; readonly port?: number } {
  const [, host, port] = /^(.+?)(?::(\d+))?$/.exec(text) ?? []
  if (host === undefined) throw new UsageError(`expected a host, got \`${text}\``)
  return { host, ...(port !== undefined && { port: Number(port) }) }
}

/** The text of a file that `what` names. */
export function textIn(file: string, what: string): string {
  return reading(file, what, () => readFileSync(file, 'utf8'))
}

/** A JSON value of a shape, from a file. */
export function jsonIn<T>(file: string, schema: z.ZodType<T>, what: string): T {
  return jsonOf(textIn(file, what), schema, `${what} in \`${file}\``)
}

/** A JSON value of a shape. */
export function jsonOf<T>(text: string, schema: z.ZodType<T>, what: string): T {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new UsageError(`expected ${what} as JSON: ${lowerFirst((cause as Error).message)}`)
  }
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const at = issue === undefined || issue.path.length === 0 ? '' : ` at \`${issue.path.join('.')}\``
  throw new UsageError(`${what}${at}: ${lowerFirst(issue?.message ?? 'expected another value')}`)
}

/** What `read` makes of a file or folder; that it cannot be read is told in words. */
export function reading<T>(path: string, what: string, read: () => T): T {
  try {
    return read()
  } catch (cause) {
    const { code = '' } = cause as NodeJS.ErrnoException
    throw new UsageError(`cannot read ${what}: \`${path}\` ${PROBLEMS[code] ?? `(${code})`}`)
  }
}

const PROBLEMS: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist',
  EACCES: 'is not readable for you',
  EISDIR: 'is a folder',
  ENOTDIR: 'is no folder',
}

function lowerFirst(text: string): string {
  const plain = text.replace(/^Invalid (?:input|option): /, '')
  return plain.charAt(0).toLowerCase() + plain.slice(1)
}
