/** The command line. Exit status: 0 done, 1 refused, 2 usage, 3 fault. */

import { Command, CommanderError } from 'commander'
import { addAgentCommands } from './agent-commands.ts'
import { addDelegationCommands } from './delegation-commands.ts'
import { addLogCommands } from './log-commands.ts'
import { addPeopleCommands } from './people-commands.ts'
import { addRunCommands } from './run-commands.ts'
import { addServeCommand } from './serve-command.ts'
import { addServerCommands } from './server-commands.ts'
import { EXIT } from './terminal.ts'

const program = new Command('behalf')
  .description('The identity and authority plane for AI agents.')
  .option('--json', 'print JSON, for programs')
  .option('--url <origin>', 'the installation to talk to; also BEHALF_URL')
  .showHelpAfterError('(behalf <command> --help shows examples)')
  .exitOverride()

addServeCommand(program)
addPeopleCommands(program)
addAgentCommands(program)
addServerCommands(program)
addDelegationCommands(program)
addRunCommands(program)
addLogCommands(program)
for (const command of everyCommand(program)) command.exitOverride()

try {
  await program.parseAsync()
} catch (cause) {
  if (cause instanceof CommanderError) {
    process.exitCode = cause.exitCode === 0 ? EXIT.done : EXIT.usage
  } else {
    process.stderr.write(`behalf: ${messageOf(cause)}\n`)
    process.exitCode = EXIT.fault
  }
}

function everyCommand(command: Command): Command[] {
  return [command, ...command.commands.flatMap((child) => everyCommand(child))]
}

/** What people can act on: an address that does not answer is named as such. */
function messageOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause)
  if (cause.cause instanceof Error) return `${cause.message}: ${messageOf(cause.cause)}`
  return cause.message
}
