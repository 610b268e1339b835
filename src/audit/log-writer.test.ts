import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { sql } from 'kysely'
import { type Answer, orFail, type Statement } from '../store/statement.ts'
import type { Store } from '../store/store.ts'
import { append, prepareEntry } from './append.ts'
import { LogWriter, type Charge, type Standing, type Writing, type Written } from './log-writer.ts'
import { entriesBetween } from './queries.ts'
import { openTestLog, testEntry, type TestLog } from './testing.ts'

const YEAR = 365 * 86_400_000

interface World {
  readonly log: TestLog
  readonly writer: LogWriter
  /** How many transactions were asked for until now. */
  transactions(): number
}

/**
 * A log whose entry 0 touched `per_a` and `jti:a` and whose entry 1 touched `per_b`, with a purse of 10 beside
 * it.
 */
async function openWorld(t: TestContext): Promise<World> {
  const log = await openTestLog(t)
  await sql`create table purse (held integer not null)`.execute(log.store.db)
  await sql`insert into purse values (10)`.execute(log.store.db)
  for (const touches of [['per_a', 'jti:a'], ['per_b']]) {
    await log.store.transaction(async (tx) => await append(tx, [testEntry('grp_a', touches)]))
  }
  let count = 0
  const store: Store = {
    ...log.store,
    transaction: async (work) => {
      count++
      return await log.store.transaction(work)
    },
  }
  return { log, writer: new LogWriter({ store }), transactions: () => count }
}

function writing(name: string, more: Omit<Writing, 'entry'> = {}): Writing {
  return { entry: prepareEntry(testEntry(name)), ...more }
}

function standing(more: Partial<Standing> = {}): { readonly standing: Standing } {
  return { standing: { readAt: 2, relied: ['per_a', 'per_b'], ...more } }
}

function takeAll(amounts: readonly unknown[]): Statement {
  const sum = (amounts as readonly number[]).reduce((all, one) => all + one, 0)
  const text = `with taken as (update purse set held = held - $1 where held >= $1 returning held)
    select ${orFail('count(*) = 1')} from taken`
  return { text, values: [sum] }
}

function taking(amount: number): { readonly charge: Charge } {
  const statement = {
    text: 'update purse set held = held - $1 where held >= $1',
    values: [amount],
  }
  return { charge: { statement, refusal: tooMuch, kind: takeAll, from: amount } }
}

function tooMuch({ rowCount }: Answer): string | undefined {
  return rowCount === 1 ? undefined : 'too_much'
}

async function writeTogether(
  { writer }: World,
  batch: readonly Writing[],
): Promise<readonly Written[]> {
  return await Promise.all(batch.map(async (one) => await writer.write(one)))
}

async function groupsSince(log: TestLog, from: number): Promise<string[]> {
  const entries = await entriesBetween(log.store.db, { from })
  return entries.map(({ entry }) => (entry.kind === 'group_created' ? entry.group : entry.kind))
}

async function heldIn(log: TestLog): Promise<number | undefined> {
  const { rows } = await sql<{ held: number }>`select held from purse`.execute(log.store.db)
  return rows[0]?.held
}

const fine = (): readonly Writing[] => [
  writing('grp_plain'),
  // What was touched before the facts were read is part of them.
  writing('grp_standing', standing({ expiresAt: Date.UTC(2100, 0, 1) })),
  writing('grp_older', standing({ readAt: 1, relied: ['per_a', 'per_unknown', 'jti:other'] })),
  writing('grp_charged', { ...standing(), ...taking(4) }),
]

test('what nothing speaks against is written in one transaction, in its order', async (t) => {
  const world = await openWorld(t)
  const batch = [...fine(), writing('grp_last', { ...standing(), ...taking(6) })]
  const written = await writeTogether(world, batch)
  assert.deepEqual(
    written.map((one) => one.ok && one.value.index),
    [2, 3, 4, 5, 6],
  )
  assert.equal(world.transactions(), 1)
  assert.equal(await heldIn(world.log), 0)
  assert.deepEqual(await groupsSince(world.log, 2), [
    'grp_plain',
    'grp_standing',
    'grp_older',
    'grp_charged',
    'grp_last',
  ])
})

const refused: readonly [name: string, writing: Writing, refusal: unknown][] = [
  [
    'its subject was touched when it was read',
    writing('grp_bad', standing({ readAt: 1 })),
    { reason: 'stale', subject: 'per_b' },
  ],
  [
    'its subject was touched long ago, and it was read before',
    writing('grp_bad', standing({ readAt: 0, relied: ['per_x', 'per_a'] })),
    { reason: 'stale', subject: 'per_a' },
  ],
  [
    'it rests on what has ended, however late it was read',
    writing('grp_bad', standing({ readAt: 2, relied: ['per_a', 'jti:a'] })),
    { reason: 'ended', subject: 'jti:a' },
  ],
  [
    'it has expired by the clock of the database',
    writing('grp_bad', standing({ expiresAt: Date.UTC(2020, 0, 1) + YEAR })),
    { reason: 'expired' },
  ],
  [
    'it takes more than is there',
    writing('grp_bad', { ...standing(), ...taking(11) }),
    { reason: 'not_admitted', cause: 'too_much' },
  ],
  [
    'it takes more than others leave',
    writing('grp_bad', { ...standing(), ...taking(7) }),
    { reason: 'not_admitted', cause: 'too_much' },
  ],
]

for (const [name, bad, refusal] of refused) {
  test(`one is refused, and what came with it is written: ${name}`, async (t) => {
    const world = await openWorld(t)
    const [first, ...others] = fine()
    assert(first !== undefined)
    const written = await writeTogether(world, [first, ...others, bad, writing('grp_after')])
    assert.deepEqual(
      written.map((one) => (one.ok ? one.value.index : one.error)),
      [2, 3, 4, 5, refusal, 6],
    )
    // Once for all, then for those that may.
    assert.equal(world.transactions(), 2)
    assert.equal(await heldIn(world.log), 6)
    const groups = await groupsSince(world.log, 2)
    assert.deepEqual(groups, ['grp_plain', 'grp_standing', 'grp_older', 'grp_charged', 'grp_after'])
  })
}

test('a batch of which nothing may be written leaves nothing', async (t) => {
  const world = await openWorld(t)
  const bad = refused.map(([, one]) => one)
  const written = await writeTogether(
    world,
    bad.filter(({ charge }) => charge === undefined),
  )
  assert(written.every((one) => !one.ok))
  assert.deepEqual(await groupsSince(world.log, 2), [])
  assert.deepEqual(await writeTogether(world, [writing('grp_after')]), [
    { ok: true, value: { index: 2 } },
  ])
})

test('a fault is none of a condition: it fails the batch, and nothing is tried again', async (t) => {
  const world = await openWorld(t)
  const broken = { kind: () => ({ text: 'select 1 / held::text::inet from purse' }), row: {} }
  await assert.rejects(writeTogether(world, [writing('grp_a', { rows: [broken] })]))
  assert.equal(world.transactions(), 1)
  assert.deepEqual(await groupsSince(world.log, 2), [])
})
