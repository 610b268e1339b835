import { test } from 'node:test'
import assert from 'node:assert/strict'
import { sql } from 'kysely'
import { Client } from 'pg'
import { TOUCHED_CHANNEL } from '../store/changes.ts'
import type { Store } from '../store/store.ts'
import { tamper } from '../store/testing.ts'
import { append, appendPrepared, lockHead, prepareEntry } from './append.ts'
import { checkLog } from './check-log.ts'
import type { Actor, Entry } from './entry.ts'
import { openTestLog, testEntry, testIntended, testOutcome } from './testing.ts'

async function groupsInLog(store: Store): Promise<string[]> {
  const { rows } = await sql<{ index: number; name: string }>`
    select index, convert_from(entry, 'UTF8')::jsonb ->> 'group' as name
    from log_entry order by index`.execute(store.db)
  assert.deepEqual(
    rows.map((row) => row.index),
    rows.map((_, i) => i),
  )
  return rows.map((row) => row.name)
}

test('entries get the next indexes, in order', async (t) => {
  const { store } = await openTestLog(t)
  const one = await store.transaction((tx) => append(tx, [testEntry('grp_a'), testEntry('grp_b')]))
  const two = await store.transaction((tx) => append(tx, [testEntry('grp_c')]))
  assert.deepEqual([one, two], [{ first: 0 }, { first: 2 }])
  assert.deepEqual(await groupsInLog(store), ['grp_a', 'grp_b', 'grp_c'])
  await checkLog(store)
})

test('the version of a subject is the index of the last entry that touched it', async (t) => {
  const { store } = await openTestLog(t)
  await store.transaction((tx) =>
    append(tx, [testEntry('grp_a', ['policy']), testEntry('grp_b', ['policy', 'per_a', 'per_a'])]),
  )
  await store.transaction((tx) => append(tx, [testEntry('grp_c'), testEntry('grp_d', ['per_a'])]))
  const { rows } = await sql`select subject, version from touched order by subject`.execute(
    store.db,
  )
  assert.deepEqual(rows, [
    { subject: 'per_a', version: 3 },
    { subject: 'policy', version: 1 },
  ])
  await checkLog(store)
})

test('entries of one batch keep what is looked up by apart', async (t) => {
  const { store } = await openTestLog(t)
  const batch = [
    testEntry('grp_a'),
    testIntended('call_1'),
    testEntry('a longer name than the one before'),
    testOutcome('call_1', 1, { delegation: 'dlg_"2"' }),
    testIntended('call_2', { delegation: 'dlg_3' }),
  ]
  await store.transaction((tx) => append(tx, batch))
  const { rows } = await sql`
    select kind, delegation, parent, outcome_of from log_entry order by index`.execute(store.db)
  const none = { delegation: null, parent: null, outcome_of: null }
  assert.deepEqual(rows, [
    { ...none, kind: 'group_created' },
    { ...none, kind: 'call_intended', delegation: 'dlg_1' },
    { ...none, kind: 'group_created' },
    { kind: 'call_outcome', delegation: 'dlg_"2"', parent: null, outcome_of: 1 },
    { ...none, kind: 'call_intended', delegation: 'dlg_3' },
  ])
  await checkLog(store)
})

test('writers on several connections leave no gap, and each keeps its entries together', async (t) => {
  const { store } = await openTestLog(t)
  const writers = Array.from({ length: 6 }, async (_, writer) => {
    for (let turn = 0; turn < 15; turn++) {
      const names = [0, 1, 2].map((i) => `grp_${writer}_${turn}_${i}`)
      const { first } = await store.transaction((tx) =>
        append(
          tx,
          names.map((name, i) =>
            testEntry(name, i === 0 ? ['policy', `per_${writer}`] : undefined),
          ),
        ),
      )
      const { rows } = await sql<{ index: number }>`
        select index from log_entry where index >= ${first} and index < ${first + 3}
          and convert_from(entry, 'UTF8')::jsonb ->> 'group' = any(${names}::text[])`.execute(
        store.db,
      )
      assert.equal(rows.length, 3)
    }
  })
  await Promise.all(writers)
  assert.equal((await groupsInLog(store)).length, 6 * 15 * 3)
  await checkLog(store)
})

test('who holds the head sees all that was appended before, and makes others wait', async (t) => {
  const { store } = await openTestLog(t)
  const order: string[] = []
  const { promise: locked, resolve: tellLocked } = Promise.withResolvers<void>()
  const { promise: release, resolve: letGo } = Promise.withResolvers<void>()
  const holder = store.transaction(async (tx) => {
    assert.equal(await lockHead(tx), 0)
    tellLocked()
    await release
    order.push('holder')
    return append(tx, [testEntry('grp_holder', ['policy'])])
  })
  await locked
  const waiter = store.transaction(async (tx) => {
    const size = await lockHead(tx)
    order.push(`waiter at ${size}`)
    const { rows } = await sql`select version from touched where subject = 'policy'`.execute(tx)
    assert.deepEqual(rows, [{ version: 0 }])
    return append(tx, [testEntry('grp_waiter')])
  })
  letGo()
  assert.deepEqual(await Promise.all([holder, waiter]), [{ first: 0 }, { first: 1 }])
  assert.deepEqual(order, ['holder', 'waiter at 1'])
  await checkLog(store)
})

test('a transaction that fails or refuses leaves neither entry nor gap', async (t) => {
  const { store } = await openTestLog(t)
  await store.transaction((tx) => append(tx, [testEntry('grp_a')]))
  const failing = store.transaction(async (tx) => {
    await append(tx, [testEntry('grp_lost', ['policy'])])
    throw new Error('after the append')
  })
  await assert.rejects(failing, { message: 'after the append' })
  await store.transaction(async (tx) => {
    await append(tx, [testEntry('grp_refused')])
    return { ok: false, error: { reason: 'no' } }
  })
  assert.deepEqual(await store.transaction((tx) => append(tx, [testEntry('grp_b')])), { first: 1 })
  assert.deepEqual(await groupsInLog(store), ['grp_a', 'grp_b'])
  await checkLog(store)
})

test('a commit that is reported as failed and was persisted is in the log once', async (t) => {
  const { store } = await openTestLog(t)
  await assert.rejects(async () => {
    await store.transaction((tx) => append(tx, [testEntry('grp_a', ['policy'])]))
    throw new Error('the connection was lost')
  })
  assert.deepEqual(await groupsInLog(store), ['grp_a'])
  assert.deepEqual(await store.transaction((tx) => append(tx, [testEntry('grp_b')])), { first: 1 })
  await checkLog(store)
})

test('a connection that dies in the middle loses its entries and lets the next one in', async (t) => {
  const { store } = await openTestLog(t)
  const dying = store.transaction(async (tx) => {
    await append(tx, [testEntry('grp_lost')])
    const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(tx)
    await sql`select pg_terminate_backend(${rows[0]?.pid})`.execute(store.db)
    await sql`select 1`.execute(tx)
  })
  await assert.rejects(dying)
  assert.deepEqual(await store.transaction((tx) => append(tx, [testEntry('grp_a')])), { first: 0 })
  await checkLog(store)
})

test('listeners are told when something was touched, and only then', async (t) => {
  const { store } = await openTestLog(t)
  const client = new Client({ connectionString: store.url })
  await client.connect()
  const heard: (string | undefined)[] = []
  client.on('notification', (message) => heard.push(message.payload))
  await client.query(`listen ${TOUCHED_CHANNEL}`)
  try {
    await store.transaction((tx) => append(tx, [testEntry('grp_a'), testEntry('grp_b')]))
    await store.transaction((tx) => append(tx, [testEntry('grp_c', ['policy'])]))
    await store.transaction((tx) => append(tx, [testIntended('c', { readAt: 3 })]))
    await client.query('select 1')
    assert.deepEqual(heard, ['3'])
  } finally {
    await client.end()
  }
})

test('what is not in the list of entries is not written', async (t) => {
  const { store } = await openTestLog(t)
  await assert.rejects(
    store.transaction((tx) => append(tx, [])),
    RangeError,
  )
  const odd = { ...testEntry('grp_a'), kind: 'nonsense' } as unknown as Entry
  await assert.rejects(
    store.transaction(async (tx) => append(tx, [testEntry('grp_b'), odd])),
    { name: 'ZodError' },
  )
  assert.deepEqual(await groupsInLog(store), [])
})

test('lookups know the delegation, the parent and the call that an outcome ends', async (t) => {
  const { store } = await openTestLog(t)
  const { v, time } = testEntry('grp_a')
  const by: Actor = { type: 'agent', agent: 'agt_1', delegation: 'dlg_1' }
  const sealed = { sealed: `sha256:${'a'.repeat(64)}`, bytes: 1 }
  const entries: Entry[] = [
    {
      v,
      time,
      by,
      kind: 'delegation_created',
      delegation: 'dlg_2',
      parent: 'dlg_1',
      person: 'per_a',
      delegate: { archetype: 'clerk' },
      purpose: sealed,
      details: sealed,
      stages: [],
      stage: null,
      expiresAt: 1,
    },
    testIntended('c', { readAt: 1 }),
    testOutcome('c', 1),
    { v, time, by, kind: 'operation_refused', operation: 'x', reason: 'y' },
  ]
  await store.transaction((tx) => appendPrepared(tx, entries.map(prepareEntry)))
  const { rows } = await sql`
    select kind, delegation, parent, outcome_of from log_entry order by index`.execute(store.db)
  assert.deepEqual(rows, [
    { kind: 'delegation_created', delegation: 'dlg_2', parent: 'dlg_1', outcome_of: null },
    { kind: 'call_intended', delegation: 'dlg_1', parent: null, outcome_of: null },
    { kind: 'call_outcome', delegation: 'dlg_1', parent: null, outcome_of: 1 },
    { kind: 'operation_refused', delegation: 'dlg_1', parent: null, outcome_of: null },
  ])
  await checkLog(store)
})

test('an entry is not altered or removed, not even by the owner of the tables', async (t) => {
  const { store } = await openTestLog(t)
  await store.transaction((tx) => append(tx, [testEntry('grp_a')]))
  for (const [statement, did] of [
    [`update log_entry set entry = 'x'`, 'update'],
    [`update log_entry set kind = kind where false`, 'update'],
    [`delete from log_entry`, 'delete'],
    [`truncate log_entry`, 'truncate'],
    [
      `insert into log_entry select * from log_entry on conflict (index) do update set entry = 'x'`,
      'update',
    ],
  ] as const) {
    await assert.rejects(sql.raw(statement).execute(store.db), {
      message: `expected no ${did} of log_entry: its rows never change`,
    })
  }
  await checkLog(store)
})

const damages: [name: string, damage: string, message: RegExp][] = [
  ['an entry', `update log_entry set entry = 'x' where index = 1`, /entry 1 has its hash/],
  [
    'a hash',
    `update log_entry set leaf_hash = sha256('x') where index = 1`,
    /entry 1 has its hash/,
  ],
  [
    'a lookup',
    `update log_entry set delegation = 'dlg_9' where index = 1`,
    /entry 1 is found by its delegation/,
  ],
  ['a missing row', `delete from log_entry where index = 1`, /log_head\.size is the number/],
  ['a gap', `update log_entry set index = 9 where index = 1`, /entry 1 is there/],
  ['a version', `update touched set version = 0`, /the version of `policy`/],
  ['a missing version', `delete from touched`, /every touched subject has a version/],
]
for (const [name, damage, message] of damages) {
  test(`checkLog finds ${name} that was altered`, async (t) => {
    const { store } = await openTestLog(t)
    const entries = [testEntry('grp_a'), testIntended('c'), testEntry('grp_b', ['policy'])]
    await store.transaction((tx) => append(tx, entries))
    await checkLog(store)
    await tamper(store, 'log_entry', sql.raw(damage))
    await assert.rejects(checkLog(store), message)
  })
}
