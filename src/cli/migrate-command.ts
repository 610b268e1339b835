/** `behalf migrate`: the owner of the tables prepares a Postgres of yours for the role that serves. */

import type { Command } from 'commander'
import { configurationSchema, readConfiguration } from '../app/configuration.ts'
import { jsonDiagnostics } from '../base/diagnostics.ts'
import { terminalOf } from './context.ts'
import { examples } from './terminal.ts'
import { UsageError } from './usage.ts'

/** Adds `migrate`. */
export function addMigrateCommand(program: Command): void {
  program
    .command('migrate')
    .summary('prepare a Postgres of yours, as the owner of its tables')
    .description(
      'Brings the schema up to date, and grants the role that `behalf serve` connects as what it needs. ' +
        'That role then cannot rewrite the log, a delegation or a review, nor make or drop a table.',
    )
    .requiredOption('--serving-role <role>', 'the role that serves, made before')
    .option('--database-url <url>', "the owner's connection string; also DATABASE_URL")
    .addHelpText(
      'after',
      examples(
        'psql -c "create role behalf_owner login" -c "create role behalf_serving login"',
        'psql -c "create database behalf owner behalf_owner"',
        'behalf migrate --database-url postgresql://behalf_owner@127.0.0.1/behalf --serving-role behalf_serving',
        'behalf serve --database-url postgresql://behalf_serving@127.0.0.1/behalf',
      ),
    )
    .action(
      async (
        flags: { servingRole: string; databaseUrl?: string },
        self: Command,
      ): Promise<void> => {
        const terminal = terminalOf(Boolean(self.optsWithGlobals()['json']))
        const { databaseUrl, servingRole: role } = flags
        const given = readConfiguration({ databaseUrl }, process.env)
        if (!given.ok) throw new UsageError(given.error.message)
        const { databaseUrl: url } = given.value
        if (url === undefined) {
          const needed = configurationSchema.shape.databaseUrl.description ?? ''
          throw new UsageError(`expected \`--database-url\`: ${needed}`)
        }
        const { migrateFor } = await import('../app/migrate-for.ts')
        await migrateFor(role, {
          url,
          diagnostics: jsonDiagnostics(terminal.err, () => Date.now()),
        })
        terminal.out(terminal.json ? `${JSON.stringify({ role })}\n` : `\`${role}\` may serve\n`)
      },
    )
}
