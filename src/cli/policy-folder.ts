/** The author's side of `behalf policy`: a folder of policies and tests, mostly without a server. */

import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Command } from 'commander'
import type { Output } from '../api/operations.ts'
import { SeededRandom } from '../base/random.ts'
import { compilePolicies, type PolicySources } from '../decision/compile.ts'
import { SET_NAMES, type PolicySets } from '../decision/policy-set.ts'
import {
  findCounterexample,
  propertySchema,
  reachText,
  tryProperties,
} from '../policy/counterexample.ts'
import { differences, type Difference } from '../policy/difference.ts'
import { formatted } from '../policy/format.ts'
import { listLibrary, withPiece } from '../policy/library.ts'
import { lint } from '../policy/lint.ts'
import { type KnownNames, lintNames } from '../policy/lint-names.ts'
import { runTests } from '../policy/run-tests.ts'
import { defaultPolicies, readPolicyFolder, readTestFolder } from '../policy/sources.ts'
import type { Options } from './act.ts'
import { type Context, contextOf } from './context.ts'
import { examples, EXIT, print, Refused, table } from './terminal.ts'
import { jsonIn, textIn, UsageError } from './usage.ts'

/** Where `pull` notes which version a folder was taken from; `push` says it. */
const BASE_FILE = 'base.txt'

/** Adds the commands that work on a folder. */
export function addFolderCommands(policy: Command): void {
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
    .summary(
      'run the tests of a folder against its policies and try its properties, without a server',
    )
    .addHelpText('after', examples('behalf policy test policies/'))
    .action(async (folder: string, _options: Options, command: Command) => {
      const { terminal } = contextOf(command)
      const [{ tests }, policies] = [await readFolder(folder), await compiledFrom(folder)]
      const { passed, failures, invalid } = runTests(tests, policies)
      const { problems: broken, tried: properties } = tryProperties(tests, policies)
      const failed = failures.length + invalid.length + broken.length
      const lines = [
        ...invalid,
        ...failures.map(({ file, name, message }) => `${file}: ${name}\n  ${message}`),
        ...broken,
        ...properties.map((one) => `${one.file}: \`${one.name}\` holds ${reachText(one)}`),
        `${passed} passed, ${failed} failed`,
      ]
      print(terminal, { passed, failures, invalid, broken, properties }, lines.join('\n'))
      if (failed > 0) process.exitCode = EXIT.refused
    })
  policy
    .command('lint <folder>')
    .summary('what is most likely wrong: shadowed, never matching, over-broad, unexplained')
    .option('--live', 'also say which names do not exist in the installation')
    .addHelpText(
      'after',
      examples('behalf policy lint policies/', 'behalf policy lint --live policies/'),
    )
    .action(async (folder: string, options: { live?: boolean }, command: Command) => {
      const context = contextOf(command)
      const { terminal } = context
      const [{ sets }, policies] = [await readFolder(folder), await compiledFrom(folder)]
      const findings = [
        ...lint(policies),
        ...(options.live === true ? lintNames(policies, await liveNames(context)) : []),
        // What the folder leaves out is not its author's.
      ].filter(({ set }) => sets[set] !== undefined)
      const rows = findings.map(({ set, policy: id, rule, message }) => [set, id, rule, message])
      print(
        terminal,
        findings,
        rows.length === 0 ? 'nothing found' : table(['set', 'policy', 'rule', ''], rows),
      )
    })
}

/** What the installation knows by name. */
async function liveNames({ client }: Context): Promise<KnownNames> {
  const [people, groups, archetypes, servers] = [
    await client.call('listPeople', {}),
    await client.call('listGroups', {}),
    await client.call('listArchetypes', {}),
    await client.call('listServers', {}),
  ]
  if (!people.ok) throw refusalOf(people.error)
  if (!groups.ok) throw refusalOf(groups.error)
  if (!archetypes.ok) throw refusalOf(archetypes.error)
  if (!servers.ok) throw refusalOf(servers.error)
  const known = servers.value.servers
  return {
    Person: people.value.people.map(({ handle }) => handle),
    Group: groups.value.groups.map(({ name }) => name),
    Archetype: archetypes.value.archetypes.map(({ name }) => name),
    Server: known.map(({ name }) => name),
    Tool: known.flatMap(({ name, tools }) => tools.map((tool) => `${name}/${tool.name}`)),
  }
}

/** Adds the command that looks for what stated properties forbid. */
export function addSearchCommand(policy: Command): void {
  policy
    .command('search <folder> <property-file>')
    .summary(
      'look for a call that a stated property forbids; finding none proves only what was tried',
    )
    .option('--seed <text>', 'where there is too much to try all, what to try', '1')
    .addHelpText('after', examples('behalf policy search policies/ no-untrusted-money.json'))
    .action(async (folder: string, file: string, options: { seed: string }, command: Command) => {
      const { terminal } = contextOf(command)
      const property = jsonIn(file, propertySchema, 'property')
      const random = new SeededRandom(options.seed)
      const search = findCounterexample(property, await compiledFrom(folder), { random })
      const { counterexample } = search
      const lines =
        counterexample === undefined
          ? [`no counterexample ${reachText(search)}`]
          : [
              `\`${property.name}\` does not hold:`,
              `  ${counterexample.sentence}`,
              '',
              'as a test:',
              JSON.stringify(counterexample.test, null, 2),
            ]
      print(terminal, search, lines.join('\n'))
      if (counterexample !== undefined) process.exitCode = EXIT.refused
    })
}

/** Adds the commands of the starter library. */
export function addLibraryCommands(policy: Command): void {
  policy
    .command('library')
    .summary('small rules to begin with, and what each costs its users')
    .addHelpText('after', examples('behalf policy library'))
    .action(async (_options: Options, command: Command) => {
      const pieces = await listLibrary()
      const text = pieces.map(({ name, about }) => `${name}\n  ${about.replaceAll('\n', '\n  ')}`)
      print(
        contextOf(command).terminal,
        pieces.map(({ name, about }) => ({ name, about })),
        text.join('\n\n'),
      )
    })
  policy
    .command('add <piece> <folder>')
    .summary('add a piece of the library and its tests to a folder, to be changed there')
    .addHelpText('after', examples('behalf policy add spending-limit policies/'))
    .action(async (name: string, folder: string, _options: Options, command: Command) => {
      const pieces = await listLibrary()
      const piece = pieces.find((one) => one.name === name)
      if (piece === undefined)
        throw new UsageError(`expected one of ${pieces.map((one) => one.name).join(', ')}`)
      const { sets } = await readFolder(folder)
      const added = await withPiece(sets, piece)
      const changed = Object.keys(piece.sets)
      for (const set of changed)
        write(folder, `${set}.cedar`, added[set as keyof PolicySources] ?? '')
      for (const [file, text] of Object.entries(piece.tests)) write(folder, file, text)
      const files = [...changed.map((set) => `${set}.cedar`), ...Object.keys(piece.tests)]
      print(contextOf(command).terminal, { changed: files }, files.join('\n'))
    })
}

/** Differences, as people read them. */
export function differencesText(found: readonly Difference[]): string {
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

/** The policies in force. */
export async function inForce({ client }: Context): Promise<Output<'showPolicies'>> {
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

/** The version that a folder was pulled from. */
export function baseOf(folder: string): string | undefined {
  const file = join(folder, BASE_FILE)
  return existsSync(file) ? textIn(file, 'base').trim() : undefined
}

/** The sets and tests of a folder. Tests are left out where it has none: those in force stay. */
export async function pushed(
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
  if (
    !isSet &&
    name !== BASE_FILE &&
    !/^(?:tests\/)?[\w.-]+\.(?:test|property)\.json$/.test(name)
  ) {
    throw new UsageError(`expected a policy or test file, got \`${name}\``)
  }
  const file = join(folder, name)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
}

/** A refusal of the server, with everything that is wrong. */
export function refusalOf({
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
