/**
 * A terminal of a program's own, made inside its jail by util-linux `script`.
 *
 * The person's terminal never enters: what they type goes in over a pipe, what is drawn comes out over one. So
 * the program has nothing to push input into (TIOCSTI), and a new session of its own. What it draws is still
 * shown to the person, escape sequences and all.
 */

import { spawn } from 'node:child_process'

/** In characters. */
export interface TerminalSize {
  readonly rows: number
  readonly columns: number
}

/** What makes the terminal. */
export const SCRIPT = '/usr/bin/script'
const STTY = '/usr/bin/stty'
const MOST = 10_000
const RESIZE_MILLISECONDS = 2_000

/** The command that runs `command` in a terminal of that size, and ends with its status. */
export function inTerminal(size: TerminalSize, command: readonly string[]): string[] {
  const started = ['stty', ...rowsAndColumns(size)].join(' ')
  const text = `${started}; exec ${command.map(quoted).join(' ')}`
  // `script` runs its text by $SHELL, which must read it as we wrote it.
  return ['/usr/bin/env', 'SHELL=/bin/sh', SCRIPT, '-qefc', text, '/dev/null']
}

/**
 * Gives the terminal of the jail whose first process is `root` another size; the kernel tells the programs
 * in it. The path leads to a device of the jail's own devpts, where a program can put nothing else. Where it
 * may not be opened from outside, the size stays.
 */
export function resize(root: number, size: TerminalSize): void {
  const path = `/proc/${root}/root/dev/pts/0`
  const child = spawn(STTY, ['-F', path, ...rowsAndColumns(size)], {
    env: {},
    stdio: 'ignore',
    timeout: RESIZE_MILLISECONDS,
  })
  child.once('error', () => {})
}

function rowsAndColumns({ rows, columns }: TerminalSize): string[] {
  return ['rows', bounded(rows), 'cols', bounded(columns)]
}

function bounded(size: number): string {
  return String(Number.isSafeInteger(size) ? Math.min(MOST, Math.max(1, size)) : 1)
}

/** One word of a POSIX shell, whatever is in it. */
function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`
}
