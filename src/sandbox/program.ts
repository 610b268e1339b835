/** What is to be run, resolved to real paths: JavaScript for our Node, or an executable. */

import { realpath } from 'node:fs/promises'
import { extname, isAbsolute, join, sep } from 'node:path'
import { ok, refuse, type Result } from '../base/result.ts'

/** A program with its real paths. */
export interface Program {
  readonly javascript: boolean
  /** The JavaScript file or the executable. */
  readonly file: string
  readonly args: readonly string[]
  /** What must be readable for it to load: its outermost `node_modules`, else the file alone. */
  readonly code: string
}

/** The command names nothing that could be run. */
export interface ProgramRefusal {
  readonly reason: 'command_missing'
  readonly message: string
}

const JAVASCRIPT = new Set(['.js', '.mjs', '.cjs', '.ts', '.mts', '.cts'])

/**
 * Resolves `command`; with `node`, or our own Node's path, the first argument is the JavaScript file:
 * options to Node are refused, for they could loosen the permissions that follow.
 */
export async function programOf(
  spec: { readonly command: string; readonly args: readonly string[] },
  env: { readonly nodePath: string },
): Promise<Result<Program, ProgramRefusal>> {
  const byNode = spec.command === 'node' || spec.command === env.nodePath
  const [named, args] = byNode
    ? [spec.args[0] ?? '', spec.args.slice(1)]
    : [spec.command, spec.args]
  if (!isAbsolute(named)) {
    return missing(`expected the absolute path of a program, got \`${named}\``)
  }
  const file = await realpath(named).catch(() => undefined)
  if (file === undefined) return missing(`expected a file at \`${named}\``)
  const javascript = JAVASCRIPT.has(extname(file))
  if (byNode && !javascript) return missing(`expected a JavaScript file, got \`${named}\``)
  return ok({ javascript, file, args, code: codeFolder(file) })
}

function codeFolder(file: string): string {
  const parts = file.split(sep)
  const at = parts.indexOf('node_modules')
  return at === -1 ? file : join(sep, ...parts.slice(0, at + 1))
}

function missing(message: string): Result<never, ProgramRefusal> {
  return refuse({ reason: 'command_missing', message })
}
