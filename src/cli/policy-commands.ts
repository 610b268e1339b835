/** `behalf policy`: versions of the policies, proposed, tried, reviewed, in force. */

import type { Command } from 'commander'
import type { Output } from '../api/operations.ts'
import { reachText } from '../policy/counterexample.ts'
import { differences } from '../policy/difference.ts'
import { act, namesIn } from './act.ts'
import { type Context, contextOf } from './context.ts'
import {
  addFolderCommands,
  addLibraryCommands,
  addSearchCommand,
  baseOf,
  differencesText,
  inForce,
  pushed,
  refusalOf,
} from './policy-folder.ts'
import { dateText, examples, facts, print, table } from './terminal.ts'
import { oneOf, UsageError, wholeNumber } from './usage.ts'

/** Adds the commands about policies. */
export function addPolicyCommands(program: Command): void {
  const policy = program.command('policy').summary('Cedar policy sets')
  addFolderCommands(policy)
  addLibraryCommands(policy)
  addSearchCommand(policy)
  addVersionCommands(policy)
  addActivationCommands(policy)
  addSimulationCommands(policy)
}

function addVersionCommands(policy: Command): void {
  policy
    .command('show')
    .summary('the policies in force')
    .addHelpText('after', examples('behalf policy show'))
    .action(
      act(
        'showPolicies',
        () => ({}),
        ({ version, policy: id, sets }) =>
          [
            `version: ${version} (${id})`,
            ...Object.entries(sets).map(([name, text]) => `\n// ${name}.cedar\n${text}`),
          ].join('\n'),
      ),
    )
  policy
    .command('push <folder>')
    .summary('propose the policies and tests of a folder; nothing changes before a review')
    .requiredOption('--message <text>', 'why')
    .addHelpText(
      'after',
      examples('behalf policy push policies/ --message "preparers may read mail"'),
    )
    .action(async (folder: string, options: { message: string }, command: Command) => {
      const context = contextOf(command)
      const base = baseOf(folder)
      const proposed = await context.client.call('proposePolicies', {
        ...(await pushed(folder)),
        summary: options.message,
        ...(base !== undefined && { base }),
      })
      if (!proposed.ok) throw refusalOf(proposed.error)
      const tried = await context.client.call('dryRunPolicies', { id: proposed.value.id })
      if (!tried.ok) throw refusalOf(tried.error)
      print(
        context.terminal,
        { ...proposed.value, dryRun: tried.value },
        [
          `proposed ${proposed.value.id}`,
          '',
          reportText(tried.value),
          '',
          `somebody else reviews it:  behalf policy review ${proposed.value.id}`,
        ].join('\n'),
      )
    })
  policy
    .command('try <policy>')
    .summary(
      'decide the last recorded calls again by a proposed version: every flip, with its story',
    )
    .option('--calls <n>', 'how many calls', '1000')
    .addHelpText(
      'after',
      examples('behalf policy try pol_…', 'behalf policy try pol_… --calls 10000'),
    )
    .action(
      act(
        'dryRunPolicies',
        (id, options) => ({ id, calls: wholeNumber(options['calls'] ?? '1000', '--calls') }),
        reportText,
      ),
    )
  policy
    .command('review <policy>')
    .summary('read a proposed version; with --accept or --refuse, judge it')
    .option('--accept <digest>', 'accept it, on the dry-run of this digest')
    .option('--refuse <reason>', 'refuse it')
    .addHelpText(
      'after',
      examples('behalf policy review pol_…', 'behalf policy review pol_… --accept sha256:…'),
    )
    .action(reviewAction)
  policy
    .command('history')
    .summary('which versions there are, and which were in force when and by whose leave')
    .addHelpText('after', examples('behalf policy history'))
    .action(act('listPolicyVersions', () => ({}), historyText))
}

function addActivationCommands(policy: Command): void {
  policy
    .command('activate <policy-or-folder>')
    .summary('put a reviewed version in force; a folder at once where nobody else could review it')
    .option('--message <text>', 'why', 'activated at once')
    .addHelpText(
      'after',
      examples('behalf policy activate pol_…', 'behalf policy activate policies/'),
    )
    .action(async (what: string, options: { message: string }, command: Command) => {
      const context = contextOf(command)
      const { message: summary } = options
      const input = what.startsWith('pol_')
        ? { policy: what }
        : { ...(await pushed(what)), summary }
      const activated = await context.client.call('activatePolicies', input)
      if (!activated.ok) throw refusalOf(activated.error)
      print(context.terminal, activated.value, facts(activated.value))
    })
  policy
    .command('rollback <policy>')
    .summary('return to a version that was in force: at once if it permits no more than now')
    .addHelpText('after', examples('behalf policy rollback pol_…'))
    .action(
      act(
        'rollBackPolicies',
        (id) => ({ id }),
        ({ state, policy: version, because }) =>
          state === 'active'
            ? `${version.id} is in force again`
            : [
                `it may permit more than what is in force, so somebody else must review it:`,
                ...because.map((line) => `  ${line}`),
                `proposed ${version.id}; next:  behalf policy try ${version.id}`,
              ].join('\n'),
      ),
    )
  policy
    .command('mode <mode>')
    .summary('dual, or single_operator where nobody else could review')
    .addHelpText('after', examples('behalf policy mode single_operator'))
    .action(
      act(
        'setPolicyMode',
        (mode) => ({ mode: oneOf(['dual', 'single_operator'], mode, 'mode') }),
        () => 'recorded',
      ),
    )
}

function addSimulationCommands(policy: Command): void {
  policy
    .command('simulate <archetype> <person>')
    .summary('what an agent of this kind could do for this person now, at most')
    .option('--delegation <id>', 'under this delegation, in its stage')
    .option('--policy <id>', 'by this version instead of the one in force')
    .addHelpText('after', examples('behalf policy simulate tax-preparer alice'))
    .action(
      act(
        'simulatePolicies',
        (archetype, { delegation, policy: version }, person = '') => ({
          archetype,
          person,
          ...(delegation !== undefined && { delegation }),
          ...(version !== undefined && { policy: version }),
        }),
        ({ tools }) =>
          table(
            ['tool', 'class', 'outcome', 'says'],
            tools.map((one) => [
              `${one.server}/${one.tool}`,
              one.class,
              one.outcome,
              [one.constraint ?? '', ...one.policies].join(' ').trim(),
            ]),
          ),
      ),
    )
  policy
    .command('reach <server> <tool>')
    .summary('who can reach a tool, through which kind of agent')
    .option('--policy <id>', 'by this version instead of the one in force')
    .addHelpText('after', examples('behalf policy reach tax-engine file_return'))
    .action(
      act(
        'reachPolicies',
        (server, { policy: version }, tool = '') => ({
          server,
          tool,
          ...(version !== undefined && { policy: version }),
        }),
        ({ ways, pairs, complete }) =>
          [
            table(
              ['archetype', 'person', 'outcome'],
              ways.map((way) => [way.archetype, way.person, way.outcome]),
            ),
            `${pairs} pairs tried${complete ? '' : ': there are more'}`,
          ].join('\n'),
      ),
    )
}

async function reviewAction(
  id: string,
  options: { accept?: string; refuse?: string },
  command: Command,
): Promise<void> {
  const context = contextOf(command)
  const { accept, refuse } = options
  if (accept !== undefined && refuse !== undefined)
    throw new UsageError('expected --accept or --refuse, not both')
  if (accept === undefined && refuse === undefined) {
    const shown = await context.client.call('showPolicyVersion', { id })
    if (!shown.ok) throw refusalOf(shown.error)
    const { sets } = await inForce(context)
    print(context.terminal, shown.value, await versionText(shown.value, sets, context))
    return
  }
  const judged = await context.client.call(
    'reviewPolicies',
    accept === undefined
      ? { id, decision: 'refused', reason: refuse ?? '' }
      : { id, decision: 'accepted', report: accept },
  )
  if (!judged.ok) throw refusalOf(judged.error)
  const next = accept === undefined ? 'refused' : `accepted; next:  behalf policy activate ${id}`
  print(context.terminal, judged.value, next)
}

async function versionText(
  version: Output<'showPolicyVersion'>,
  now: Readonly<Record<string, string>>,
  context: Context,
): Promise<string> {
  const nameOf = await namesIn(context)
  const { dryRun, review } = version
  return [
    facts({
      policy: version.id,
      author: nameOf(version.author),
      summary: version.summary,
      proposed: dateText(version.createdAt),
      review: review && `${review.decision} by ${nameOf(review.reviewer)}`,
    }),
    '',
    differencesText(differences(now, version.sets)),
    '',
    dryRun === undefined
      ? `no dry-run yet:  behalf policy try ${version.id}`
      : `${reportText(dryRun)}\n\nto accept:  behalf policy review ${version.id} --accept ${dryRun.digest}`,
  ].join('\n')
}

async function historyText(
  { inForce: current, mode, versions, activations }: Output<'listPolicyVersions'>,
  context: Context,
): Promise<string> {
  const nameOf = await namesIn(context)
  return [
    `mode: ${mode}`,
    '',
    table(
      ['version', 'proposed', 'author', 'summary', ''],
      versions.map(({ id, createdAt, author, summary }) => [
        id,
        dateText(createdAt),
        nameOf(author),
        summary,
        id === current ? 'in force' : '',
      ]),
    ),
    '',
    table(
      ['in force from', 'version', 'by', 'mode', 'authorized by'],
      activations.map((one) => [
        dateText(one.activatedAt),
        one.policy,
        nameOf(one.by),
        one.mode,
        one.authorizedBy.map(nameOf).join(', '),
      ]),
    ),
  ].join('\n')
}

function reportText({ digest, report }: Output<'dryRunPolicies'>): string {
  const lost = Object.entries(report.unreplayable).map(([why, count]) => `${count} ${why}`)
  return [
    facts({
      'dry-run': digest,
      calls: report.calls,
      replayed: report.replayed,
      unreplayable: lost.length === 0 ? '0' : lost.join(', '),
      unfaithful: report.unfaithful === 0 ? undefined : report.unfaithful,
      flips: `${report.flips}, of them ${report.loosened} to a permit`,
    }),
    ...report.stories.map(({ index, story }) => `  ${index}  ${story}`),
    ...(report.widening.length === 0
      ? ['it certainly permits no more than what is in force']
      : ['it may permit more:', ...report.widening.map((line) => `  ${line}`)]),
    ...newlyPermittedText(report),
    ...(report.properties ?? []).map(
      (one) => `the property \`${one.name}\` holds ${reachText(one)}`,
    ),
  ].join('\n')
}

function newlyPermittedText({
  newlyPermitted,
  tried,
  widening,
}: Output<'dryRunPolicies'>['report']): string[] {
  if (widening.length === 0) return []
  if (newlyPermitted.length === 0) {
    return [`no request found that it alone permits, of ${tried} tried: there may still be one`]
  }
  return [
    `it alone permits, among ${tried} requests tried:`,
    ...newlyPermitted.map(({ sentence, because }) => `  ${sentence}\n    because ${because}`),
  ]
}
