/**
 * Descriptors that whoever started us left open for every child: a shell, a supervisor, a debugger.
 *
 * Node closes its own at exec, and marks what it inherited only up to the first gap. A program in a
 * sandbox would hold the rest, so `launch.ts` lays the null device over each.
 */

import { openSync, readdirSync, readFileSync } from 'node:fs'

const CLOSE_ON_EXEC = 0o2000000
let known: { readonly inherited: readonly number[]; readonly nothing: number } | undefined

/** Those above the three standard ones, looked up once: what is opened later closes by itself. */
export function inheritedDescriptors(): { inherited: readonly number[]; nothing: number } {
  known ??= { inherited: find(), nothing: openSync('/dev/null', 'r') }
  return known
}

function find(): number[] {
  try {
    return readdirSync('/proc/self/fd')
      .map(Number)
      .filter((fd) => fd > 2 && staysOpen(fd))
  } catch {
    return []
  }
}

function staysOpen(fd: number): boolean {
  try {
    const flags = /^flags:\s+(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'))?.[1]
    return flags !== undefined && (Number.parseInt(flags, 8) & CLOSE_ON_EXEC) === 0
  } catch {
    // The descriptor of the listing itself.
    return false
  }
}
