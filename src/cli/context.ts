/** What every command starts from: where the installation is, who is signed in, where to write. */

import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Command } from 'commander'
import * as z from 'zod'
import { type Client, connect } from '../client/client.ts'
import type { Terminal } from './terminal.ts'

/** The surroundings of one command. */
export interface Context {
  readonly terminal: Terminal
  readonly url: string
  readonly client: Client
  readonly session: string | undefined
}

const signInSchema = z.object({ url: z.string(), token: z.string() })

/** The file that `behalf login` keeps; `BEHALF_SESSION` may hold a token instead. */
export function sessionFile(environment = process.env): string {
  return join(environment['BEHALF_HOME'] ?? join(homedir(), '.behalf'), 'session.json')
}

/** Keeps a session token, readable by its owner only. */
export function keepSession(url: string, token: string): void {
  const file = sessionFile()
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  const next = `${file}.${process.pid}`
  writeFileSync(next, JSON.stringify({ url, token }), { mode: 0o600 })
  chmodSync(next, 0o600)
  renameSync(next, file)
}

/** Forgets the session token. */
export function forgetSession(): void {
  rmSync(sessionFile(), { force: true })
}

/** The context that the global options and the environment describe. */
export function contextOf(command: Command): Context {
  const options = z
    .object({ json: z.boolean().optional(), url: z.string().optional() })
    .parse(command.optsWithGlobals())
  const kept = readKept()
  const url = options.url ?? process.env['BEHALF_URL'] ?? kept?.url ?? 'http://127.0.0.1:8787'
  const session = process.env['BEHALF_SESSION'] ?? (kept?.url === url ? kept.token : undefined)
  return {
    terminal: terminalOf(options.json ?? false),
    url,
    session,
    client: connect({ url, ...(session !== undefined && { session }) }),
  }
}

/** A terminal on the standard streams. */
export function terminalOf(json: boolean): Terminal {
  return {
    json,
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
  }
}

function readKept(): z.infer<typeof signInSchema> | undefined {
  try {
    return signInSchema.parse(JSON.parse(readFileSync(sessionFile(), 'utf8')))
  } catch {
    return undefined
  }
}
