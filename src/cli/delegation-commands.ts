/** `behalf delegate|delegation|stage|approval`. */

import type { Command } from 'commander'
import * as z from 'zod'
import type { Input, Output } from '../api/operations.ts'
import { act, namesIn, type Options } from './act.ts'
import type { Context } from './context.ts'
import { delegateInWords } from './delegate-in-words.ts'
import { dateText, examples, facts, table } from './terminal.ts'
import { jsonIn, listOf, secondsOf, UsageError } from './usage.ts'

/** Adds the commands by which people hand over authority, and take it back. */
export function addDelegationCommands(program: Command): void {
  program
    .command('delegate <purpose>')
    .summary('delegate authority for one purpose')
    .requiredOption('--archetype <name>', 'the kind of agent that may use it')
    .option('--agent <agent>', 'the one agent that may use it')
    .option('--details <file>', DETAILS)
    .option(
      '--servers <names>',
      'instead of --details: propose a scope from the purpose, of these servers',
    )
    .option('--approver <person-or-group>', 'who says yes to what the words do not ask for')
    .option('--rules-only', 'ask no model, whatever the words leave open')
    .option('--set <values>', 'your own values for what a model suggested: amount=30,id=17')
    .option('--without <parts>', 'comma-separated numbers of proposed parts to leave out')
    .option('--calls <number>', 'how many calls each proposed part allows')
    .option('--accept <digest>', 'delegate exactly the proposal that was shown with this digest')
    .option('--stages <names>', 'comma-separated stages, in order')
    .option('--movers <people>', 'comma-separated people and groups who may also move the stage')
    .option('--for <duration>', 'how long: 45m, 8h, 30d', '1h')
    .addHelpText(
      'after',
      examples(
        'behalf delegate "prepare return 1042" --archetype tax-preparer --details intent.json --stages collect,draft --for 1h',
        'behalf delegate "refund order 17 up to 30" --archetype shop-clerk --servers shop',
        'behalf delegate "refund order 17 up to 30" --archetype shop-clerk --servers shop --without 2 --accept sha256:…',
      ) + INTENT_HELP,
    )
    .action(async (purpose: string, options: Options, command: Command) => {
      const { details, servers } = options
      if ((details === undefined) === (servers === undefined))
        throw new UsageError('expected either --details or --servers')
      const terms = termsOf(purpose, options)
      await (servers === undefined
        ? act('delegate', () => ({ ...terms, details: detailsIn(details ?? '') }), madeText)(
            purpose,
            options,
            command,
          )
        : delegateInWords(terms, options, command, madeText))
    })
  addHeldCommands(program.command('delegation').summary('delegations'))
  program
    .command('stage <delegation> <stage>')
    .summary('move a delegation to a stage')
    .addHelpText('after', examples('behalf stage dlg_… draft'))
    .action(
      act(
        'moveStage',
        (id, _options, stage) => ({ id, stage: stage ?? '' }),
        ({ stage }) => `stage: ${stage}`,
      ),
    )
  addApprovalCommands(program.command('approval').summary('decisions that wait for a person'))
}

/** What `--details` names. */
export const DETAILS = 'a JSON file with what is allowed: RFC 9396 details of type mcp_call'

/** An intent, as an example under the help of the commands that take one. */
export const INTENT_HELP = `
A file for --details; a location is the name of a server, an approver that of a person or group:
  [{ "type": "mcp_call", "locations": ["documents"],
     "actions": ["tools/call:read_text_file"],
     "arguments": { "read_text_file": { "path": { "prefix": "/srv/documents/1042" } } } },
   { "type": "mcp_call", "locations": ["tax-engine"],
     "actions": ["tools/call:file_return"],
     "arguments": { "file_return": { "client": { "equals": "1042" } } },
     "limits": { "calls": 1 }, "approval": { "by": "partners" } }]
`

/** The details in the file that an option names. */
export function detailsIn(file: string): Input<'delegate'>['details'] {
  return jsonIn(file, z.array(z.record(z.string(), z.json())), 'details')
}

function addHeldCommands(delegation: Command): void {
  delegation
    .command('list')
    .summary('list your delegations, newest first')
    .addHelpText('after', examples('behalf delegation list'))
    .action(
      act(
        'listDelegations',
        () => ({}),
        ({ delegations }) =>
          table(
            ['id', 'state', 'stage', 'expires', 'purpose'],
            delegations.map((each) => [
              each.id,
              each.state,
              each.stage ?? '',
              dateText(each.expiresAt),
              each.purpose,
            ]),
          ),
      ),
    )
  delegation
    .command('show <delegation>')
    .summary('one delegation, and what it allows')
    .addHelpText('after', examples('behalf delegation show dlg_…'))
    .action(act('showDelegation', (id) => ({ id }), delegationText))
  delegation
    .command('suspend <delegation>')
    .summary('stop a delegation and all below it until it is resumed')
    .requiredOption('--reason <text>', 'why')
    .addHelpText('after', examples('behalf delegation suspend dlg_… --reason "waiting for papers"'))
    .action(
      act('suspendDelegation', (id, options) => ({ id, reason: options['reason'] ?? '' }), stateOf),
    )
  delegation
    .command('resume <delegation>')
    .summary('let a suspended delegation go on')
    .addHelpText('after', examples('behalf delegation resume dlg_…'))
    .action(act('resumeDelegation', (id) => ({ id }), stateOf))
  delegation
    .command('complete <delegation>')
    .summary('the work is done: its authority ends')
    .addHelpText('after', examples('behalf delegation complete dlg_…'))
    .action(act('completeDelegation', (id) => ({ id }), stateOf))
  delegation
    .command('revoke <delegation>')
    .summary('take a delegation and all below it back, for good')
    .option('--reason <text>', 'why')
    .addHelpText('after', examples('behalf delegation revoke dlg_… --reason "wrong client"'))
    .action(
      act(
        'revokeDelegation',
        (id, options) => ({
          id,
          ...(options['reason'] !== undefined && { reason: options['reason'] }),
        }),
        stateOf,
      ),
    )
}

function addApprovalCommands(approval: Command): void {
  approval
    .command('list')
    .summary('what waits for your decision')
    .addHelpText('after', examples('behalf approval list'))
    .action(
      act(
        'listApprovals',
        () => ({}),
        ({ approvals }) =>
          table(
            ['id', 'state', 'action', 'expires', 'delegation'],
            approvals.map((each) => [
              each.id,
              each.state,
              each.action,
              dateText(each.expiresAt),
              each.delegation,
            ]),
          ),
      ),
    )
  approval
    .command('show <approval>')
    .summary('exactly what would be approved, whole')
    .addHelpText('after', examples('behalf approval show apr_…'))
    .action(act('showApproval', (id) => ({ id }), shownText))
  for (const decision of ['approve', 'deny'] as const) {
    approval
      .command(`${decision} <approval>`)
      .summary(`say ${decision === 'approve' ? 'yes' : 'no'} to exactly what was shown`)
      .requiredOption('--shown <digest>', 'the digest of what `approval show` showed you')
      .addHelpText('after', examples(`behalf approval ${decision} apr_… --shown sha256:…`))
      .action(
        act(
          'decideApproval',
          (id, options) => ({ id, decision, shownDigest: options['shown'] ?? '' }),
          ({ state }) => state,
        ),
      )
  }
}

/** All of a delegation but what it allows. */
function termsOf(purpose: string, options: Options): Omit<Input<'delegate'>, 'details'> {
  return {
    purpose,
    archetype: options['archetype'] ?? '',
    ...(options['agent'] !== undefined && { agent: options['agent'] }),
    expiresIn: secondsOf(options['for'] ?? '1h'),
    ...(options['stages'] !== undefined && { stages: listOf(options['stages']) }),
    ...(options['movers'] !== undefined && { stageMovers: listOf(options['movers']) }),
  }
}

async function madeText(made: Output<'delegate'>, context: Context): Promise<string> {
  const told = await delegationText(made, context)
  return `${told}\nsigned delegation, for the agent: ${made.signed}`
}

async function delegationText(
  delegation: Output<'showDelegation'>,
  context: Context,
): Promise<string> {
  const { id, person, delegate, parent, purpose, state, stage, stages, expiresAt } = delegation
  const nameOf = await namesIn(context)
  const told = facts({
    id,
    purpose,
    by: nameOf(person),
    to: delegate.agent ?? `any agent of archetype ${delegate.archetype}`,
    parent,
    state,
    stage: stages.length === 0 ? undefined : `${stage} (of ${stages.join(', ')})`,
    expiresAt,
  })
  return `${told}\nallows:\n${JSON.stringify(delegation.details, undefined, 2)}`
}

function stateOf({ state }: Output<'showDelegation'>): string {
  return `state: ${state}`
}

function shownText(approval: Output<'showApproval'>): string {
  const { id, state, shown, shownDigest } = approval
  const whole = JSON.stringify(shown, undefined, 2)
  if (state !== 'pending') return `${whole}\n\nstate: ${state}`
  return `${whole}\n\nto decide:\n  behalf approval approve ${id} --shown ${shownDigest}\n  behalf approval deny ${id} --shown ${shownDigest}`
}
