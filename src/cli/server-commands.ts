/** `behalf server|key`; `behalf policy` is in `policy-commands.ts`. */

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import type { Command } from 'commander'
import * as z from 'zod'
import type { Input, Output } from '../api/operations.ts'
import { act, type Options } from './act.ts'
import { contextOf } from './context.ts'
import { examples, facts, finish, table } from './terminal.ts'
import { hostOf, jsonIn, jsonOf, listOf, oneOf, UsageError } from './usage.ts'

/** Adds the commands about MCP servers, policies and keys. */
export function addServerCommands(program: Command): void {
  const server = program.command('server').summary('MCP servers under review')
  addRegistrationCommands(server)
  addReviewCommands(server)
  program
    .command('key')
    .summary('signing keys')
    .command('rotate <purpose>')
    .summary('rotate a key: issuer, svid_ca or svid_jwt')
    .addHelpText('after', examples('behalf key rotate issuer'))
    .action(
      act(
        'rotateKey',
        (purpose) => ({ purpose: oneOf(['issuer', 'svid_ca', 'svid_jwt'], purpose, 'purpose') }),
        facts,
      ),
    )
}

function addRegistrationCommands(server: Command): void {
  reaching(
    server
      .command('register <name>')
      .summary('register a server; nothing of it is offered before a review')
      .requiredOption('--title <text>', 'what people call it'),
  )
    .addHelpText(
      'after',
      examples(
        'behalf server register documents --title Documents --command mcp-server-filesystem --args \'["/srv/documents"]\' --read-only /srv/documents',
        'behalf server register tickets --title Tickets --command /opt/tickets/server --allow api.tickets.example --inject api.tickets.example=office --limits \'{"memoryBytes":268435456}\'',
        'behalf server register tax-engine --title "Tax engine" --at http://127.0.0.1:9000/mcp',
      ),
    )
    .action(
      act(
        'registerServer',
        (name, options) => ({
          name,
          title: options['title'] ?? name,
          transport: transportOf(options),
        }),
        serverText,
      ),
    )
  reaching(
    server
      .command('change <server>')
      .summary('change how a server is reached and confined; it has to be reviewed again'),
  )
    .addHelpText(
      'after',
      examples(
        'behalf server change documents --command mcp-server-filesystem --args \'["/srv/documents"]\' --read-only /srv/documents --tier T1',
      ),
    )
    .action(
      act('changeServer', (id, options) => ({ id, transport: transportOf(options) }), serverText),
    )
  server
    .command('list')
    .summary('list registered servers')
    .addHelpText('after', examples('behalf server list'))
    .action(
      act(
        'listServers',
        () => ({}),
        ({ servers }) =>
          table(
            ['name', 'state', 'revision', 'tools', 'reason'],
            servers.map((each) => [
              each.name,
              each.state,
              String(each.revision),
              String(each.tools.length),
              each.reason ?? '',
            ]),
          ),
      ),
    )
  server
    .command('withdraw <server>')
    .summary('withdraw a server for good')
    .addHelpText('after', examples('behalf server withdraw documents'))
    .action(
      act(
        'withdrawServer',
        (id) => ({ id }),
        () => 'withdrawn',
      ),
    )
  server
    .command('credential <server> <name>')
    .summary('keep a sealed upstream credential, read from standard input')
    .addHelpText('after', examples('behalf server credential tax-engine office < key.txt'))
    .action(
      act(
        'setCredential',
        (id, _options, name) => ({ id, name: name ?? '', value: readFileSync(0, 'utf8').trim() }),
        () => 'kept',
      ),
    )
}

/** The options that say how a server is reached, and what it may use and reach itself. */
function reaching(command: Command): Command {
  return command
    .option('--command <command>', 'program of a stdio server')
    .option('--args <json>', 'its arguments, a JSON list', '[]')
    .option('--read-only <paths>', 'comma-separated folders that it may read')
    .option('--read-write <paths>', 'comma-separated folders that it may write')
    .option('--tier <tier>', 'T0 or T1: the sandbox that it must run in, or not at all')
    .option(
      '--limits <json>',
      'what it may use, a JSON object: memoryBytes, processes, cpuSeconds …',
    )
    .option(
      '--allow <hosts>',
      'comma-separated hosts that it may reach: api.example.com, 10.0.0.7:5432',
    )
    .option(
      '--inject <host=credential>',
      'comma-separated hosts of --allow to which a sealed credential is added on the way',
    )
    .option('--at <url>', 'address of a streamable HTTP server')
    .option('--credential <name>', 'the upstream credential to send to it')
}

function addReviewCommands(server: Command): void {
  server
    .command('observe <server>')
    .summary('connect and keep what it offers, for review')
    .option('--draft <file>', 'also write a draft review to edit; every tool in it is destructive')
    .addHelpText(
      'after',
      examples(
        'behalf server observe documents',
        'behalf server observe documents --draft review.json',
      ),
    )
    .action(observe)
  server
    .command('review <server>')
    .summary('accept what was observed, from a review file')
    .requiredOption('--file <file>', 'tools with class and sinks, and the digests that were read')
    .option('--confidential <tools>', 'comma-separated: their results are not for everybody')
    .option('--confidential-resources', 'what is read as resources is not for everybody')
    .option(
      '--verbatim <tools>',
      'comma-separated: their results are what others wrote, as it stands',
    )
    .addHelpText(
      'after',
      examples(
        'behalf server review documents --file review.json',
        'behalf server review documents --file review.json --confidential read_payroll',
      ) + REVIEW_HELP,
    )
    .action(act('reviewServer', (id, options) => ({ id, ...reviewedIn(options) }), serverText))
}

/** What a review file holds, under the help of the command. */
const REVIEW_HELP = `
Each tool in a review file:
  { "name": "send_email", "class": "egress", "consequential": true,
    "sinks": [{ "path": "recipients[]", "kind": "email" }, { "path": "files[].id", "kind": "id" }],
    "systemFields": ["message_id"], "verbatim": false, "confidential": false }
  class         read, write, egress, destructive or money: what it does at worst
  consequential asks, is confirmed twice, and voids approvals that wait
  sinks         places in the arguments that say what a call reaches: path, email, url, account,
                amount, id or name; [] is every element, {} at the end the names of the members.
                Left out, they are inferred from the schema; an empty list says that there are none
  systemFields  places in the results that the system fills; left out, they are inferred
  verbatim      results are what others wrote: nothing in them is the system's
  confidential  results must not leave: what carries them out asks a person
What reading resources is, for all of the server's, stands beside "tools"; left out, it is as here:
  "resources": { "class": "read", "consequential": false, "confidential": false }
`

async function observe(id: string, options: Options, command: Command): Promise<void> {
  const { draft } = options
  // Somebody may have worked on it.
  if (draft !== undefined && existsSync(draft))
    throw new UsageError(`expected no file at \`${draft}\`: a draft is written only once`)
  const { client, terminal } = contextOf(command)
  const observed = await client.call('observeServer', { id })
  if (observed.ok && draft !== undefined) {
    writeFileSync(draft, `${JSON.stringify(draftOf(observed.value), undefined, 2)}\n`, {
      flag: 'wx',
    })
  }
  process.exitCode = await finish(terminal, observed, ({ server, definitions, drafts }) =>
    [
      table(
        ['kind', 'name', 'digest', 'description'],
        definitions.map(({ kind, name, digest, value }) => [kind, name, digest, summaryOf(value)]),
      ),
      ...(drafts.length === 0
        ? []
        : [
            '',
            table(
              ['tool', 'looks like', 'seems to reach'],
              drafts.map(({ name, looksLike, sinks, verbatim }) => [
                name,
                `${looksLike}${verbatim ? ', verbatim' : ''}`,
                sinksText(sinks),
              ]),
            ),
          ]),
      ...(draft === undefined
        ? []
        : [
            '',
            `wrote \`${draft}\`: read every definition (--json shows them whole), give each tool its`,
            `class and sinks, remove tools that nobody is to use, then:`,
            `  behalf server review ${server.name} --file ${draft}`,
          ]),
    ].join('\n'),
  )
}

type Definition = Output<'observeServer'>['definitions'][number]

function summaryOf({ description }: Definition['value']): string {
  const text = typeof description === 'string' ? description : ''
  return text.length <= 60 ? text : `${text.slice(0, 60)}…`
}

function sinksText(sinks: readonly { readonly path: string; readonly kind: string }[]): string {
  return sinks.map(({ path, kind }) => `${path} (${kind})`).join(', ')
}

/** Everything that was offered, classed as the worst, with every sink that it may have: a reviewer makes it less. */
function draftOf({ definitions, drafts }: Output<'observeServer'>): Review {
  return {
    tools: drafts.map(({ name, sinks, verbatim }) => ({
      name,
      class: 'destructive',
      consequential: true,
      sinks,
      ...(verbatim && { verbatim }),
    })),
    digests: Object.fromEntries(
      definitions.map(({ kind, name, digest }) => [`${kind}:${name}`, digest]),
    ),
  }
}

type Transport = Input<'registerServer'>['transport']

function transportOf(options: Options): Transport {
  const { at, command, credential, readOnly, readWrite, tier, limits } = options
  if ((at === undefined) === (command === undefined))
    throw new UsageError('expected either --command, for a stdio server, or --at, for an HTTP one')
  const egress = egressOf(options)
  if (at !== undefined) {
    if (egress.length > 0 || limits !== undefined)
      throw new UsageError('expected --limits, --allow and --inject with --command only')
    return { type: 'http', url: at, ...(credential !== undefined && { credential }) }
  }
  return {
    type: 'stdio',
    command: command ?? '',
    args: jsonOf(options['args'] ?? '[]', z.array(z.string()), '--args'),
    ...(readOnly !== undefined && { readOnly: listOf(readOnly) }),
    ...(readWrite !== undefined && { readWrite: listOf(readWrite) }),
    ...(tier !== undefined && { tier: oneOf(['T0', 'T1'], tier, '--tier') }),
    ...(limits !== undefined && {
      limits: jsonOf(limits, z.record(z.string(), z.number()), '--limits'),
    }),
    ...(egress.length > 0 && { egress }),
  }
}

/** The hosts of `--allow`, each with the credential that `--inject` names for it. */
function egressOf({ allow, inject }: Options): z.core.util.JSONType[] {
  const credentials = new Map(
    listOf(inject ?? '').map((pair) => {
      const [host = '', credential = '', ...rest] = pair.split('=')
      if (credential === '' || rest.length > 0)
        throw new UsageError(`expected --inject host=credential, got \`${pair}\``)
      return [host, credential] as const
    }),
  )
  const hosts = listOf(allow ?? '').map(hostOf)
  const missing = [...credentials.keys()].find((host) => hosts.every((each) => each.host !== host))
  if (missing !== undefined) throw new UsageError(`expected \`${missing}\` in --allow too`)
  return hosts.map(({ host, port }) => {
    const credential = credentials.get(host)
    return {
      host,
      ...(port !== undefined && { ports: [port] }),
      ...(credential !== undefined && { inject: { credential } }),
    }
  })
}

type Review = Pick<Input<'reviewServer'>, 'tools' | 'resources' | 'digests'>

/** The review in the file, with what the options say of its tools. */
function reviewedIn({
  file = '',
  confidential = '',
  verbatim = '',
  confidentialResources,
}: Options): Review {
  const review = reviewIn(file)
  const [secret, raw] = [listOf(confidential), listOf(verbatim)]
  const missing = [...secret, ...raw].find(
    (name) => !review.tools.some((tool) => tool.name === name),
  )
  if (missing !== undefined)
    throw new UsageError(`expected tool \`${missing}\` in the review file \`${file}\``)
  const tools = review.tools.map((tool) => ({
    ...tool,
    ...(secret.includes(tool.name) && { confidential: true }),
    ...(raw.includes(tool.name) && { verbatim: true }),
  }))
  if (confidentialResources === undefined) return { ...review, tools }
  const { resources = { class: 'read', consequential: false } } = review
  return { ...review, tools, resources: { ...resources, confidential: true } }
}

/** Only that it is a review; the server says what is wrong inside. */
function reviewIn(file: string): Review {
  const shape = z.strictObject({
    tools: z.array(z.record(z.string(), z.json())),
    resources: z.record(z.string(), z.json()).exactOptional(),
    digests: z.record(z.string(), z.string()),
  })
  return jsonIn(file, shape, 'review') as Review
}

function serverText({ tools, resources, ...server }: Output<'registerServer'>): string {
  const told = facts({
    ...server,
    ...(resources?.confidential === true && { resources: 'confidential' }),
  })
  if (tools.length === 0) return told
  const rows = tools.map((each) => [
    each.name,
    each.class,
    [
      ...(each.consequential ? ['consequential'] : []),
      ...(each.verbatim ? ['verbatim'] : []),
      ...(each.confidential ? ['confidential'] : []),
    ].join(', '),
    sinksText(each.sinks),
  ])
  return `${told}\n\n${table(['tool', 'class', '', 'reaches'], rows)}`
}
