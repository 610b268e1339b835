/** The command line. Exit status: 0 done, 1 refused, 2 usage, 3 fault. */

import { Command, CommanderError } from 'commander'
import { addAgentCommands } from './agent-commands.ts'
import { addConnectCommands } from './connect-commands.ts'
import { terminalOf } from './context.ts'
import { addConversationCommands } from './conversation-commands.ts'
import { addAttentionCommand } from './attention-command.ts'
import { addDelegationCommands } from './delegation-commands.ts'
import { addScopeCommands } from './scope-commands.ts'
import { addLogCommands } from './log-commands.ts'
import { addMigrateCommand } from './migrate-command.ts'
import { addPeopleCommands } from './people-commands.ts'
import { addPolicyCommands } from './policy-commands.ts'
import { addRunCommands } from './run-commands.ts'
import { addTurnCommands } from './turn-commands.ts'
import { addSandboxCommands } from './sandbox-commands.ts'
import { addSandboxedRun } from './sandboxed-run.ts'
import { addServeCommand } from './serve-command.ts'
import { addServerCommands } from './server-commands.ts'
import { EXIT, Refused, refused } from './terminal.ts'
import { UsageError } from './usage.ts'

const program = new Command('behalf')
  .description('The identity and authority plane for AI agents.')
  .option('--json', 'print one JSON value, for programs; refusals and errors too')
  .option('--url <origin>', 'the installation to talk to; also BEHALF_URL')
  .addHelpText(
    'after',
    '\nExit status: 0 done, 1 refused, 2 wrong usage, 3 something is broken.\nEvery command has examples: behalf <command> --help\n',
  )

addServeCommand(program)
addMigrateCommand(program)
addPeopleCommands(program)
addAgentCommands(program)
addServerCommands(program)
addPolicyCommands(program)
addDelegationCommands(program)
addAttentionCommand(program)
addScopeCommands(program)
addConversationCommands(program)
addTurnCommands(program)
addConnectCommands(program)
addRunCommands(program)
addLogCommands(program)
addSandboxCommands(program)
addSandboxedRun(program)
const json = process.argv.includes('--json')
for (const command of everyCommand(program)) {
  command.exitOverride().showHelpAfterError(`(\`${pathOf(command)} --help\` shows how)`)
  if (json) command.configureOutput({ writeErr: () => undefined })
}

try {
  await program.parseAsync()
} catch (cause) {
  process.exitCode = endedBy(cause)
}

/** Says why a command ended early; the exit status. */
function endedBy(cause: unknown): number {
  const terminal = terminalOf(json)
  if (cause instanceof Refused) return refused(terminal, cause)
  if (cause instanceof CommanderError) {
    if (cause.exitCode === 0) return EXIT.done
    if (json) terminal.out(`${JSON.stringify({ usage: cause.message })}\n`)
    return EXIT.usage
  }
  const status = cause instanceof UsageError ? EXIT.usage : EXIT.fault
  const message = messageOf(cause)
  if (json)
    terminal.out(`${JSON.stringify({ [status === EXIT.usage ? 'usage' : 'fault']: message })}\n`)
  else terminal.err(`behalf: ${message}\n`)
  return status
}

function everyCommand(command: Command): Command[] {
  return [command, ...command.commands.flatMap((child) => everyCommand(child))]
}

/** `behalf log verify`. */
function pathOf(command: Command): string {
  return command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`
}

/** What people can act on, with what caused it. */
function messageOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause)
  if (cause.cause instanceof Error) return `${cause.message}: ${messageOf(cause.cause)}`
  return cause.message
}
