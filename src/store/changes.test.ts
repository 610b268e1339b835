import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import { sql } from 'kysely'
import { FakeClock, systemClock } from '../base/clock.ts'
import { silentDiagnostics } from '../base/diagnostics.ts'
import {
  logSize,
  staleAmong,
  TOUCHED_CHANNEL,
  watchChanges,
  type ChangeFeed,
  type OnTouched,
} from './changes.ts'
import type { Store } from './store.ts'
import { testStore } from './testing.ts'

/** What an append does to the store's tables. */
async function touch(store: Store, subjects: string[], notify = true): Promise<void> {
  await store.transaction(async (tx) => {
    await sql`
      with head as (update log_head set size = size + 1 returning size - 1 as index)
      insert into touched (subject, version) select unnest(${subjects}::text[]), index from head
      on conflict (subject) do update set version = excluded.version`.execute(tx)
    if (notify) await sql`select pg_notify(${TOUCHED_CHANNEL}, '')`.execute(tx)
  })
}

type Seen = readonly [subjects: Record<string, number>, size: number]

async function watching(
  t: TestContext,
  store: Store,
  onTouched?: OnTouched,
): Promise<{ feed: ChangeFeed; seen: Seen[]; clock: FakeClock; lost: string[] }> {
  const clock = new FakeClock(1_000)
  const stop = new AbortController()
  const seen: Seen[] = []
  const lost: string[] = []
  const diagnostics = { ...silentDiagnostics, error: (event: string) => void lost.push(event) }
  const collect: OnTouched = (touched, size) => void seen.push([Object.fromEntries(touched), size])
  const feed = await watchChanges({ store, clock, diagnostics }, onTouched ?? collect, stop.signal)
  t.after(async () => {
    stop.abort()
    await feed.stopped
    await store.close()
  })
  return { feed, seen, clock, lost }
}

/** Real time, bounded: notifications come from another process. */
async function until(what: () => boolean, step?: () => Promise<void>): Promise<void> {
  for (let i = 0; i < 500; i++) {
    if (what()) return
    await step?.()
    await systemClock.sleep(10)
  }
  assert.fail('it did not happen')
}

test('a notified change arrives without any heartbeat', async (t) => {
  const store = await testStore(t, [])
  await touch(store, ['per_before'])
  const { feed, seen } = await watching(t, store)
  assert.equal(feed.caughtUpTo(), 1)
  await touch(store, ['per_1', 'dlg_1'])
  await until(() => seen.length > 0)
  assert.deepEqual(seen, [[{ per_1: 1, dlg_1: 1 }, 2]])
})

test('a change whose notification was missed arrives at the next heartbeat', async (t) => {
  const store = await testStore(t, [])
  const { feed, seen, clock } = await watching(t, store)
  await touch(store, ['per_1'], false)
  await touch(store, ['per_2'], false)
  await touch(store, ['per_1'], false)
  await clock.advance(999)
  assert.equal(feed.freshAsOfMilliseconds(), 1_000)
  await clock.advance(1)
  await until(() => seen.length > 0)
  assert.deepEqual(seen, [[{ per_1: 2, per_2: 1 }, 3]])
  assert.equal(feed.freshAsOfMilliseconds(), 2_000)
})

test('a lost connection stands still in freshness, then heals and misses nothing', async (t) => {
  const store = await testStore(t, [])
  const { feed, seen, clock, lost } = await watching(t, store)
  await sql`select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid()`.execute(store.db)
  await until(() => lost.length > 0)
  await touch(store, ['per_1'])
  assert.equal(feed.freshAsOfMilliseconds(), 1_000)
  await until(
    () => seen.length > 0,
    async () => await clock.advance(1_000),
  )
  assert.deepEqual(seen, [[{ per_1: 0 }, 1]])
  assert.ok(feed.freshAsOfMilliseconds() > 1_000)
})

test('a log that shrank is never fresh again', async (t) => {
  const store = await testStore(t, [])
  await touch(store, ['per_1'])
  const { feed, clock, lost } = await watching(t, store)
  await sql`update log_head set size = 0`.execute(store.db)
  await until(
    () => lost.length > 2,
    async () => await clock.advance(1_000),
  )
  assert.equal(feed.freshAsOfMilliseconds(), 1_000)
  assert.equal(feed.caughtUpTo(), 1)
})

test('a subscriber that fails is told again, and the feed is stale until it takes the change', async (t) => {
  const store = await testStore(t, [])
  let tries = 0
  const { feed, clock, lost } = await watching(t, store, () => {
    if (++tries < 3) throw new Error('cache is confused')
  })
  await touch(store, ['per_1'])
  await until(
    () => feed.caughtUpTo() === 1,
    async () => {
      assert.equal(feed.freshAsOfMilliseconds(), 1_000)
      await clock.advance(0)
      await clock.advance(1_000)
    },
  )
  assert.equal(tries, 3)
  assert.equal(lost.length, 2)
})

test('staleAmong names what changed at or after the size that was read', async (t) => {
  const store = await testStore(t, [])
  await touch(store, ['per_1'])
  await touch(store, ['per_2'])
  await store.snapshot(async (tx) => {
    assert.equal(await logSize(tx), 2)
    assert.deepEqual(await staleAmong(tx, ['per_1', 'per_2', 'per_3'], 0), ['per_1', 'per_2'])
    assert.deepEqual(await staleAmong(tx, ['per_1', 'per_2', 'per_3'], 1), ['per_2'])
    assert.deepEqual(await staleAmong(tx, ['per_1', 'per_2', 'per_3'], 2), [])
    assert.deepEqual(await staleAmong(tx, [], 0), [])
  })
})
