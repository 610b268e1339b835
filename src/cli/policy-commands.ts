/** `behalf policy`: versions of the policies on the server, and the author's work on a folder of them. */

import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Command } from 'commander'
import type { Output } from '../api/operations.ts'
import { compilePolicies, type PolicySources } from '../decision/compile.ts'
import { SET_NAMES, type PolicySets } from '../decision/policy-set.ts'
import { differences, type Difference } from '../policy/difference.ts'
import { formatted } from '../policy/format.ts'
import { lint } from '../policy/lint.ts'
import { runTests } from '../policy/run-tests.ts'
import { defaultPolicies, readPolicyFolder, readTestFolder } from '../policy/sources.ts'
import { act, namesIn, type Options } from './act.ts'
import { type Context, contextOf } from './context.ts'
import { dateText, examples, EXIT, facts, print, Refused, table } from './terminal.ts'
import { oneOf, textIn, UsageError, wholeNumber } from './usage.ts'

/** Adds the commands about policies. */
export function addPolicyCommands(policy: Command): void {
  addFolderCommands(policy)
  addVersionCommands(policy)
  addActivationCommands(policy)
}

/** Where `pull` notes which version a folder was taken from; `push` says it. */
const BASE_FILE = 'base.txt'

function addFolderCommands(policy: Command): void {
  policy
    .command('pull <folder>')
    .summary('write the policies in force and their tests into a folder, for git')
    .addHelpText('after', examples('behalf policy pull policies/'))
    .action(async (folder: string, _options: Options, command: Command) => {
      const context = contextOf(command)
      const { version, sets, tests } = await inForce(context)
      for (const [name, text] of Object.entries(sets)) write(folder, `${name}.cedar`, text)
      for (const [name, text] of Object.entries(tests)) write(folder, name, text)
      write(folder, BASE_FILE, `${version}\n`)
      print(context.terminal, { version }, `wrote ${version} into ${folder}`)
    })
  policy
    .command('diff <folder>')
    .summary('what a folder would change, policy by policy')
    .addHelpText('after', examples('behalf policy diff policies/'))
    .action(async (folder: string, _options: Options, command: Command) => {
      const context = contextOf(command)
      const { sets } = await inForce(context)
      const found = differences(sets, (await readFolder(folder)).sets)
      print(context.terminal, found, differencesText(found))
    })
  policy
    .command('fmt <folder>')
    .summary('write policy files in their canonical form; --check only says which are not')
    .option('--check', 'change nothing; exit status 1 if a file would change')
    .addHelpText(
      'after',
      examples('behalf policy fmt policies/', 'behalf policy fmt --check policies/'),
    )
    .action(async (folder: string, options: { check?: boolean }, command: Command) => {
      const { terminal } = contextOf(command)
      const changed: string[] = []
      for (const [name, text] of Object.entries((await readFolder(folder)).sets)) {
        const result = formatted(text)
        if (!result.ok)
          throw new Refused(result.error.reason, `${name}.cedar: ${result.error.message}`)
        if (result.value === text) continue
        changed.push(`${name}.cedar`)
        if (options.check !== true) write(folder, `${name}.cedar`, result.value)
      }
      print(terminal, { changed }, changed.join('\n'))
      if (options.check === true && changed.length > 0) process.exitCode = EXIT.refused
    })
  policy
    .command('test <folder>')
    .summary('run the *.test.json files of a folder against its policies, without a server')
    .addHelpText('after', examples('behalf policy test policies/'))
    .action(async (folder: string, _options: Options, command: Command) => {
      const { terminal } = contextOf(command)
      const { passed, failures, invalid } = runTests(
        (await readFolder(folder)).tests,
        await compiledFrom(folder),
      )
      const lines = [
        ...invalid,
        ...failures.map(({ file, name, message }) => `${file}: ${name}\n  ${message}`),
        `${passed} passed, ${failures.length + invalid.length} failed`,
      ]
      print(terminal, { passed, failures, invalid }, lines.join('\n'))
      if (failures.length + invalid.length > 0) process.exitCode = EXIT.refused
    })
  policy
    .command('lint <folder>')
    .summary('what is most likely wrong: shadowed, never matching, over-broad, unexplained')
    .addHelpText('after', examples('behalf policy lint policies/'))
    .action(async (folder: string, _options: Options, command: Command) => {
      const { terminal } = contextOf(command)
      const findings = lint(await compiledFrom(folder))
      const rows = findings.map(({ set, policy: id, rule, message }) => [set, id, rule, message])
      print(
        terminal,
        findings,
        rows.length === 0 ? 'nothing found' : table(['set', 'policy', 'rule', ''], rows),
      )
    })
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
      const base = existsSync(join(folder, BASE_FILE))
        ? textIn(join(folder, BASE_FILE), 'base').trim()
        : undefined
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
  ].join('\n')
}

function differencesText(found: readonly Difference[]): string {
  if (found.length === 0) return 'no policy differs'
  return found
    .map(({ set, policy, change, before, after }) =>
      [
        `${set}: ${policy}: ${change}`,
        ...(before === undefined ? [] : before.split('\n').map((line) => `- ${line}`)),
        ...(after === undefined ? [] : after.split('\n').map((line) => `+ ${line}`)),
      ].join('\n'),
    )
    .join('\n\n')
}

async function inForce({ client }: Context): Promise<Output<'showPolicies'>> {
  const shown = await client.call('showPolicies', {})
  if (shown.ok) return shown.value
  throw refusalOf(shown.error)
}

interface Folder {
  readonly sets: Partial<PolicySources>
  readonly tests: Readonly<Record<string, string>>
}

async function readFolder(folder: string): Promise<Folder> {
  if (!existsSync(folder))
    throw new UsageError(`cannot read policies: \`${folder}\` does not exist`)
  const sets = await readPolicyFolder(folder)
  if (!sets.ok) throw new UsageError(sets.error.problems.join('; '))
  if (Object.keys(sets.value).length === 0)
    throw new UsageError(`expected .cedar files in \`${folder}\`, got none`)
  return { sets: sets.value, tests: await readTestFolder(folder) }
}

/** Tests are left out where the folder has none: those in force stay. */
async function pushed(
  folder: string,
): Promise<{ sets: Record<string, string>; tests?: Record<string, string> }> {
  const { sets, tests } = await readFolder(folder)
  return { sets: { ...sets }, ...(Object.keys(tests).length > 0 && { tests: { ...tests } }) }
}

/** The sets of a folder; those that it leaves out are the product's own. */
async function compiledFrom(folder: string): Promise<PolicySets> {
  const { sets } = await readFolder(folder)
  const compiled = compilePolicies({ ...(await defaultPolicies()), ...sets })
  if (compiled.ok) return compiled.value
  throw new Refused(compiled.error.reason, compiled.error.problems.join('\n  '))
}

function write(folder: string, name: string, text: string): void {
  // Names come from the server: only what `push` can have sent is written.
  const isSet = SET_NAMES.some((set) => `${set}.cedar` === name)
  if (!isSet && name !== BASE_FILE && !/^(?:tests\/)?[\w.-]+\.test\.json$/.test(name)) {
    throw new UsageError(`expected a policy or test file, got \`${name}\``)
  }
  const file = join(folder, name)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
}

function refusalOf({
  reason,
  message,
  problem,
}: {
  readonly reason: string
  readonly message: string
  readonly problem: Readonly<Record<string, unknown>>
}): Refused {
  const { problems } = problem
  const lines = Array.isArray(problems) && problems.length > 1 ? problems.map(String) : [message]
  return new Refused(reason, lines.join('\n  '))
}
