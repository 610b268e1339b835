/** `behalf log|witness`: the record, checked without trusting who keeps it. */

import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Command } from 'commander'
import { parseVerifierKey } from '../audit/note.ts'
import { verifierKeyOf, witnessSigner } from '../audit/note-signer.ts'
import { copyLog, folderTileSource } from '../audit/tile-source.ts'
import type { TileSource } from '../audit/tile.ts'
import { verifyReceipt } from '../audit/receipt.ts'
import { verifyLog } from '../audit/verify.ts'
import { witnessLog } from '../audit/witness.ts'
import { openWitnessState } from '../audit/witness-state.ts'
import { sha256 } from '../base/bytes.ts'
import { systemClock } from '../base/clock.ts'
import { httpTileSource, TileRefused } from '../client/log.ts'
import { act } from './act.ts'
import { type Context, contextOf } from './context.ts'
import {
  dateText,
  EXIT,
  examples,
  facts,
  finish,
  print,
  Refused,
  refused,
  table,
} from './terminal.ts'
import { reading, textIn, UsageError, wholeNumber } from './usage.ts'

/** Adds the commands about the log. */
export function addLogCommands(program: Command): void {
  const log = program.command('log').summary('the transparency log')
  addReadingCommands(log)
  addCheckingCommands(log)
  program
    .command('witness')
    .summary('cosign the log if it continues what was cosigned before')
    .requiredOption('--name <name>', 'the name of this witness')
    .requiredOption('--key-file <file>', 'its Ed25519 key, made when missing')
    .requiredOption('--state <file>', 'what it cosigned last')
    .option('--show-key', 'only print its verifier key, for `behalf serve --witnesses`')
    .addHelpText(
      'after',
      examples(
        'behalf witness --name auditor.example/w1 --key-file w1.pem --state w1.json --show-key',
        'behalf witness --name auditor.example/w1 --key-file w1.pem --state w1.json',
      ),
    )
    .action(witnessAction)
}

function addReadingCommands(log: Command): void {
  log
    .command('story <delegation>')
    .summary('who delegated what to whom, what was tried, who approved, who answers')
    .addHelpText('after', examples('behalf log story dlg_…'))
    .action(
      act(
        'logStory',
        (id) => ({ id }),
        ({ text }) => text,
      ),
    )
  log
    .command('entries')
    .summary('entries of the log, in order')
    .option('--from <index>', 'the first entry', '0')
    .option('--limit <count>', 'at most 500', '100')
    .option('--delegation <id>', 'only of this delegation')
    .addHelpText(
      'after',
      examples('behalf log entries --from 100 --limit 20', 'behalf log entries --delegation dlg_…'),
    )
    .action(
      act(
        'logEntries',
        (_, options) => ({
          from: wholeNumber(options['from'] ?? '', '--from'),
          limit: wholeNumber(options['limit'] ?? '', '--limit'),
          ...(options['delegation'] !== undefined && { delegation: options['delegation'] }),
        }),
        ({ entries }) =>
          table(
            ['index', 'time', 'kind', 'entry'],
            entries.map(({ index, entry: { v: _v, time, kind, ...rest } }) => [
              String(index),
              typeof time === 'number' ? dateText(time) : '',
              typeof kind === 'string' ? kind : '',
              JSON.stringify(rest),
            ]),
          ),
      ),
    )
  log
    .command('receipt <index>')
    .summary('an offline proof that an entry is in the log')
    .addHelpText('after', examples('behalf log receipt 44 > entry-44.tlog-proof'))
    .action(
      act(
        'logReceipt',
        (index) => ({ index: wholeNumber(index, 'the index of an entry') }),
        ({ receipt }) => receipt,
      ),
    )
}

function addCheckingCommands(log: Command): void {
  log
    .command('verify')
    .summary('re-verify the whole log from its tiles alone')
    .option('--folder <folder>', 'a copy made by `log copy` instead of the installation')
    .option('--key <vkey>', "the log's verifier key; by default what the installation says")
    .option('--witness <vkeys...>', 'verifier keys of witnesses')
    .option('--since <file>', 'a checkpoint kept earlier, which the log must continue')
    .option('--receipt <file>', 'verify one receipt instead')
    .addHelpText(
      'after',
      examples(
        'behalf log verify --since checkpoint.last',
        'behalf log verify --folder copy --key acme.example/log+e1f0…',
        'behalf log verify --receipt entry-44.tlog-proof --key acme.example/log+e1f0…',
      ),
    )
    .action(verifyAction)
  log
    .command('key')
    .summary('the key that verifies the log; keep it where the operator cannot change it')
    .addHelpText('after', examples('behalf log key > log.vkey'))
    .action(
      act(
        'logKey',
        () => ({}),
        ({ vkey }) => vkey,
      ),
    )
  log
    .command('checkpoint')
    .summary('the signed head of the log, to keep for `verify --since`')
    .addHelpText('after', examples('behalf log checkpoint > checkpoint.last'))
    .action(async (_options: object, command: Command) => {
      const context = contextOf(command)
      const note = await sourceOf(context)('checkpoint')
      const text = new TextDecoder().decode(note)
      print(context.terminal, { checkpoint: text }, text)
    })
  log
    .command('copy <folder>')
    .summary('copy the log, to verify and keep elsewhere')
    .addHelpText('after', examples('behalf log copy copy-of-the-log'))
    .action(async (folder: string, _options: object, command: Command) => {
      const context = contextOf(command)
      const size = await copyLog(sourceOf(context), folder)
      print(context.terminal, { size, folder }, `copied ${size} entries to ${folder}`)
    })
}

interface VerifyOptions {
  readonly folder?: string
  readonly key?: string
  readonly witness?: readonly string[]
  readonly since?: string
  readonly receipt?: string
}

async function verifyAction(options: VerifyOptions, command: Command): Promise<void> {
  const context = contextOf(command)
  const { terminal } = context
  // What is read here comes first: it may be misspelt.
  const receipt = options.receipt === undefined ? undefined : textIn(options.receipt, 'the receipt')
  const since = options.since === undefined ? undefined : textIn(options.since, 'the checkpoint')
  const { folder } = options
  if (folder !== undefined && !reading(folder, 'the copy', () => statSync(folder)).isDirectory())
    throw new UsageError(`expected \`${folder}\` to be a folder made by \`behalf log copy\``)
  const key = options.key ?? (await announcedKey(context))
  const witnesses = options.witness ?? []
  if (receipt !== undefined) {
    process.exitCode = await verifyOneReceipt(context, receipt, { key, witnesses })
    return
  }
  const source = folder === undefined ? sourceOf(context) : folderTileSource(folder)
  const verified = await verifyLog(
    source,
    { log: key, witnesses, ...(since !== undefined && { since }) },
    { sha256 },
  )
  if (!verified.ok) {
    process.exitCode = refused(terminal, verified.error)
    return
  }
  const { origin, size, root, standing } = verified.value
  const told = { ...verified.value, root: Buffer.from(root).toString('base64') }
  const continues =
    verified.value.since === undefined
      ? ''
      : `\nit continues the checkpoint of size ${verified.value.since}`
  print(
    terminal,
    told,
    `${origin}: ${size} entries verified, root ${told.root}\n${standing}${continues}`,
  )
}

async function verifyOneReceipt(
  context: Context,
  receipt: string,
  { key, witnesses }: { readonly key: string; readonly witnesses: readonly string[] },
): Promise<number> {
  const keys = await Promise.all([key, ...witnesses].map((vkey) => parseVerifierKey(vkey)))
  const [log, ...others] = keys.flatMap((parsed) => (parsed.ok ? [parsed.value] : []))
  if (log === undefined || others.length !== witnesses.length) {
    return refused(context.terminal, { reason: 'malformed_key', message: 'expected verifier keys' })
  }
  const proven = await verifyReceipt(receipt, { log, witnesses: others })
  if (!proven.ok) return refused(context.terminal, proven.error)
  print(context.terminal, proven.value, facts({ ...proven.value }))
  return EXIT.done
}

async function announcedKey(context: Context): Promise<string> {
  const answer = await context.client.call('logKey', {})
  if (!answer.ok) throw new Refused(answer.error.reason, answer.error.message)
  return answer.value.vkey
}

/** The log of the installation, as whoever is signed in may read it. */
function sourceOf({ session, url }: Context): TileSource {
  if (session === undefined) throw new Refused('not_signed_in', 'expected somebody signed in')
  const source = httpTileSource({ url, session })
  return async (path) => {
    try {
      return await source(path)
    } catch (cause) {
      if (!(cause instanceof TileRefused)) throw cause
      if (cause.status === 401) throw new Refused('not_signed_in', 'the session has ended')
      throw new Refused('not_permitted', 'reading the log is not permitted to you')
    }
  }
}

interface WitnessOptions {
  readonly name: string
  readonly keyFile: string
  readonly state: string
  readonly showKey?: boolean
}

async function witnessAction(options: WitnessOptions, command: Command): Promise<void> {
  const context = contextOf(command)
  const key = witnessKey(options.keyFile)
  const vkey = await verifierKeyOf(options.name, 'witness', key)
  if (options.showKey === true) {
    print(context.terminal, { vkey }, vkey)
    return
  }
  const log = await parseVerifierKey(await announcedKey(context))
  if (!log.ok) throw new Error('expected the installation to announce a verifier key')
  const cosigned = await witnessLog(sourceOf(context), {
    logs: [log.value],
    signer: await witnessSigner(options.name, key, systemClock),
    state: await openWitnessState(options.state),
    sha256,
  })
  if (!cosigned.ok) {
    process.exitCode = refused(context.terminal, cosigned.error)
    return
  }
  const kept = await context.client.call('logCosign', { checkpoint: cosigned.value })
  process.exitCode = await finish(
    context.terminal,
    kept,
    ({ size }) => `cosigned a log of ${size} entries\nverify with --witness '${vkey}'`,
  )
}

/** The witness's key, made on first use: 0600, never overwritten. */
function witnessKey(file: string): KeyObject {
  if (!existsSync(file)) {
    const { privateKey } = generateKeyPairSync('ed25519')
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, privateKey.export({ type: 'pkcs8', format: 'pem' }), {
      mode: 0o600,
      flag: 'wx',
    })
  }
  const pem = textIn(file, 'the key')
  return reading(file, 'the key', () => createPrivateKey(pem))
}
