/** `behalf connect|connection`: MCP clients of the signed-in person, whose windows become agents. */

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import type { Output } from '../api/operations.ts'
import { act } from './act.ts'
import {
  addServer,
  type ClientName,
  CLIENTS,
  commandOf,
  fileOf,
  replaceFile,
  type ServerEntry,
  snippetOf,
  textOf,
  titleOf,
} from './client-configuration.ts'
import { contextOf } from './context.ts'
import { DETAILS, detailsIn, INTENT_HELP } from './delegation-commands.ts'
import { dateText, examples, facts, finish, Refused, table } from './terminal.ts'
import { oneOf, secondsOf, UsageError } from './usage.ts'

/** Adds the commands about connected clients. */
export function addConnectCommands(program: Command): void {
  program
    .command('connect <client>')
    .summary(`connect an MCP client: ${CLIENTS.join(', ')}`)
    .requiredOption('--archetype <name>', 'the kind of agent that its windows are')
    .requiredOption('--details <file>', DETAILS)
    .option('--purpose <text>', 'what it is to be used for; by default `work in <client>`')
    .option('--for <duration>', 'how long: 8h, 30d', '30d')
    .option('--write', 'write the configuration of the client, beside what is there')
    .option('--folder <folder>', 'the project whose configuration is written', '.')
    .option('--name <name>', 'what the client calls the server', 'behalf')
    .option('--replace', 'replace a server of that name')
    .addHelpText(
      'after',
      examples(
        'behalf connect claude --archetype coder --details intent.json --write',
        'behalf connect codex --archetype coder --details intent.json --for 8h',
      ) + INTENT_HELP,
    )
    .action(connectClient)

  const connection = program.command('connection').summary('connected MCP clients')
  connection
    .command('list')
    .summary('list your connections, newest first')
    .addHelpText('after', examples('behalf connection list'))
    .action(
      act(
        'listConnections',
        () => ({}),
        ({ connections }) =>
          table(
            ['id', 'client', 'state', 'expires', 'delegation'],
            connections.map((each) => [
              each.id,
              each.client,
              each.state,
              dateText(each.expiresAt),
              each.delegation,
            ]),
          ),
      ),
    )
  connection
    .command('end <connection>')
    .summary('revoke its delegation and end its windows')
    .option('--reason <text>', 'why')
    .addHelpText('after', examples('behalf connection end con_… --reason "laptop lost"'))
    .action(
      act(
        'endConnection',
        (id, options) => ({
          id,
          ...(options['reason'] !== undefined && { reason: options['reason'] }),
        }),
        () => 'ended',
      ),
    )
}

interface ConnectOptions {
  readonly archetype: string
  readonly details: string
  readonly purpose?: string
  readonly for: string
  readonly write?: true
  readonly folder: string
  readonly name: string
  readonly replace?: true
}

async function connectClient(
  named: string,
  options: ConnectOptions,
  command: Command,
): Promise<void> {
  const client = oneOf(CLIENTS, named, 'client')
  if (!/^[A-Za-z0-9_-]{1,60}$/.test(options.name))
    throw new UsageError(
      `expected --name of letters, digits, \`_\` and \`-\`, got \`${options.name}\``,
    )
  const file = fileOf(client, options.folder)
  // Before anything is delegated: whether it can be written at all.
  if (options.write === true) planned(client, entryOf(options.name, 'con_', ''), file, options)
  const uid = process.getuid?.()
  if (uid === undefined) throw new UsageError('expected a system with user ids')

  const { terminal, client: api } = contextOf(command)
  const made = await api.call('createConnection', {
    client,
    purpose: options.purpose ?? `work in ${titleOf(client)}`,
    archetype: options.archetype,
    uid,
    expiresIn: secondsOf(options.for),
    details: detailsIn(options.details),
  })
  if (!made.ok) {
    process.exitCode = await finish(terminal, made, () => '')
    return
  }
  const entry = entryOf(options.name, made.value.id, made.value.door)
  const wrote = options.write === true
  if (wrote) replaceFile(file, planned(client, entry, file, options))
  const value = { ...made.value, server: entry, file, wrote }
  process.exitCode = await finish(terminal, { ok: true, value }, () =>
    connectedText(client, made.value, { entry, file, wrote }),
  )
}

/** The server that the client starts, once per window. */
function entryOf(name: string, connection: string, door: string): ServerEntry {
  const program = join(import.meta.dirname, '../../bin/behalf')
  return { name, command: program, args: ['bridge', connection, '--door', door] }
}

/** The new text of the client's file; what stands in the way ends the command. */
function planned(
  client: ClientName,
  entry: ServerEntry,
  file: string,
  { replace = false }: { readonly replace?: boolean },
): string {
  const text = addServer(client, entry, textOf(file), replace)
  if (text.ok) return text.value
  const { reason, message } = text.error
  const instead = reason === 'name_taken' ? '' : '; leave --write out to see what to add by hand'
  throw new Refused(reason, `\`${file}\`: ${message}${instead}`)
}

function connectedText(
  client: ClientName,
  connection: Output<'createConnection'>,
  {
    entry,
    file,
    wrote,
  }: { readonly entry: ServerEntry; readonly file: string; readonly wrote: boolean },
): string {
  const { id, agent, delegation, selectors, expiresAt } = connection
  const byCommand = commandOf(client, entry)
  const lines = [
    facts({ connection: id, agent, delegation, 'windows of': selectors, expiresAt }),
    '',
    ...(wrote
      ? [`wrote \`${file}\`: start ${titleOf(client)} there, each window is an agent of its own`]
      : [
          `add this to \`${file}\`, or run again with --write:`,
          '',
          snippetOf(client, entry).trimEnd(),
        ]),
    ...(wrote || byCommand === undefined ? [] : ['', 'or:', `  ${byCommand}`]),
    ...(existsSync(connection.door)
      ? []
      : [
          '',
          `there is no \`${connection.door}\` here: windows open only on the machine of the installation`,
        ]),
    '',
    `to take it back: behalf connection end ${id}`,
  ]
  return lines.join('\n')
}
