/** `behalf demo|call|bridge`: what runs as an agent, or as the whole story. */

import { spawn } from 'node:child_process'
import { connect } from 'node:net'
import { join } from 'node:path'
import type { Command } from 'commander'
import * as z from 'zod'
import { systemClock } from '../base/clock.ts'
import { systemRandom } from '../base/random.ts'
import { callTool } from '../client/mcp.ts'
import { asAgent, KEY_FILE } from './as-agent.ts'
import { contextOf, homeFolder } from './context.ts'
import { EXIT, examples, print, refused } from './terminal.ts'
import { jsonOf } from './usage.ts'

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
    .option('--key-file <file>', KEY_FILE)
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
  const given = jsonOf(args ?? '{}', z.record(z.string(), z.json()), 'arguments')
  await asAgent(command, options, async (access, { terminal, url }) => {
    const result = await callTool(`${url}/mcp`, access.fetch, { name: tool, arguments: given })
    const text = result.content.map((part) => part.text ?? `[${part.type}]`).join('\n')
    print(terminal, result, text)
    process.exitCode = result.isError === true ? EXIT.refused : EXIT.done
  })
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
