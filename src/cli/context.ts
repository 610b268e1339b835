/** What every command starts from: where the installation is, who is signed in, where to write. */

import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Command } from 'commander'
import * as z from 'zod'
import { unknownVariable } from '../app/configuration.ts'
import { type Client, connect } from '../client/client.ts'
import type { Terminal } from './terminal.ts'
import { UsageError } from './usage.ts'

/** The surroundings of one command. */
export interface Context {
  readonly terminal: Terminal
  readonly url: string
  readonly client: Client
  readonly session: string | undefined
}

const signInSchema = z.object({ url: z.string(), token: z.string() })

/** The folder of what belongs to the user of the command line, and by default to the server. */
export function homeFolder(environment = process.env): string {
  return environment['BEHALF_HOME'] ?? join(homedir(), '.behalf')
}

/** The file that `behalf login` keeps; `BEHALF_SESSION` may hold a token instead. */
function sessionFile(): string {
  return join(homeFolder(), 'session.json')
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
  const misspelt = unknownVariable(process.env)
  if (misspelt !== undefined)
    throw new UsageError(`expected no variable \`${misspelt}\`: there is no such setting`)
  const kept = readKept()
  const url = originOf(
    options.url ?? process.env['BEHALF_URL'] ?? kept?.url ?? 'http://127.0.0.1:8787',
  )
  const session = process.env['BEHALF_SESSION'] ?? (kept?.url === url ? kept.token : undefined)
  return {
    terminal: terminalOf(options.json ?? false),
    url,
    session,
    client: connect({ url, fetch: reach, ...(session !== undefined && { session }) }),
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

/** An origin, without the slash that people put behind it. */
function originOf(text: string): string {
  const url = URL.parse(text)
  if (url === null || !/^https?:$/.test(url.protocol) || url.origin !== text.replace(/\/$/, '')) {
    throw new UsageError(`expected an origin such as \`http://127.0.0.1:8787\`, got \`${text}\``)
  }
  return url.origin
}

async function reach(request: Request): Promise<Response> {
  try {
    return await fetch(request)
  } catch (cause) {
    const { origin } = new URL(request.url)
    const message = `no installation answers at ${origin}: is \`behalf serve\` running there?`
    throw new Error(message, { cause })
  }
}

function readKept(): z.infer<typeof signInSchema> | undefined {
  try {
    return signInSchema.parse(JSON.parse(readFileSync(sessionFile(), 'utf8')))
  } catch {
    return undefined
  }
}
