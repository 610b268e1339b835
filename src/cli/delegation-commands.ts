/** `behalf delegate|delegation|stage|approval`. */

import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import * as z from 'zod'
import type { Input, Output } from '../api/operations.ts'
import { act, type Options } from './act.ts'
import { facts, table } from './terminal.ts'

/** Adds the commands by which people hand over authority, and take it back. */
export function addDelegationCommands(program: Command): void {
  program
    .command('delegate <purpose>')
    .summary('delegate authority for one purpose')
    .requiredOption('--archetype <name>', 'the kind of agent that may use it')
    .option('--agent <agent>', 'the one agent that may use it')
    .requiredOption(
      '--details <json>',
      'a file with RFC 9396 authorization_details of type mcp_call',
    )
    .option('--stages <names>', 'comma-separated stages, in order')
    .option('--movers <people>', 'comma-separated people and groups who may also move the stage')
    .option('--for <duration>', 'how long: 45m, 8h, 30d', '1h')
    .addHelpText(
      'after',
      '\nExample:\n  behalf delegate "prepare return 1042" --archetype tax-preparer --details intent.json --stages collect,draft --for 1h\n',
    )
    .action(act('delegate', delegationOf, facts))

  const delegation = program.command('delegation').summary('delegations')
  delegation.command('list').action(
    act(
      'listDelegations',
      () => ({}),
      ({ delegations }) =>
        table(
          ['id', 'state', 'stage', 'purpose'],
          delegations.map((d) => [d.id, d.state, d.stage ?? '', d.purpose]),
        ),
    ),
  )
  delegation.command('show <delegation>').action(act('showDelegation', (id) => ({ id }), facts))
  delegation
    .command('suspend <delegation>')
    .requiredOption('--reason <text>', 'why')
    .action(
      act('suspendDelegation', (id, options) => ({ id, reason: options['reason'] ?? '' }), stateOf),
    )
  delegation
    .command('resume <delegation>')
    .action(act('resumeDelegation', (id) => ({ id }), stateOf))
  delegation
    .command('complete <delegation>')
    .action(act('completeDelegation', (id) => ({ id }), stateOf))
  delegation
    .command('revoke <delegation>')
    .option('--reason <text>', 'why')
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

  program
    .command('stage <delegation> <stage>')
    .summary('move a delegation to a stage')
    .action(
      act(
        'moveStage',
        (id, _options, stage) => ({ id, stage: stage ?? '' }),
        ({ stage }) => `stage: ${stage}`,
      ),
    )

  const approval = program.command('approval').summary('decisions that wait for a person')
  approval.command('list').action(
    act(
      'listApprovals',
      () => ({}),
      ({ approvals }) =>
        table(
          ['id', 'state', 'action', 'delegation'],
          approvals.map((a) => [a.id, a.state, a.action, a.delegation]),
        ),
    ),
  )
  approval
    .command('show <approval>')
    .summary('exactly what would be approved, whole')
    .action(act('showApproval', (id) => ({ id }), shownText))
  for (const decision of ['approve', 'deny'] as const) {
    approval
      .command(`${decision} <approval>`)
      .requiredOption('--shown <digest>', 'the digest of what `approval show` showed you')
      .action(
        act(
          'decideApproval',
          (id, options) => ({ id, decision, shownDigest: options['shown'] ?? '' }),
          ({ state }) => state,
        ),
      )
  }
}

function delegationOf(purpose: string, options: Options): Input<'delegate'> {
  const details = z
    .array(z.record(z.string(), z.json()))
    .parse(JSON.parse(readFileSync(options['details'] ?? '', 'utf8')))
  return {
    purpose,
    archetype: options['archetype'] ?? '',
    ...(options['agent'] !== undefined && { agent: options['agent'] }),
    details,
    ...(options['stages'] !== undefined && { stages: options['stages'].split(',') }),
    ...(options['movers'] !== undefined && { stageMovers: options['movers'].split(',') }),
    expiresIn: secondsOf(options['for'] ?? '1h'),
  }
}

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 }

/** `45m` → 2700. */
function secondsOf(text: string): number {
  const [, count, unit = ''] = /^(\d{1,8})([smhd])$/.exec(text) ?? []
  if (count === undefined)
    throw new Error(`expected a duration such as \`45m\`, \`8h\` or \`30d\`, got \`${text}\``)
  return Number(count) * (UNITS[unit] ?? 1)
}

function stateOf({ state }: Output<'showDelegation'>): string {
  return `state: ${state}`
}

function shownText(approval: Output<'showApproval'>): string {
  return `${JSON.stringify(approval.shown, undefined, 2)}\n\nto decide:\n  behalf approval approve ${approval.id} --shown ${approval.shownDigest}`
}
