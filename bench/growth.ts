/**
 * What a decision costs as policies, delegations and segments grow: `npm run bench -- --only growth`, or
 * `node bench/growth.ts [--json] [--delegations 1000000] [--svg docs/growth.svg]` alone, with the curves
 * drawn.
 *
 * Delegations: what a decision reads from the store (the branch, agents, people, who answers, what changed
 * since), in databases that differ only in how many delegations they hold. The measured one was made by the
 * product; the others are copies of it under other identifiers, by one statement that no code of the
 * product uses. Segments: the provenance of four arguments over what one agent was shown. Policies:
 * `decide.ts`. Sizes take turns within each round.
 */

import { writeFile } from 'node:fs/promises'
import { availableParallelism, loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { sql } from 'kysely'
import { Client } from 'pg'
import { allMigrations } from '../src/app/migrations.ts'
import { silentDiagnostics } from '../src/base/diagnostics.ts'
import { Shown, type TracedSegment } from '../src/channel/shown.ts'
import { trace } from '../src/channel/trace.ts'
import { loadFacts } from '../src/decision/load-facts.ts'
import type { DelegationId } from '../src/delegation/delegation.ts'
import { agentsOf, loadTree } from '../src/delegation/standing.ts'
import { logSize, staleAmong } from '../src/store/changes.ts'
import { connectionSettings } from '../src/store/connection.ts'
import { openStore } from '../src/store/open-store.ts'
import type { Store } from '../src/store/store.ts'
import { measureCurve } from './decide.ts'
import { openInstallation, type Installation } from './installation.ts'
import { type Point, svgOf } from './plot.ts'
import { median, quantileOf, type Row, rowOf, tableOf, timed } from './rows.ts'

const ROUNDS = 7

/** Everything about growth: rows beside the smallest size, curves, and how Postgres finds a delegation. */
export interface Growth {
  readonly rows: readonly Row[]
  readonly curve: readonly Point[]
  readonly plan: readonly string[]
}

/** Measures all three curves; `delegations` is the largest number of them. */
export async function measureGrowth(
  installation: Installation,
  { delegations }: { readonly delegations: number },
): Promise<Growth> {
  const grown = await measureDelegations(installation, [
    ...new Set([1_000, delegations / 10, delegations]),
  ])
  const segments = measureSegments([1, 4, 16, 64, 256])
  const policies = (await measureCurve()).map(({ policies: size, p50, p99 }) => ({
    of: 'policies',
    what: 'one decision',
    size,
    p50,
    p99,
  }))
  return {
    rows: [...grown.rows, ...segments.rows],
    curve: [...policies, ...grown.curve, ...segments.curve],
    plan: grown.plan,
  }
}

/** What a size took, sorted, in microseconds. */
type Times = Float64Array

const READS = 150

async function measureDelegations(
  { database }: Installation,
  sizes: readonly number[],
): Promise<Growth> {
  const opened: { size: number; store: Store; id: DelegationId; admin: Client }[] = []
  try {
    for (const size of sizes) opened.push({ size, ...(await grownDatabase(database, size)) })
    const rounds: Times[][] = []
    for (let round = -1; round < ROUNDS; round++) {
      const measured: Times[] = []
      for (const { store, id } of opened)
        measured.push(await timedReads(READS, () => read(store, id)))
      if (round >= 0) rounds.push(measured)
    }
    const plans = await Promise.all(opened.map(({ admin, id }) => planOf(admin, id)))
    return {
      ...told('delegations', 'facts of one call', sizes, rounds),
      plan: [...new Set(plans.flat())],
    }
  } finally {
    for (const { store, admin } of opened) {
      await store.close()
      await admin.end()
    }
  }
}

/** What the gateway reads of the store for one call that it knows nothing about yet (`facts-cache.ts`). */
async function read(store: Store, id: DelegationId): Promise<void> {
  await store.snapshot(async (tx) => {
    const readAt = await logSize(tx)
    const tree = await loadTree(tx, id)
    const agents = tree && agentsOf(tree)
    if (tree === undefined || agents === undefined)
      throw new Error('expected a delegation that an agent holds')
    const { relied } = await loadFacts(tx, { tree, agents })
    const stale = await staleAmong(tx, relied, readAt)
    if (stale.length > 0) throw new Error('expected nothing to change meanwhile')
  })
}

/** A database with a copy of the installation's rows, and `size` delegations more. */
async function grownDatabase(
  database: string,
  size: number,
): Promise<{ store: Store; id: DelegationId; admin: Client }> {
  const name = `bench_${size}`
  const source = new Client(connectionSettings(database))
  await source.connect()
  await source.query(`create database ${name}`)
  const url = database.replace(/\/[^/]*$/, `/${name}`)
  const store = await openStore({ url, migrations: allMigrations, diagnostics: silentDiagnostics })
  const admin = new Client(connectionSettings(url))
  await admin.connect()
  await copyRows(source, admin)
  await source.end()
  const { rows } = await sql<{ id: DelegationId }>`
    select id from delegation where agent is not null order by id limit 1`.execute(store.db)
  const [held] = rows
  if (held === undefined) throw new Error('expected a delegation that an agent holds')
  await multiply(admin, held.id, size)
  await admin.query('vacuum analyze')
  return { store, id: held.id, admin }
}

/** Every row of every table: few, so through here. */
async function copyRows(from: Client, to: Client): Promise<void> {
  await to.query("set session_replication_role = 'replica'")
  const { rows: tables } = await from.query<{ name: string }>(
    "select quote_ident(tablename) as name from pg_tables where schemaname = 'public'",
  )
  for (const { name } of tables) {
    const { rows } = await from.query<{ all: string }>(
      `select coalesce(jsonb_agg(t), '[]')::text as all from ${name} t`,
    )
    await to.query(`truncate ${name} cascade`)
    await to.query(
      `insert into ${name} overriding system value select * from jsonb_populate_recordset(null::${name}, $1)`,
      [rows[0]?.all ?? '[]'],
    )
  }
  await to.query("set session_replication_role = 'origin'")
}

/** How many rows a statement makes. */
const BATCH = 50_000

/** Copies one delegation `count` times, one in four a root and three below it, with what goes with each. */
async function multiply(admin: Client, id: DelegationId, count: number): Promise<void> {
  await admin.query('set synchronous_commit = off')
  const root = '(g - g % 4)'
  for (let from = 0; from < count; from += BATCH) {
    const to = Math.min(from + BATCH, count) - 1
    await admin.query(
      `insert into delegation (id, person, archetype, agent, parent, ancestors, purpose, details, stages,
         stage, stage_movers, stages_reversible, created_at, expires_at, state, suspended_by, signed)
       select ${numbered('dlg', 'g')}, ${numbered('per', 'g % 10000')}, archetype, ${numbered('agt', 'g')},
         case when g % 4 = 0 then null else ${numbered('dlg', root)} end,
         case when g % 4 = 0 then '{}' else array[${numbered('dlg', root)}] end,
         purpose, details, case when g % 4 = 0 then stages else '{}' end,
         case when g % 4 = 0 then stage end, case when g % 4 = 0 then stage_movers else '{}' end,
         stages_reversible and g % 4 = 0, created_at, expires_at, state, suspended_by, signed
       from delegation, generate_series($2::bigint, $3::bigint) g where id = $1`,
      [id, from, to],
    )
    await admin.query(
      `insert into delegation_usage (delegation, detail, counter)
       select ${numbered('dlg', 'g')}, 1, 'calls' from generate_series($1::bigint, $2::bigint) g`,
      [from, to],
    )
    await admin.query(
      `insert into touched (subject, version)
       select ${numbered('dlg', 'g')}, 0 from generate_series($1::bigint, $2::bigint) g`,
      [from, to],
    )
  }
}

/** An identifier made of a number, as SQL. */
function numbered(prefix: string, number: string): string {
  return `'${prefix}_' || lpad((${number})::text, 26, '0')`
}

/** How Postgres finds a branch: the same at every size, or the sizes say nothing. */
async function planOf(admin: Client, id: DelegationId): Promise<string[]> {
  const { rows } = await admin.query<{ 'QUERY PLAN': string }>(
    `explain (costs off) select d.id from delegation d join delegation r on r.id = coalesce(d.ancestors[1], d.id)
     where d.id in (select unnest(b.ancestors || b.id) from delegation b where b.id = '${id}')`,
  )
  return [rows.map((row) => row['QUERY PLAN']).join('\n')]
}

const TRACES = 400

/** Provenance over segments of 4 KB, of which one in eight is an answer with records. */
function measureSegments(sizes: readonly number[]): Omit<Growth, 'plan'> {
  const shown = sizes.map((size) => [new Shown([said(), ...Array.from({ length: size }, segment)])])
  const args = {
    path: '/clients/1042/w2.txt',
    to: 'nobody@nowhere.example',
    amount: '1200.50',
    note: 'the invoice of client 1042 was sent to the client with notes',
  }
  const rounds: Times[][] = []
  for (let round = -1; round < ROUNDS; round++) {
    const measured = shown.map((each) => timed(TRACES, () => trace(each, args)))
    if (round >= 0) rounds.push(measured)
  }
  return told('segments of 4 KB', 'provenance of four arguments', sizes, rounds)
}

function said(): TracedSegment {
  const text = 'prepare the return of client 1042, below /clients/1042, fee 1,200.50'
  return { id: 'purpose', principal: 'per_1', trust: 'trusted', text, words: text, step: 0 }
}

const WORDS =
  'the quarterly report about invoices and payments was sent to the client on 2024-05-15 with notes from john@x.example Recipient Budget'.split(
    ' ',
  )

function segment(_: unknown, at: number): TracedSegment {
  let seed = at + 1
  let text = ''
  while (text.length < 4_096) {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fffffff
    text += `${WORDS[seed % WORDS.length]}${seed % 9 === 0 ? seed.toString(36) : ''} `
  }
  return { id: `seg_${at}`, principal: 'srv_1', trust: 'untrusted', text, step: at + 1 }
}

async function timedReads(count: number, work: () => Promise<void>): Promise<Times> {
  const times = new Float64Array(count)
  for (let i = 0; i < count; i++) {
    const start = performance.now()
    await work()
    times[i] = (performance.now() - start) * 1_000
  }
  return times.toSorted()
}

const NONE: Times = new Float64Array()

/** The curve of one thing that grows, and the greatest size beside the least. */
function told(
  of: string,
  what: string,
  sizes: readonly number[],
  rounds: readonly Times[][],
): Omit<Growth, 'plan'> {
  const curve = sizes.map((size, i) => ({
    of,
    what,
    size,
    p50: median(rounds.map((round) => quantileOf(round[i] ?? NONE, 0.5))),
    p99: median(rounds.map((round) => quantileOf(round[i] ?? NONE, 0.99))),
  }))
  const [least = 0, most = 0] = [sizes[0], sizes.at(-1)]
  const rows = ([0.5, 0.99] as const).map((quantile) =>
    rowOf(
      rounds.map((round) => ({
        most: quantileOf(round.at(-1) ?? NONE, quantile),
        least: quantileOf(round[0] ?? NONE, quantile),
      })),
      {
        name: `${what}, ${most.toLocaleString('en')} ${of}, ${quantile === 0.5 ? 'median' : 'p99'}`,
        of: 'most',
        unit: 'µs',
      },
      { name: `the same, ${least.toLocaleString('en')}`, of: 'least' },
    ),
  )
  return { rows, curve }
}

/** The curves as bars, for terminals: `#` up to the median, `-` up to p99, each curve by its own scale. */
export function plotted(curve: readonly Point[]): string {
  return [...Map.groupBy(curve, ({ of }) => of)]
    .map(([of, points]) => {
      const most = Math.max(...points.map(({ p99 }) => p99))
      const width = (microseconds: number): number => Math.round((microseconds / most) * 50)
      return points
        .map(({ size, p50, p99 }) => {
          const bar = '#'.repeat(width(p50)).padEnd(width(p99), '-').padEnd(50)
          const label = `${size.toLocaleString('en')} ${of}`.padStart(26)
          return `${label}  ${bar}  ${p50.toFixed(0)} µs, p99 ${p99.toFixed(0)} µs`
        })
        .join('\n')
    })
    .join('\n\n')
}

/** Writes the curves to a file. */
export async function drawn({ curve }: Growth, file: string): Promise<void> {
  const about = `each size in turns with the others; ${availableParallelism()} cores, load ${loadavg()[0]?.toFixed(1)}`
  await writeFile(file, svgOf(curve, about))
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      delegations: { type: 'string', default: '1000000' },
      svg: { type: 'string' },
    },
  })
  const installation = await openInstallation({})
  try {
    const growth = await measureGrowth(installation, { delegations: Number(values.delegations) })
    if (values.svg !== undefined) await drawn(growth, values.svg)
    if (values.json) console.log(JSON.stringify(growth))
    else
      console.log([tableOf(growth.rows), '', plotted(growth.curve), '', ...growth.plan].join('\n'))
  } finally {
    await installation.stop()
  }
}
