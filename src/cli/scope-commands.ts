/** `behalf scope|template|agency|budget`. */

import type { Command } from 'commander'
import * as z from 'zod'
import { act, type Options } from './act.ts'
import { contextOf } from './context.ts'
import type { Input, Output } from '../api/operations.ts'
import { detailsIn } from './delegation-commands.ts'
import { examples, print, refused, Refused, table } from './terminal.ts'
import { secondsOf, UsageError, wholeNumber } from './usage.ts'

const toolClass = z.enum(['read', 'write', 'egress', 'destructive', 'money'])
const agency = z.enum(['always', 'strict', 'doubt', 'never'])

/** Adds the commands by which people find out what to delegate, and how much agents ask. */
export function addScopeCommands(program: Command): void {
  const scope = program.command('scope').summary('what a request needs')
  scope
    .command('propose <words>')
    .summary('propose a scope for a request, to read, narrow and delegate')
    .requiredOption('--servers <names>', 'comma-separated reviewed servers')
    .option('--approver <person-or-group>', 'who says yes to what the words do not ask for')
    .option('--archetype <name>', 'whose templates count')
    .option('--json', 'only the authorization_details, for `behalf delegate --details`')
    .addHelpText(
      'after',
      examples('behalf scope propose "send the summary to ann@acme.example" --servers mail,files'),
    )
    .action(async (words: string, options: Record<string, string>, command: Command) => {
      const isBare = options['json'] !== undefined
      await act(
        'proposeScope',
        () => ({
          words,
          servers: (options['servers'] ?? '').split(','),
          ...(options['approver'] !== undefined && { approver: options['approver'] }),
          ...(options['archetype'] !== undefined && { archetype: options['archetype'] }),
          // What goes into a file may be delegated by whoever did not look at it.
          rulesOnly: true,
        }),
        ({ details, sentences, digest }) => {
          const json = JSON.stringify(details, undefined, 2)
          return isBare ? json : [...sentences, '', json, '', `digest: ${digest}`].join('\n')
        },
      )(words, options, command)
    })

  addTemplateCommands(
    program.command('template').summary('requests that recur, with what they need'),
  )

  const dial = program.command('agency').summary('how much agents decide without asking')
  dial
    .command('show <archetype>')
    .summary('the dial of a kind of agent')
    .addHelpText('after', examples('behalf agency show tax-preparer'))
    .action(
      act(
        'showAgency',
        (archetype) => ({ archetype }),
        ({ dial: positions }) => table(['class', 'asks'], Object.entries(positions)),
      ),
    )
  dial
    .command('set <archetype> <class> <asks>')
    .summary('turn it for a class of tools: always, strict, doubt or never')
    .addHelpText('after', examples('behalf agency set tax-preparer write doubt'))
    .action(
      act(
        'setAgency',
        (archetype, _options, ...[ofClass, asks]) => ({
          archetype,
          toolClass: toolClass.parse(ofClass),
          agency: agency.parse(asks),
        }),
        ({ dial: positions }) => table(['class', 'asks'], Object.entries(positions)),
      ),
    )

  const budget = program.command('budget').summary('how often agents may be refused')
  budget
    .command('show <archetype>')
    .summary('after how many refusals an agent of a kind is suspended')
    .addHelpText('after', examples('behalf budget show tax-preparer'))
    .action(act('showRefusalBudget', (archetype) => ({ archetype }), budgetText))
  budget
    .command('set <archetype> <refusals>')
    .summary('set it; whoever answers for the kind of agent may')
    .option('--within <duration>', 'in which time: 10m, 1h, 1d', '1h')
    .addHelpText('after', examples('behalf budget set tax-preparer 20 --within 10m'))
    .action(
      act(
        'setRefusalBudget',
        (archetype, options, refusals) => ({
          archetype,
          refusals: wholeNumber(refusals ?? '', 'refusals'),
          withinSeconds: secondsOf(options['within'] ?? '1h'),
        }),
        budgetText,
      ),
    )
}

function addTemplateCommands(template: Command): void {
  template
    .command('list <archetype>')
    .summary('the requests that recur for a kind of agent')
    .addHelpText('after', examples('behalf template list shop-clerk'))
    .action(
      act(
        'listTemplates',
        (archetype) => ({ archetype }),
        ({ templates }) =>
          table(
            ['name', 'sentence'],
            templates.map(({ name, sentence }) => [name, sentence]),
          ),
      ),
    )
  template
    .command('show <archetype> <name>')
    .summary('what one of them allows, in plain words and whole')
    .addHelpText('after', examples('behalf template show shop-clerk refund'))
    .action(async (archetype: string, name: string, _options: Options, command: Command) => {
      const { client, terminal } = contextOf(command)
      const listed = await client.call('listTemplates', { archetype })
      if (!listed.ok) {
        process.exitCode = refused(terminal, listed.error)
        return
      }
      const found = listed.value.templates.find((one) => one.name === name)
      if (found === undefined)
        throw new Refused('unknown_template', `no template \`${name}\` of ${archetype}`)
      const { sentence, sentences, details } = found
      print(
        terminal,
        found,
        [
          sentence,
          ...sentences.map((one) => `  ${one}`),
          JSON.stringify(details, undefined, 2),
        ].join('\n'),
      )
    })
  template
    .command('keep <archetype> <name>')
    .summary('keep one, or another in its place; whoever answers for the kind of agent may')
    .requiredOption('--sentence <text>', 'how people ask for it, with {parameters}')
    .requiredOption('--details <file>', 'what it allows, with "{parameter}" where a value belongs')
    .option('--parameters <json>', 'what is declared of parameters: their type, and within what')
    .addHelpText(
      'after',
      `${examples(
        'behalf template keep shop-clerk refund --sentence "refund order {id} up to {amount}" --details refund.json',
      )}
A file for --details; a location is the name of a server:
  [{ "type": "mcp_call", "locations": ["shop"], "actions": ["tools/call:refund"],
     "arguments": { "refund": { "order": { "equals": "{id}" }, "amount": { "max": "{amount}" } } },
     "limits": { "calls": 1 } }]
--parameters says more of them; "type" is number or text, "within" a condition as in the details:
  '{ "id": { "type": "text" }, "amount": { "within": { "max": 100 } } }'
`,
    )
    .action(
      act(
        'keepTemplate',
        (archetype, options, name) => ({
          archetype,
          name: name ?? '',
          sentence: options['sentence'] ?? '',
          details: detailsIn(options['details'] ?? ''),
          ...(options['parameters'] !== undefined && {
            parameters: parametersIn(options['parameters']),
          }),
        }),
        () => 'kept',
      ),
    )
  template
    .command('remove <archetype> <name>')
    .summary('remove one; what was delegated by it keeps what it was given')
    .addHelpText('after', examples('behalf template remove shop-clerk refund'))
    .action(
      act(
        'removeTemplate',
        (archetype, _options, name) => ({ archetype, name: name ?? '' }),
        () => 'removed',
      ),
    )
}

function parametersIn(json: string): NonNullable<Input<'keepTemplate'>['parameters']> {
  try {
    return z.record(z.string(), z.record(z.string(), z.json())).parse(JSON.parse(json))
  } catch {
    throw new UsageError('expected --parameters to be a JSON object of objects')
  }
}

function budgetText({ refusals, withinSeconds }: Output<'showRefusalBudget'>): string {
  return `${refusals} refusals within ${withinSeconds} seconds; the next one suspends the agent`
}
