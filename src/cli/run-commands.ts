/** `behalf demo|call`: the story, and one call as an agent makes it. */

import { spawn } from 'node:child_process'
import { join } from 'node:path'
import type { Command } from 'commander'
import * as z from 'zod'
import { systemClock } from '../base/clock.ts'
import { systemRandom } from '../base/random.ts'
import { agentAccess } from '../client/agent.ts'
import { callTool } from '../client/mcp.ts'
import { workloadApi } from '../client/workload.ts'
import { contextOf } from './context.ts'
import { EXIT, print } from './terminal.ts'

/** Adds the commands that run something. */
export function addRunCommands(program: Command): void {
  program
    .command('demo')
    .summary('play the tax office story; arguments after -- are passed on')
    .argument('[arguments...]')
    .action(async (rest: string[]) => {
      const script = join(import.meta.dirname, '../../examples/tax-office/demo.ts')
      const child = spawn(
        process.execPath,
        ['--disable-warning=ExperimentalWarning', script, ...rest],
        { stdio: 'inherit' },
      )
      const { promise, resolve } = Promise.withResolvers<number>()
      child.once('close', (code) => resolve(code ?? EXIT.fault))
      process.exitCode = await promise
    })
  program
    .command('call <tool> [arguments]')
    .summary('call a tool as an agent: SPIFFE_ENDPOINT_SOCKET and BEHALF_DELEGATION say which')
    .addHelpText(
      'after',
      '\nExample:\n  behalf call documents__read_text_file \'{"path":"/srv/documents/clients/1042/w2.txt"}\'\n',
    )
    .action(async (tool: string, args: string | undefined, _options: object, command: Command) => {
      const { terminal, url } = contextOf(command)
      const environment = z
        .object({ SPIFFE_ENDPOINT_SOCKET: z.string(), BEHALF_DELEGATION: z.string() })
        .parse(process.env)
      const workload = workloadApi(environment.SPIFFE_ENDPOINT_SOCKET, { clock: systemClock })
      const access = agentAccess(
        { issuer: url, workload, delegation: environment.BEHALF_DELEGATION },
        { clock: systemClock, random: systemRandom },
      )
      const result = await callTool(`${url}/mcp`, access.fetch, {
        name: tool,
        arguments: z.record(z.string(), z.json()).parse(JSON.parse(args ?? '{}')),
      })
      workload.close()
      print(
        terminal,
        result,
        result.content.map((part) => part.text ?? `[${part.type}]`).join('\n'),
      )
      process.exitCode = result.isError === true ? EXIT.refused : EXIT.done
    })
}
