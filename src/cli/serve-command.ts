/** `behalf serve`: runs the installation until it is told to stop. */

import type { Command } from 'commander'
import {
  configurationSchema,
  FIELDS,
  flagOf,
  readConfiguration,
  variableOf,
} from '../app/configuration.ts'
import { jsonDiagnostics } from '../base/diagnostics.ts'
import { terminalOf } from './context.ts'
import { EXIT, examples } from './terminal.ts'
import { UsageError } from './usage.ts'

/** Adds `serve`, with a flag for every field of the configuration. */
export function addServeCommand(program: Command): void {
  const command = program.command('serve').summary('run an installation')
  for (const field of FIELDS) {
    const description = configurationSchema.shape[field].description ?? ''
    command.option(`${flagOf(field)} <value>`, `${description} (${variableOf(field)})`)
  }
  command
    .addHelpText(
      'after',
      examples('behalf serve', 'behalf serve --home /var/lib/behalf --trust-domain acme.example'),
    )
    .action(async (flags: Record<string, string | undefined>, self: Command) => {
      const terminal = terminalOf(Boolean(self.optsWithGlobals()['json']))
      const configuration = readConfiguration(flags, process.env)
      if (!configuration.ok) throw new UsageError(configuration.error.message)
      // The whole server is behind it: the other commands start twice as fast without.
      const { serve } = await import('../app/serve.ts')
      const diagnostics = jsonDiagnostics(terminal.err, () => Date.now())
      const running = await serve(configuration.value, diagnostics)
      if (terminal.json)
        terminal.out(
          `${JSON.stringify({ event: 'ready', url: running.url, code: running.code })}\n`,
        )
      else terminal.out(greeting(running))
      const { promise: told, resolve } = Promise.withResolvers<undefined>()
      for (const signal of ['SIGINT', 'SIGTERM'] as const) {
        process.once(signal, () => resolve(undefined))
      }
      // INVARIANT (append only): where the log does not continue what was signed, nothing more is granted.
      const broken = await Promise.race([told, running.broken])
      await running.stop()
      if (broken === undefined) return
      terminal.err(`behalf: stopped: the log does not continue what was signed: ${broken}\n`)
      process.exitCode = EXIT.fault
    })
}

function greeting({ url, code }: { readonly url: string; readonly code?: string }): string {
  const lines = [`behalf serves ${url}`]
  if (code !== undefined) {
    lines.push(
      '',
      'This installation has no administrator yet. Become it, once, within a day:',
      `  behalf login --url ${url} --code ${code}`,
    )
  }
  return `${lines.join('\n')}\n`
}
