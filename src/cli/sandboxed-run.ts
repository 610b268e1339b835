/**
 * `behalf run -- <command>`: a coding agent, or any program, in the sandbox with one folder to work in.
 *
 * Whatever the person has, the program has not: no home, no keys, no tokens, no environment, no network but
 * the hosts that are named. Behind `behalf bridge` inside it answers the bridge outside, as an agent of its
 * own; no identity and no token of it enters the sandbox either.
 */

import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { mkdir, open, rm, type FileHandle } from 'node:fs/promises'
import { constants, homedir } from 'node:os'
import { basename, delimiter, dirname, join, resolve } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { Command } from 'commander'
import { systemClock } from '../base/clock.ts'
import { systemRandom } from '../base/random.ts'
import { bridge } from '../client/bridge.ts'
import type { Door } from '../sandbox/doors.ts'
import type { Destination } from '../sandbox/egress.ts'
import { within } from '../sandbox/mounts.ts'
import { sweep } from '../sandbox/leftovers.ts'
import type { Exit } from '../sandbox/report.ts'
import { sandboxed, type Sandboxed, type SandboxSpec } from '../sandbox/sandboxed.ts'
import type { CheckedTar } from '../sandbox/tar.ts'
import type { TerminalSize } from '../sandbox/terminal.ts'
import { homeFolder } from './context.ts'
import { EXIT, examples, Refused } from './terminal.ts'
import { hostOf, listOf, reading, secondsOf, UsageError, wholeNumber } from './usage.ts'

interface RunOptions {
  readonly folder: string
  readonly readOnly?: string
  readonly readWrite?: string
  readonly allow?: string
  readonly env?: string
  readonly set?: readonly string[]
  readonly connection?: string
  readonly door?: string
  readonly terminal: boolean
  readonly output?: string
  readonly memory: string
  readonly for?: string
}

// Where credentials of a person lie: no mount may show them, so none may be a whole home either.
const PRIVATE =
  '.ssh .aws .azure .config/gcloud .config/gh .gnupg .kube .docker .netrc .git-credentials .npmrc .pypirc .password-store .local/share/keyrings'.split(
    ' ',
  )
const BRIDGE_PORT = 3129
const ROOT = join(import.meta.dirname, '../..')
// What `behalf bridge` inside is made of.
const OURS = ['bin', 'src', 'node_modules', 'package.json']
const MEBIBYTE = 1024 * 1024
const ANSWERED_MILLISECONDS = 50

/** Adds the command. */
export function addSandboxedRun(program: Command): void {
  program
    .command('run')
    .summary('run a program in the sandbox, with a folder to work in and nothing else of yours')
    .argument('<command...>', 'after --')
    .option('--folder <folder>', 'where it works: it may read and write there', '.')
    .option('--read-only <paths>', 'comma-separated paths that it may read')
    .option(
      '--read-write <paths>',
      'comma-separated paths that it may write, a home of its own for one',
    )
    .option(
      '--allow <hosts>',
      'comma-separated hosts that it may reach: api.example.com, *.npmjs.org:443',
    )
    .option('--env <names>', 'comma-separated variables of yours that it is given')
    .option('--set <name=value...>', 'variables that it is given')
    .option(
      '--connection <connection>',
      'the connection (`behalf connect`) that `behalf bridge` inside serves',
    )
    .option('--door <socket>', 'the socket of the installation; by default bridge.sock in its home')
    .option('--output <file>', 'a new tar of what it leaves in /output')
    .option('--no-terminal', 'give it pipes even where this is a terminal')
    .option('--memory <MiB>', 'memory in total', '4096')
    .option('--for <duration>', 'end it after: 45m, 8h')
    .addHelpText(
      'after',
      examples(
        'behalf run -- git log',
        'behalf run --allow registry.npmjs.org -- npm install',
        'behalf run --output report.tar --read-only data.csv -- python3 analyse.py data.csv /output/report.html',
        'behalf run --allow api.anthropic.com --env ANTHROPIC_API_KEY --read-write ~/.agent-home --set HOME=$HOME/.agent-home -- claude',
        'behalf run --connection con_… --allow api.anthropic.com --env ANTHROPIC_API_KEY -- claude -p "fix the test"',
      ),
    )
    .action(run)
}

async function run(command: readonly string[], options: RunOptions): Promise<void> {
  sweep()
  const spec = await specOf(command, options)
  const file = options.output === undefined ? undefined : await newFile(options.output, spec)
  const started = await sandboxed(spec, {
    clock: systemClock,
    nodePath: process.execPath,
    protectedPaths: [
      homeFolder(),
      dirname(doorOf(options)),
      ...PRIVATE.map((path) => join(homedir(), path)),
    ],
  })
  if (!started.ok) {
    await file?.remove()
    throw new Refused(started.error.reason, started.error.message)
  }
  const program = started.value
  const { stdin, stdout, stderr, exit } = program
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => program.kill())
  }
  const giveBack = spec.terminal === undefined ? undefined : lent(program)
  process.stdin.pipe(stdin)
  stdout.pipe(process.stdout)
  stderr.pipe(process.stderr)
  const kept = file && keptIn(file, program.output)
  const ended = await exit
  await giveBack?.()
  process.stdin.destroy()
  summary(ended).forEach(say)
  const isWhole = (await kept) ?? true
  process.exitCode = isWhole ? statusOf(ended) : EXIT.refused
}

/** A file of the person's, opened before the program could put something else in its place. */
interface NewFile {
  readonly path: string
  readonly handle: FileHandle
  remove(): Promise<void>
}

async function newFile(named: string, { readWrite }: SandboxSpec): Promise<NewFile> {
  const path = resolve(named)
  const folder = reading(dirname(path), 'the folder of --output', () => realpathSync(dirname(path)))
  // There the program could lead the name elsewhere meanwhile.
  if (readWrite.some((mount) => within(folder, realpathSync(mount))))
    throw new UsageError('expected --output outside of what the program may write')
  const handle = await open(join(folder, basename(path)), 'wx', 0o600).catch(() => {
    throw new UsageError(`expected to make a new file at \`${path}\``)
  })
  return {
    path,
    handle,
    remove: async () => {
      await handle.close().catch(() => {})
      await rm(path)
    },
  }
}

/** Whether all of it came out; a part is worth nothing. */
async function keptIn(file: NewFile, output: CheckedTar | undefined): Promise<boolean> {
  try {
    if (output === undefined) throw new Error('there is no output')
    await pipeline(output, file.handle.createWriteStream())
    const { files, bytes, leftOut } = output.handed
    const rest = leftOut === 0 ? '' : `, left out ${leftOut} that are neither`
    say(`\`${file.path}\`: ${files} files, ${bytes} bytes${rest}`)
    return true
  } catch (fault) {
    say(`nothing was handed out: ${(fault as Error).message}`)
    await file.remove()
    return false
  }
}

/** What is typed goes on as it is, and the size is passed on; the result gives the terminal back. */
function lent(program: Sandboxed): () => Promise<void> {
  const { stdin, stdout } = process
  const resized = (): void => program.resize(sizeOf(stdout))
  stdout.on('resize', resized)
  stdin.setRawMode(true)
  const restore = (): void => void stdin.setRawMode(false)
  process.once('exit', restore)
  return async () => {
    stdout.off('resize', resized)
    // What the terminal answers to the program's last questions is not to be read by the shell after us.
    stdin.unpipe().resume()
    await systemClock.sleep(ANSWERED_MILLISECONDS)
    restore()
  }
}

function sizeOf({
  rows,
  columns,
}: {
  readonly rows: number
  readonly columns: number
}): TerminalSize {
  return { rows, columns }
}

async function specOf(
  [named = '', ...args]: readonly string[],
  options: RunOptions,
): Promise<SandboxSpec> {
  const folder = resolve(options.folder)
  const repository = await repositoryIn(folder)
  const bridged = options.connection !== undefined
  const ours = bridged ? OURS.map((path) => join(ROOT, path)) : []
  const readWrite = [folder, ...repository.readWrite, ...paths(options.readWrite)]
  const readOnly = [...paths(options.readOnly), ...repository.readOnly]
  return {
    command: found(named, folder),
    args,
    cwd: folder,
    // What is shown as part of something else need not be shown twice.
    readOnly: [...readOnly, ...ours.filter((path) => !path.startsWith(`${folder}/`))],
    readWrite,
    environment: environmentOf(options, bridged),
    limits: {
      memoryBytes: wholeNumber(options.memory, 'memory in MiB') * MEBIBYTE,
      processes: 1_024,
      scratchBytes: 1_024 * MEBIBYTE,
      diskBytes: 16 * 1_024 * MEBIBYTE,
      // There is nobody beside it who would wait.
      outputBytesPerSecond: 1_024 * 1_024 * MEBIBYTE,
      ...(options.for !== undefined && { wallMilliseconds: secondsOf(options.for) * 1_000 }),
    },
    tier: 'T1',
    ...(options.output !== undefined && { output: true }),
    ...(options.terminal && isTerminal() && { terminal: sizeOf(process.stdout) }),
    egress: listOf(options.allow ?? '').map(destinationOf),
    doors: bridged ? [bridgeDoor(options.connection ?? '', doorOf(options))] : [],
  }
}

/**
 * What a repository keeps that would later run as the person, or speak for them: shown, not to be changed.
 * `.git` is a mount of its own, so that it cannot be moved away from under the two.
 */
async function repositoryIn(folder: string): Promise<{ readOnly: string[]; readWrite: string[] }> {
  const git = join(folder, '.git')
  if (!existsSync(git) || !statSync(git).isDirectory()) return { readOnly: [], readWrite: [] }
  const [config, hooks] = [join(git, 'config'), join(git, 'hooks')]
  await mkdir(hooks, { recursive: true })
  if (!existsSync(config)) return { readOnly: [hooks], readWrite: [git] }
  if (/:\/\/[^\s/@]+@|extraheader|\bhelper\s*=\s*store/i.test(readFileSync(config, 'utf8'))) {
    throw new Refused(
      'credential_in_folder',
      `\`${config}\` holds a credential, which the program would read: move it to a credential helper first`,
    )
  }
  return { readOnly: [config, hooks], readWrite: [git] }
}

function isTerminal(): boolean {
  return process.stdin.isTTY && process.stdout.isTTY
}

/** What the person's terminal can draw. */
function drawnOn(): Record<string, string> {
  const given = ['TERM', 'COLORTERM'].map((name) => [name, process.env[name] ?? ''] as const)
  return Object.fromEntries(given.filter(([, value]) => /^[\w.+-]{1,64}$/.test(value)))
}

/** A program by path, or by name on the person's PATH. */
function found(named: string, folder: string): string {
  if (named === 'node') return named
  if (named.includes('/')) return resolve(folder, named)
  const places = (process.env['PATH'] ?? '').split(delimiter)
  const place = places.find((each) => each.startsWith('/') && existsSync(join(each, named)))
  if (place === undefined) throw new UsageError(`expected a program on PATH, got \`${named}\``)
  return join(place, named)
}

function environmentOf(options: RunOptions, bridged: boolean): Record<string, string> {
  const environment: Record<string, string> = {
    PATH: '/usr/local/bin:/usr/bin:/bin',
    HOME: '/tmp',
    LANG: 'C.UTF-8',
    ...(bridged && { BEHALF_BRIDGE_PORT: String(BRIDGE_PORT) }),
    ...(options.terminal && isTerminal() && drawnOn()),
  }
  for (const name of listOf(options.env ?? '')) {
    const value = process.env[name]
    if (value === undefined) throw new UsageError(`expected a variable \`${name}\` to pass on`)
    environment[name] = value
  }
  for (const pair of options.set ?? []) {
    const [, name, value] = /^([A-Za-z_]\w*)=(.*)$/s.exec(pair) ?? []
    if (name === undefined || value === undefined)
      throw new UsageError(`expected --set name=value, got \`${pair}\``)
    environment[name] = value
  }
  const own = Object.keys(environment).find(
    (name) => name.startsWith('BEHALF_') && name !== 'BEHALF_BRIDGE_PORT',
  )
  if (own !== undefined) throw new UsageError(`\`${own}\` is not to be passed on`)
  return environment
}

function destinationOf(text: string): Destination {
  const { host, port } = hostOf(text)
  return { host, ...(port !== undefined && { ports: [port] }) }
}

function doorOf({ door }: RunOptions): string {
  return door === undefined ? join(homeFolder(), 'bridge.sock') : resolve(door)
}

/** Each connection is a window of its own, served here outside: its keys never enter. */
function bridgeDoor(connection: string, door: string): Door {
  return {
    port: BRIDGE_PORT,
    serve: (socket) => {
      const leaving = new AbortController()
      socket.once('close', () => leaving.abort())
      void bridge(
        { door, connection, signal: leaving.signal },
        { input: socket, output: socket },
        { clock: systemClock, random: systemRandom, say },
      )
        .then((served) =>
          say(served.ok ? 'a window was closed' : `refused: ${served.error.reason}`),
        )
        .catch((fault: Error) => say(fault.message))
        .finally(() => socket.destroy())
    },
  }
}

function say(line: string): void {
  process.stderr.write(`behalf: ${line}\n`)
}

function paths(text: string | undefined): string[] {
  return listOf(text ?? '').map((path) => resolve(path))
}

function summary({ ended, denied, used }: Exit): string[] {
  const reached = ended === 'itself' || ended === 'killed' ? [] : [`ended by its limit: ${ended}`]
  const refused = denied.map(({ what, detail, times }) => `denied ${what}: ${detail} (${times}×)`)
  const { sentBytes, receivedBytes } = used.egress
  const network =
    sentBytes + receivedBytes === 0 ? [] : [`sent ${sentBytes} bytes, received ${receivedBytes}`]
  return [...reached, ...refused, ...network]
}

function statusOf({ code, signal }: Exit): number {
  if (code !== null) return code
  const numbers: Readonly<Record<string, number>> = constants.signals
  return signal === null ? EXIT.fault : 128 + (numbers[signal] ?? 0)
}
