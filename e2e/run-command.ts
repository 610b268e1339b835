/** Programs that a test starts and waits for, while what it serves goes on: a shell, or `behalf`. */

import { spawn } from 'node:child_process'
import { join } from 'node:path'

/** What a program did. */
export interface Ran {
  readonly status: number
  /** Standard output, then standard error. */
  readonly output: string
}

/** Runs a command in a shell, in the folder that is HOME; at most `seconds`. */
export async function runCommand(
  command: string,
  environment: Readonly<Record<string, string>>,
  seconds = 60,
): Promise<Ran> {
  return await run('/bin/sh', ['-c', command], environment, seconds)
}

/** Runs `behalf` with these arguments as they are, as somebody whose home and session this is. */
export async function runBehalf(
  args: readonly string[],
  as: { readonly home: string; readonly url: string; readonly session: string },
): Promise<Ran> {
  const environment = {
    PATH: process.env['PATH'] ?? '',
    HOME: as.home,
    BEHALF_URL: as.url,
    BEHALF_SESSION: as.session,
  }
  return await run(join(import.meta.dirname, '../bin/behalf'), args, environment, 60)
}

async function run(
  program: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
  seconds: number,
): Promise<Ran> {
  const child = spawn(program, args, {
    env: environment,
    ...(environment['HOME'] !== undefined && { cwd: environment['HOME'] }),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const out: Buffer[] = []
  const err: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk))
  const timer = setTimeout(() => child.kill('SIGKILL'), seconds * 1_000)
  const { promise, resolve } = Promise.withResolvers<number>()
  child.once('close', (code) => resolve(code ?? -1))
  const status = await promise
  clearTimeout(timer)
  return { status, output: Buffer.concat([...out, ...err]).toString('utf8') }
}
