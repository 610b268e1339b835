/** A real `behalf serve` in a process of its own, for scenarios, the crash test and benches. */

import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

/** A server that answers. */
export interface RunningServer {
  readonly url: string
  /** The one-time code of an empty installation. */
  readonly code?: string
  readonly process: ChildProcess
  /** Graceful: SIGTERM, then waits. */
  stop(): Promise<void>
  /** As a crash would: SIGKILL to the server process alone. */
  kill(): Promise<void>
}

/** Starts a server on a port of the system's choice and waits until it is ready. */
export async function startServer(options: {
  readonly home: string
  readonly port?: number
  readonly flags?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
}): Promise<RunningServer> {
  const main = join(import.meta.dirname, '../src/cli/main.ts')
  const flags = [
    '--home',
    join(options.home, 'installation'),
    '--port',
    String(options.port ?? 0),
    '--json',
    ...(options.flags ?? []),
  ]
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', main, 'serve', ...flags],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: process.env['PATH'] ?? '',
        HOME: options.home,
        ...options.environment,
      },
    },
  )
  const errors: string[] = []
  child.stderr.on('data', (chunk: Buffer) => errors.push(chunk.toString('utf8')))
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const ready = await new Promise<{ url: string; code?: string }>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const said = JSON.parse(line) as { event?: string; url?: string; code?: string }
      if (said.event === 'ready' && said.url !== undefined)
        resolve({ url: said.url, ...(said.code !== undefined && { code: said.code }) })
      else errors.push(`${line}\n`)
    })
    void closed.then(() =>
      reject(new Error(`the server ended before it was ready:\n${errors.join('')}`)),
    )
  })
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    child.kill(signal)
    await closed
  }
  return { ...ready, process: child, stop: () => end('SIGTERM'), kill: () => end('SIGKILL') }
}
