/** `behalf server|policy|key`. */

import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { Command } from 'commander'
import * as z from 'zod'
import type { Input } from '../api/operations.ts'
import { act } from './act.ts'
import { addDraftCommand } from './draft-review.ts'
import { facts, table } from './terminal.ts'

/** Adds the commands about MCP servers, policies and keys. */
export function addServerCommands(program: Command): void {
  const server = program.command('server').summary('MCP servers under review')
  server
    .command('register <name>')
    .summary('register a server; nothing of it is offered before a review')
    .requiredOption('--title <text>', 'what people call it')
    .option('--command <command>', 'program of a stdio server')
    .option('--args <json>', 'its arguments, a JSON list', '[]')
    .option('--read-only <paths>', 'comma-separated folders that it may read')
    .option('--read-write <paths>', 'comma-separated folders that it may write')
    .option('--at <url>', 'address of a streamable HTTP server')
    .option('--credential <name>', 'the upstream credential to send to it')
    .addHelpText(
      'after',
      '\nExamples:\n  behalf server register documents --title Documents --command mcp-server-filesystem --args \'["/srv/documents"]\' --read-only /srv/documents\n  behalf server register tax-engine --title "Tax engine" --at http://127.0.0.1:9000/mcp\n',
    )
    .action(
      act(
        'registerServer',
        (name, options) => ({
          name,
          title: options['title'] ?? name,
          transport: transportOf(options),
        }),
        facts,
      ),
    )
  server.command('list').action(
    act(
      'listServers',
      () => ({}),
      ({ servers }) =>
        table(
          ['name', 'state', 'revision', 'tools'],
          servers.map((s) => [s.name, s.state, String(s.revision), String(s.tools.length)]),
        ),
    ),
  )
  server
    .command('observe <server>')
    .summary('connect and keep what it offers, for review')
    .action(
      act(
        'observeServer',
        (id) => ({ id }),
        ({ definitions }) =>
          table(
            ['kind', 'name', 'digest'],
            definitions.map((d) => [d.kind, d.name, d.digest]),
          ),
      ),
    )
  addDraftCommand(server)
  server
    .command('review <server>')
    .summary('accept what was observed, from a review file')
    .requiredOption('--file <json>', 'tools with class and sinks, and the digests that were read')
    .action(
      act('reviewServer', (id, options) => ({ id, ...reviewOf(options['file'] ?? '') }), facts),
    )
  server.command('withdraw <server>').action(
    act(
      'withdrawServer',
      (id) => ({ id }),
      () => 'withdrawn',
    ),
  )
  server
    .command('credential <server> <name>')
    .summary('keep a sealed upstream credential, read from standard input')
    .action(
      act(
        'setCredential',
        (id, _options, name) => ({ id, name: name ?? '', value: readFileSync(0, 'utf8').trim() }),
        () => 'kept',
      ),
    )

  const policy = program.command('policy').summary('Cedar policy sets')
  policy.command('show').action(
    act(
      'showPolicies',
      () => ({}),
      ({ version, sets }) =>
        [
          `version: ${version}`,
          ...Object.entries(sets).map(([name, text]) => `\n// ${name}.cedar\n${text}`),
        ].join('\n'),
    ),
  )
  policy
    .command('activate <folder>')
    .summary('validate and activate the .cedar files of a folder')
    .action(act('activatePolicies', (folder) => ({ sets: setsIn(folder) }), facts))

  program
    .command('key')
    .summary('signing keys')
    .command('rotate <purpose>')
    .summary('issuer, svid_ca or svid_jwt')
    .action(
      act('rotateKey', (purpose) => ({ purpose: purpose as Input<'rotateKey'>['purpose'] }), facts),
    )
}

type Transport = Input<'registerServer'>['transport']

function transportOf(options: Readonly<Record<string, string | undefined>>): Transport {
  if (options['at'] !== undefined) {
    return {
      type: 'http',
      url: options['at'],
      ...(options['credential'] !== undefined && { credential: options['credential'] }),
    }
  }
  return {
    type: 'stdio',
    command: options['command'] ?? '',
    args: z.array(z.string()).parse(JSON.parse(options['args'] ?? '[]')),
    ...(options['readOnly'] !== undefined && { readOnly: options['readOnly'].split(',') }),
    ...(options['readWrite'] !== undefined && { readWrite: options['readWrite'].split(',') }),
  }
}

function reviewOf(file: string): Pick<Input<'reviewServer'>, 'tools' | 'digests'> {
  return JSON.parse(readFileSync(file, 'utf8')) as Pick<Input<'reviewServer'>, 'tools' | 'digests'>
}

function setsIn(folder: string): Record<string, string> {
  const files = readdirSync(folder).filter((file) => file.endsWith('.cedar'))
  return Object.fromEntries(
    files.map((file) => [basename(file, '.cedar'), readFileSync(join(folder, file), 'utf8')]),
  )
}
