/**
 * The log under 64 writers, each of which waits until its entry is durable, beside one multi-row insert of
 * the same bytes after the other. Both in this process, on a database of their own.
 */

import { Client } from 'pg'
import { allMigrations } from '../src/app/migrations.ts'
import { prepareEntry, type PreparedEntry } from '../src/audit/append.ts'
import { LogWriter } from '../src/audit/log-writer.ts'
import { silentDiagnostics } from '../src/base/diagnostics.ts'
import { connectionSettings } from '../src/store/connection.ts'
import { openStore } from '../src/store/open-store.ts'
import { joined } from '../src/store/statement.ts'
import type { Installation } from './installation.ts'
import { type Round, type Row, rowOf } from './rows.ts'

const WRITERS = 64

/** Measures every row. */
export async function measureAppend(
  { database }: Installation,
  { rounds, entries }: { readonly rounds: number; readonly entries: number },
): Promise<Row[]> {
  const client = new Client(connectionSettings(database))
  await client.connect()
  await client.query('create database bench_log')
  await client.query('create table bench_rows (index bigint primary key, bytes bytea not null)')
  const url = database.replace(/\/[^/]*$/, '/bench_log')
  const store = await openStore({ url, migrations: allMigrations, diagnostics: silentDiagnostics })
  const logWriter = new LogWriter({ store })
  const measured: Round<'ours' | 'floor'>[] = []
  for (let round = -1; round < rounds; round++) {
    const floor = await perSecond(entries, () => insertRows(client, entries))
    const ours = await perSecond(entries, () => write(logWriter, entries))
    if (round >= 0) measured.push({ ours, floor })
  }
  await store.close()
  await client.end()
  return [
    rowOf(
      measured,
      { name: 'log append, 64 writers', of: 'ours', unit: 'entries/s', aim: '≥ 0.70' },
      { name: 'multi-row inserts of the same bytes, 64 rows each', of: 'floor' },
    ),
  ]
}

async function perSecond(count: number, work: () => Promise<void>): Promise<number> {
  const started = performance.now()
  await work()
  return (count * 1_000) / (performance.now() - started)
}

let serial = 0

/** An outcome, as calls leave them; encoding and hashing it is part of what is measured. */
function entryOf(): PreparedEntry {
  return prepareEntry({
    v: 1,
    kind: 'call_outcome',
    time: 1_767_225_600_000,
    by: { type: 'system', part: 'gateway' },
    call: `bench.${++serial}`,
    intended: serial,
    delegation: 'dlg_01kx0000000000000000000000',
    outcome: 'ok',
    milliseconds: 3,
  })
}

async function write(logWriter: LogWriter, entries: number): Promise<void> {
  let left = entries
  await Promise.all(
    Array.from({ length: WRITERS }, async () => {
      // oxlint-disable-next-line no-await-in-loop -- a writer waits for its entry
      while (left-- > 0) await logWriter.write({ entry: entryOf() })
    }),
  )
}

let index = 0

async function insertRows(client: Client, entries: number): Promise<void> {
  for (let at = 0; at < entries; at += WRITERS) {
    const { bytes, starts, lengths } = joined(
      Array.from({ length: WRITERS }, () => entryOf().bytes),
    )
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await client.query({
      name: 'insert_rows',
      text: `insert into bench_rows (index, bytes)
        select $1::bigint + r.at, substr($2::bytea, r.start, r.length)
        from unnest($3::integer[], $4::integer[]) with ordinality as r(start, length, at)`,
      values: [index, bytes, starts, lengths],
    })
    index += WRITERS
  }
}
