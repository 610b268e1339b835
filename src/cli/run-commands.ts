/** `behalf demo|call|bridge`: what runs as an agent, or as the whole story. */

import { spawn } from 'node:child_process'
import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { existsSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import type { Command } from 'commander'
import * as z from 'zod'
import { systemClock } from '../base/clock.ts'
import { systemRandom } from '../base/random.ts'
import { agentAccess, ExchangeRefused } from '../client/agent.ts'
import { callTool, ProtocolRefused } from '../client/mcp.ts'
import { contextOf, homeFolder } from './context.ts'
import { EXIT, examples, print, Refused, refused } from './terminal.ts'
import { jsonOf, reading, textIn, UsageError } from './usage.ts'

/** Adds the commands that run something. */
export function addRunCommands(program: Command): void {
  program
    .command('demo')
    .summary('play the tax office story; arguments after -- are passed on')
    .argument('[arguments...]')
    .addHelpText('after', examples('behalf demo', 'behalf demo -- --once --json'))
    .action(demo)
  program
    .command('call <tool> [arguments]')
    .summary('call a tool as an agent: SPIFFE_ENDPOINT_SOCKET and BEHALF_DELEGATION say which')
    .option(
      '--key-file <file>',
      'the key that its tokens are bound to, made when missing; an agent has one key for life, so without it only one command can call as this agent',
    )
    .addHelpText(
      'after',
      examples(
        'SPIFFE_ENDPOINT_SOCKET=unix:///…/agents/….sock BEHALF_DELEGATION=eyJ… behalf call documents__read_text_file \'{"path":"/srv/documents/clients/1042/w2.txt"}\' --key-file agent.pem',
      ),
    )
    .action(call)
  program
    .command('bridge <connection>')
    .summary('serve MCP over stdio to one window of a client; `behalf connect` sets it up')
    .option('--door <socket>', 'the socket of the installation; by default bridge.sock in its home')
    .addHelpText('after', examples('behalf bridge con_…'))
    .action(bridgeWindow)
}

async function demo(rest: string[]): Promise<void> {
  const script = join(import.meta.dirname, '../../examples/tax-office/demo.ts')
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', script, ...rest],
    { stdio: 'inherit' },
  )
  const { promise, resolve } = Promise.withResolvers<number>()
  child.once('close', (code) => resolve(code ?? EXIT.fault))
  process.exitCode = await promise
}

async function call(
  tool: string,
  args: string | undefined,
  options: { readonly keyFile?: string },
  command: Command,
): Promise<void> {
  const { terminal, url } = contextOf(command)
  const { SPIFFE_ENDPOINT_SOCKET: socket, BEHALF_DELEGATION: delegation } = process.env
  if (socket === undefined || delegation === undefined)
    throw new UsageError('expected SPIFFE_ENDPOINT_SOCKET and BEHALF_DELEGATION to be set')
  const given = jsonOf(args ?? '{}', z.record(z.string(), z.json()), 'arguments')
  const key = options.keyFile === undefined ? undefined : keptKey(options.keyFile)
  const { workloadApi } = await import('../client/workload.ts')
  const workload = workloadApi(socket, { clock: systemClock })
  const access = agentAccess(
    { issuer: url, workload, delegation, ...(key !== undefined && { key }) },
    { clock: systemClock, random: systemRandom },
  )
  try {
    const result = await callTool(`${url}/mcp`, access.fetch, { name: tool, arguments: given })
    const text = result.content.map((part) => part.text ?? `[${part.type}]`).join('\n')
    print(terminal, result, text)
    process.exitCode = result.isError === true ? EXIT.refused : EXIT.done
  } catch (fault) {
    if (fault instanceof ExchangeRefused) throw new Refused(fault.code, fault.message)
    if (fault instanceof ProtocolRefused) throw new Refused('protocol_error', fault.message)
    throw fault
  } finally {
    workload.close()
  }
}

/** The agent's key, made on first use: 0600, never overwritten. */
function keptKey(file: string): KeyObject {
  if (!existsSync(file)) {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' })
    reading(file, 'the key', () => writeFileSync(file, pem, { mode: 0o600, flag: 'wx' }))
  }
  const pem = textIn(file, 'the key')
  return reading(file, 'the key', () => createPrivateKey(pem))
}

async function bridgeWindow(
  connection: string,
  options: { readonly door?: string },
  command: Command,
): Promise<void> {
  // In `behalf run` the bridge is outside, behind a port of the sandbox's loopback.
  const port = process.env['BEHALF_BRIDGE_PORT']
  if (port !== undefined) return await behindPort(Number(port))
  const { terminal } = contextOf(command)
  const leaving = new AbortController()
  const leave = (): void => leaving.abort()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, leave)
  // Nobody reads any more.
  process.stdout.on('error', leave)
  const { bridge } = await import('../client/bridge.ts')
  const served = await bridge(
    {
      door: options.door ?? join(homeFolder(), 'bridge.sock'),
      connection,
      signal: leaving.signal,
    },
    { input: process.stdin, output: process.stdout },
    {
      clock: systemClock,
      random: systemRandom,
      say: (line) => terminal.err(`behalf: ${line}\n`),
    },
  )
  process.stdin.destroy()
  // Standard output belongs to the protocol: what went wrong is for the client's log.
  if (!served.ok) process.exitCode = refused({ ...terminal, json: false }, served.error)
  else if (served.value.ended !== undefined) {
    const message = 'the installation ended this window'
    process.exitCode = refused(
      { ...terminal, json: false },
      { reason: served.value.ended, message },
    )
  }
}

/** Hands the client's streams to the bridge outside of the sandbox that this runs in. */
async function behindPort(port: number): Promise<void> {
  const socket = connect({ port, host: '127.0.0.1' })
  process.stdin.pipe(socket).pipe(process.stdout)
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  socket.once('close', () => resolve())
  socket.once('error', (cause) => reject(new Error('reaching the bridge', { cause })))
  await promise
  process.stdin.destroy()
}
