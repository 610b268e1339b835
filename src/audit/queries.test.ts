import { test } from 'node:test'
import assert from 'node:assert/strict'
import { sql } from 'kysely'
import { append } from './append.ts'
import { checkLog } from './check-log.ts'
import type { Actor, Entry } from './entry.ts'
import { loadStory } from './load-story.ts'
import {
  callsWithoutOutcome,
  delegationTree,
  endedCalls,
  entriesBetween,
  entriesOfDelegations,
  entryAt,
  signInsOf,
} from './queries.ts'
import {
  openTestLog,
  testCreated,
  testEntry,
  testIntended,
  testOutcome,
  type TestLog,
} from './testing.ts'

const by: Actor = { type: 'person', person: 'per_alice', presence: 'session' }

const entries: Entry[] = [
  testCreated('dlg_1'), // 0
  testCreated('dlg_2'), // 1
  testCreated('dlg_3', 'dlg_1'), // 2
  testCreated('dlg_4', 'dlg_3'), // 3
  testIntended('a', { readAt: 4 }), // 4
  testIntended('b', { delegation: 'dlg_4', agents: ['agt_1', 'agt_1', 'agt_1'], readAt: 5 }), // 5
  testEntry('grp_a'), // 6
  testOutcome('a', 4), // 7
  testIntended('c', { delegation: 'dlg_2', readAt: 8 }), // 8
]

async function written(t: Parameters<typeof openTestLog>[0]): Promise<TestLog> {
  const log = await openTestLog(t)
  await log.store.transaction((tx) => append(tx, entries))
  await checkLog(log.store)
  return log
}

const indexes = (found: readonly { index: number }[]): number[] => found.map(({ index }) => index)

test('entries by place', async (t) => {
  const { db } = (await written(t)).store
  assert.deepEqual(indexes(await entriesBetween(db, { from: 0 })), [0, 1, 2, 3, 4, 5, 6, 7, 8])
  assert.deepEqual(indexes(await entriesBetween(db, { from: 2, to: 4 })), [2, 3])
  assert.deepEqual(indexes(await entriesBetween(db, { from: 2, limit: 1 })), [2])
  assert.deepEqual(indexes(await entriesBetween(db, { from: 9 })), [])
  assert.deepEqual(await entryAt(db, 6), entries[6])
  assert.equal(await entryAt(db, 9), undefined)
})

test('a delegation, what is below it, and what was done under them', async (t) => {
  const { db } = (await written(t)).store
  assert.deepEqual(await delegationTree(db, 'dlg_1'), ['dlg_1', 'dlg_3', 'dlg_4'])
  assert.deepEqual(await delegationTree(db, 'dlg_3'), ['dlg_3', 'dlg_4'])
  assert.deepEqual(await delegationTree(db, 'dlg_2'), ['dlg_2'])
  assert.deepEqual(await delegationTree(db, 'dlg_9'), [])
  assert.deepEqual(
    indexes(await entriesOfDelegations(db, ['dlg_1', 'dlg_3', 'dlg_4'])),
    [0, 2, 3, 4, 5, 7],
  )
  assert.deepEqual(indexes(await entriesOfDelegations(db, ['dlg_1'], { from: 1, limit: 1 })), [4])
  assert.deepEqual(indexes(await entriesOfDelegations(db, [])), [])
})

test('calls that nobody knows the outcome of', async (t) => {
  const { store } = await written(t)
  assert.deepEqual(indexes(await callsWithoutOutcome(store.db, 9)), [5, 8])
  assert.deepEqual(indexes(await callsWithoutOutcome(store.db, 8)), [5])
  assert.deepEqual(indexes(await callsWithoutOutcome(store.db, 9, { limit: 1 })), [5])
  assert.deepEqual(indexes(await callsWithoutOutcome(store.db, 9, { from: 6 })), [8])
  await store.transaction((tx) =>
    append(tx, [testOutcome('b', 5, { delegation: 'dlg_4', outcome: 'unknown' })]),
  )
  assert.deepEqual(indexes(await callsWithoutOutcome(store.db, 9)), [8])
})

test('calls that ended, with the entries by which they were let out', async (t) => {
  const { store } = await written(t)
  const ended = async (
    delegations: readonly string[],
    range: { from?: number; to?: number; limit?: number } = {},
  ): Promise<(readonly [string, number])[]> => {
    const found = await endedCalls(store.db, delegations, { from: 0, to: 100, limit: 9, ...range })
    return found.map(({ intended, outcome }) => [intended.call, outcome.index])
  }
  assert.deepEqual(await ended(['dlg_1', 'dlg_4']), [['a', 7]])
  await store.transaction((tx) =>
    append(tx, [testOutcome('b', 5, { delegation: 'dlg_4', outcome: 'failed' })]),
  )
  const both = [
    ['a', 7],
    ['b', 9],
  ]
  assert.deepEqual(await ended(['dlg_1', 'dlg_4']), both)
  assert.deepEqual(await ended(['dlg_1', 'dlg_4'], { limit: 1 }), both.slice(0, 1))
  assert.deepEqual(await ended(['dlg_1', 'dlg_4'], { from: 8 }), both.slice(1))
  assert.deepEqual(await ended(['dlg_1', 'dlg_4'], { to: 9 }), both.slice(0, 1))
  assert.deepEqual(await ended(['dlg_3']), [])
})

test('a story is loaded with the values that it quotes', async (t) => {
  const { store, vault } = await openTestLog(t)
  const opened = await store.transaction(async (tx) => {
    const [purpose, details] = await vault.sealMany(tx, [{ value: 'file it' }, { value: [] }])
    assert.ok(purpose && details)
    await append(tx, [
      { ...testCreated('dlg_1'), purpose, details },
      testEntry('grp_a'),
      testCreated('dlg_2'),
    ])
    return new Map<string, unknown>([
      [purpose.sealed, 'file it'],
      [details.sealed, []],
    ])
  })
  const story = await loadStory('dlg_1', { store, vault })
  assert.deepEqual(indexes(story.entries), [0])
  assert.deepEqual(story.opened, opened)
})

test('each lookup uses its index', async (t) => {
  const { store } = await written(t)
  await store.transaction(async (tx) => {
    // A table of nine rows is cheaper to read whole; what counts is that the index can answer.
    await sql`set local enable_seqscan = off`.execute(tx)
    const lookups: [query: string, index: string][] = [
      [
        `select index from log_entry where delegation = any('{dlg_1,dlg_2}') and index >= 0`,
        'log_entry_delegation',
      ],
      [`select 1 from log_entry where parent = 'dlg_1'`, 'log_entry_parent'],
      [`select 1 from log_entry where outcome_of = 4`, 'log_entry_outcome_of'],
      [
        `select index from log_entry where kind = 'call_intended' and index < 9 order by index`,
        'log_entry_intended',
      ],
    ]
    for (const [query, index] of lookups) {
      const { rows } = await sql.raw<Record<string, string>>(`explain ${query}`).execute(tx)
      assert.match(rows.map((row) => row['QUERY PLAN']).join('\n'), new RegExp(index))
    }
  })
})

test('how sessions began: by the last code before the sign-in, whoever issued it', async (t) => {
  const log = await openTestLog(t)
  const time = 1_767_225_600_000
  const admin: Actor = { type: 'person', person: 'per_admin', presence: 'session' }
  const code = (person: string, issuer: Actor): Entry => ({
    v: 1,
    time,
    by: issuer,
    kind: 'sign_in_code_issued',
    person,
    expiresAt: 1_767_226_200,
  })
  const signedIn = (person: string, session: string): Entry => ({
    v: 1,
    time,
    by: { type: 'person', person, session, presence: 'session' },
    kind: 'signed_in',
    person,
    session,
    method: 'one_time_code',
    expiresAt: 1_767_268_800,
  })
  await log.store.transaction((tx) =>
    append(tx, [
      signedIn('per_sam', 'ses_0'), // 0: its code is older than this log
      code('per_paul', by), // 1: replaced by the next
      code('per_paul', admin), // 2
      code('per_sam', by), // 3
      signedIn('per_paul', 'ses_1'), // 4
      code('per_paul', by), // 5
      signedIn('per_paul', 'ses_2'), // 6
    ]),
  )
  const { db } = log.store
  const began = async (...sessions: string[]): Promise<unknown> =>
    [...(await signInsOf(db, new Set(sessions), 7))].map(([session, found]) => [
      session,
      found.signedIn.index,
      found.code?.index,
    ])
  assert.deepEqual(await began('ses_0', 'ses_1', 'ses_2', 'ses_9'), [
    ['ses_2', 6, 5],
    ['ses_1', 4, 2],
    ['ses_0', 0, undefined],
  ])
  assert.deepEqual(await began(), [])
  assert.equal((await signInsOf(db, new Set(['ses_2']), 6)).size, 0)
})
