/** The tenth step: the log is verified from its tiles by the command line, and a forged row is found. */

import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { Client } from 'pg'
import { systemClock } from '../../src/base/clock.ts'
import { silentDiagnostics } from '../../src/base/diagnostics.ts'
import { startEmbeddedPostgres } from '../../src/store/embedded.ts'
import type { Setting, Stage } from './stage.ts'

/** Verifies the log, alters a row and sees it found, puts it back. */
export async function verifyLog(checkpoint: string, { stage, teller }: Setting): Promise<void> {
  // A checkpoint follows an entry within a second.
  await systemClock.sleep(1_200)
  const whole = await command(['log', 'verify', '--since', checkpoint], stage)
  teller.step(
    {
      step: '10a',
      title: 'behalf log verify --since checkpoint.before',
      outcome: whole.status === 0 ? 'ok' : 'failed',
    },
    { outcome: 'ok' },
  )
  teller.detail(whole.output)

  const altered = await withAlteredRow(stage, () => command(['log', 'verify'], stage))
  const named = altered.status === 1 && altered.output.includes('entry_altered')
  teller.step(
    {
      step: '10b',
      title: 'one row in Postgres is altered, and verification fails',
      outcome: named ? 'deny' : 'failed',
      reason: altered.output.trim(),
    },
    { outcome: 'deny' },
  )
  const restored = await command(['log', 'verify'], stage)
  teller.step(
    { step: '10c', title: 'the row is put back', outcome: restored.status === 0 ? 'ok' : 'failed' },
    { outcome: 'ok' },
  )
}

/** Runs `work` while a byte of one entry is another. */
async function withAlteredRow<T>({ home }: Stage, work: () => Promise<T>): Promise<T> {
  const embedded = await startEmbeddedPostgres({
    folder: join(home, 'installation/postgres'),
    clock: systemClock,
    diagnostics: silentDiagnostics,
  })
  const client = new Client({ connectionString: embedded.url })
  await client.connect()
  try {
    const { rows } = await client.query<{ index: string; entry: Buffer }>(
      `select index, entry from log_entry where kind = 'approval_decided' order by index desc limit 1`,
    )
    const [row] = rows
    if (row === undefined) throw new Error('expected an approval in the log')
    const forged = Buffer.from(row.entry.toString('utf8').replace('approved', 'improved'))
    const write = async (entry: Buffer): Promise<void> => {
      await client.query('update log_entry set entry = $1 where index = $2', [entry, row.index])
    }
    // The server's role has no right to it, and the table refuses even its owner, who takes that away first.
    await client.query('alter table log_entry disable trigger user')
    await write(forged)
    try {
      return await work()
    } finally {
      await write(row.entry)
      await client.query('alter table log_entry enable trigger user')
    }
  } finally {
    await client.end()
    await embedded.stop()
  }
}

/** The command line, as the administrator. */
export async function command(
  args: readonly string[],
  { place, office }: Stage,
): Promise<{ status: number; output: string }> {
  const child = spawn(join(import.meta.dirname, '../../bin/behalf'), args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env['PATH'] ?? '',
      BEHALF_URL: place.url,
      BEHALF_SESSION: office.sessions['administrator'] ?? '',
    },
  })
  const out: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => out.push(chunk))
  const { promise, resolve } = Promise.withResolvers<number>()
  child.once('close', (code) => resolve(code ?? -1))
  return { status: await promise, output: Buffer.concat(out).toString('utf8') }
}
