import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sql } from 'kysely'
import { sha256 } from '../base/bytes.ts'
import { silentDiagnostics } from '../base/diagnostics.ts'
import { openStore } from '../store/open-store.ts'
import type { Store } from '../store/store.ts'
import { tamper } from '../store/testing.ts'
import { checkLog } from './check-log.ts'
import {
  checkHighWater,
  type CheckpointEnv,
  runCheckpointer,
  signCheckpoint,
} from './checkpoint.ts'
import type { HighWaterMark } from './high-water-mark.ts'
import { issueReceipt } from './issue-receipt.ts'
import { migrations } from './migrations.ts'
import { growTestLog, memoryHighWaterMark, openTestLog, turnOf, verdictOf } from './testing.ts'
import { latestCheckpoint } from './tree-store.ts'

test('what was committed is signed, once, and verifies from the tiles', async (t) => {
  const log = await openTestLog(t)
  assert.equal(await turnOf(log), 'signed 0')
  const since = (await latestCheckpoint(log.store.db))?.note
  let size = 0
  for (const count of [1, 4, 250, 1, 1, 300]) {
    await growTestLog(log, count, `grp_${size}`)
    size += count
    assert.equal(await turnOf(log), `signed ${size}`)
    assert.equal(await turnOf(log), 'current')
    assert.equal(await verdictOf(log, since), `${size} verified`)
    await checkLog(log.store)
  }
})

test('an altered row is found and named', async (t) => {
  const log = await openTestLog(t)
  await growTestLog(log, 300)
  await turnOf(log)
  assert.equal(await verdictOf(log), '300 verified')
  const since = (await latestCheckpoint(log.store.db))?.note
  const forge = sql`update log_entry set entry = convert_to(replace(convert_from(entry, 'UTF8'), 'grp_', 'grq_'), 'UTF8')
    where index = 270`
  await tamper(log.store, 'log_entry', forge)
  assert.equal(await verdictOf(log), 'entry_altered 270')
  assert.equal(await verdictOf(log, since), 'entry_altered 270')
  await assert.rejects(issueReceipt(270, log), {
    message: 'entry 270 is not the one that was signed',
  })
  await tamper(log.store, 'log_entry', sql`delete from log_entry where index = 259`)
  assert.equal(await verdictOf(log), 'entry_missing 259')
  await growTestLog(log, 5, 'later')
  assert.equal(await turnOf(log), 'signed 305')
  assert.equal(await verdictOf(log, since), 'entry_missing 259')
})

test('a tree that is rewritten with its tiles is not signed on', async (t) => {
  const log = await openTestLog(t)
  await growTestLog(log, 10)
  await turnOf(log)
  const since = (await latestCheckpoint(log.store.db))?.note
  // The operator alters an entry and its hash, and forgets that it was ever signed.
  const forge = sql`update log_entry set entry = 'x', leaf_hash = sha256('\\x0078'::bytea) where index = 3`
  await tamper(log.store, 'log_entry', forge)
  await growTestLog(log, 1, 'later')
  assert.equal(await turnOf(log), 'signed 11')
  assert.equal(await verdictOf(log, since), 'entry_altered 3')
  await sql`delete from log_checkpoint`.execute(log.store.db)
  await sql`delete from log_tile`.execute(log.store.db)
  assert.equal(await turnOf(log), 'log_forked')
  assert.equal(await verdictOf(log), 'checkpoint_missing')
  const check = await checkHighWater(log)
  assert.equal(check.ok ? 'continued' : check.error.reason, 'log_forked')
})

test('tiles that were altered are not signed on', async (t) => {
  const log = await openTestLog(t)
  await growTestLog(log, 10)
  await turnOf(log)
  await sql`update log_tile set hashes = overlay(hashes placing '\\x00' from 5)`.execute(
    log.store.db,
  )
  await growTestLog(log, 1, 'later')
  // A replica whose own mark is older, or not there yet, finds it too.
  for (const highWater of [log.highWater, memoryHighWaterMark()]) {
    assert.equal(await turnOf({ ...log, highWater }), 'log_forked')
  }
  await sql`delete from log_tile`.execute(log.store.db)
  for (const highWater of [log.highWater, memoryHighWaterMark()]) {
    assert.equal(await turnOf({ ...log, highWater }), 'log_forked')
  }
})

test('a database that was restored behind the mark is not signed on', async (t) => {
  const log = await openTestLog(t)
  await growTestLog(log, 10)
  await turnOf(log)
  const restored = await openTestLog(t)
  await growTestLog(restored, 7)
  const env = { ...restored, highWater: log.highWater }
  const behind = await checkHighWater(env)
  assert.deepEqual(behind, {
    ok: false,
    error: { reason: 'log_behind', message: 'expected 10 entries, got 7' },
  })
  assert.equal(await turnOf(env), 'log_behind')
  // As many entries again do not make it the same log.
  await growTestLog(restored, 9, 'other')
  assert.equal(await turnOf(env), 'log_forked')
  assert.equal(await latestCheckpoint(restored.store.db), undefined)
  // The same entries are the same log, whoever holds them.
  const same = await openTestLog(t)
  await growTestLog(same, 10)
  assert.equal((await checkHighWater({ ...same, highWater: log.highWater })).ok, true)
  assert.equal(await turnOf({ ...same, highWater: log.highWater }), 'signed 10')
})

test('a mark that was lost is told apart from one that there never was', async (t) => {
  const log = await openTestLog(t)
  const lost = memoryHighWaterMark()
  await growTestLog(log, 3)
  assert.deepEqual(await checkHighWater(log), { ok: true, value: { isMarked: true } })
  await turnOf(log)
  assert.deepEqual(await checkHighWater(log), { ok: true, value: { isMarked: true } })
  const without = { ...log, highWater: lost }
  assert.deepEqual(await checkHighWater(without), { ok: true, value: { isMarked: false } })
  await growTestLog(log, 1, 'later')
  await turnOf(without)
  assert.deepEqual(await checkHighWater(without), { ok: true, value: { isMarked: true } })
})

test('a long log is signed in steps, and never below what was signed', async (t) => {
  const log = await openTestLog(t)
  await sql`
    with e as (select i, convert_to('entry ' || i, 'UTF8') as entry from generate_series(0, 69999) i)
    insert into log_entry (index, entry, leaf_hash, kind)
    select i, entry, sha256('\\x00'::bytea || entry), 'test' from e`.execute(log.store.db)
  await sql`update log_head set size = 70000`.execute(log.store.db)
  const first = await signCheckpoint(log)
  assert.equal(first.ok && first.value.outcome === 'signed' && first.value.behind, true)
  assert.equal((await latestCheckpoint(log.store.db))?.size, 65_536)
  assert.equal(await turnOf(log), 'signed 70000')
  const root = (await latestCheckpoint(log.store.db))?.root
  // What is kept of the tree is lost; the mark is not.
  await sql`delete from log_checkpoint`.execute(log.store.db)
  await sql`delete from log_tile`.execute(log.store.db)
  assert.equal(await turnOf(log), 'signed 70000')
  assert.deepEqual((await latestCheckpoint(log.store.db))?.root, root)
  assert.equal((await log.highWater.read())?.size, 70_000)
})

test('two replicas take turns and never sign a smaller or another tree', async (t) => {
  const log = await openTestLog(t)
  const store = await openStore({
    url: log.store.url,
    migrations,
    diagnostics: silentDiagnostics,
    poolSize: 4,
  })
  t.after(() => store.close())
  const replicas = [log, { ...log, store, highWater: memoryHighWaterMark() }]
  const turns: string[] = []
  const signing = replicas.map(async (replica) => {
    for (let i = 0; i < 12; i++) turns.push(await turnOf(replica))
  })
  const writing = (async () => {
    for (let i = 0; i < 12; i++) await growTestLog(log, 7, `grp_${i}`)
  })()
  await Promise.all([...signing, writing])
  assert.match(await turnOf(log), /^(signed 84|current)$/)
  assert.deepEqual(
    turns.filter((came) => !/^(signed \d+|current|busy)$/.test(came)),
    [],
  )
  const sizes = turns
    .filter((came) => came.startsWith('signed'))
    .map((came) => Number(came.slice(7)))
  assert.equal(new Set(sizes).size, sizes.length)
  assert.equal(await verdictOf(log), '84 verified')
  await checkLog(log.store)
})

const faults: [name: string, fail: (env: CheckpointEnv) => CheckpointEnv, signed: boolean][] = [
  [
    'the mark is not raised',
    (env) => ({ ...env, highWater: failing(env.highWater, 'before') }),
    false,
  ],
  [
    'the mark is raised and reported as failed',
    (env) => ({ ...env, highWater: failing(env.highWater, 'after') }),
    false,
  ],
  [
    'the signature fails',
    (env) => ({ ...env, signer: { ...env.signer, signatureOver: () => Promise.reject(lost) } }),
    false,
  ],
  ['the commit is lost', (env) => ({ ...env, store: losing(env.store, 'before') }), false],
  [
    'the commit is persisted and reported as failed',
    (env) => ({ ...env, store: losing(env.store, 'after') }),
    true,
  ],
]
const lost = new Error('lost')
for (const [name, fail, signed] of faults) {
  test(`${name}: the next turn goes on from what is there`, async (t) => {
    const log = await openTestLog(t)
    await growTestLog(log, 3)
    assert.equal(await turnOf(log), 'signed 3')
    await growTestLog(log, 300, 'more')
    await assert.rejects(signCheckpoint(fail(log)), { message: 'lost' })
    await checkLog(log.store)
    assert.equal((await latestCheckpoint(log.store.db))?.size, signed ? 303 : 3)
    await growTestLog(log, 1, 'later')
    assert.equal(await turnOf(log), 'signed 304')
    assert.equal(await verdictOf(log), '304 verified')
    await checkLog(log.store)
  })
}

function failing(mark: HighWaterMark, when: 'before' | 'after'): HighWaterMark {
  return {
    read: () => mark.read(),
    async raise(head) {
      if (when === 'after') await mark.raise(head)
      throw lost
    },
  }
}

function losing(store: Store, when: 'before' | 'after'): Store {
  return {
    ...store,
    async transaction(work) {
      const done = await store.transaction(async (tx) => {
        const result = await work(tx)
        if (when === 'before') throw lost
        return result
      })
      void done
      throw lost
    },
  }
}

test('the checkpointer signs as time passes, outlives faults, and ends when it is told to', async (t) => {
  const log = await openTestLog(t)
  const reported: string[] = []
  let isDown = true
  const store: Store = {
    ...log.store,
    transaction: (work) => (isDown ? Promise.reject(lost) : log.store.transaction(work)),
  }
  const stop = new AbortController()
  const report = (event: string): void => void reported.push(event)
  const diagnostics = { ...silentDiagnostics, error: report, info: report }
  const running = runCheckpointer({ ...log, store, diagnostics }, stop.signal)
  await growTestLog(log, 5)
  for (let i = 0; i < 3; i++) await log.clock.advance(500)
  await until(async () => reported.length > 0)
  isDown = false
  await until(async () => {
    await log.clock.advance(500)
    return (await latestCheckpoint(log.store.db))?.size === 5
  })
  stop.abort()
  assert.deepEqual(await running, { ok: true, value: undefined })
  assert.deepEqual(reported, ['log.checkpoint_failed', 'log.checkpoint_recovered'])
})

test('the checkpointer ends with a refusal when the log is not continued', async (t) => {
  const log = await openTestLog(t)
  await log.highWater.raise({ size: 4, root: sha256('another log') })
  const reported: unknown[] = []
  const diagnostics = {
    ...silentDiagnostics,
    error: (event: string, _cause: unknown, facts: unknown) => void reported.push(event, facts),
  }
  const ended = await runCheckpointer({ ...log, diagnostics }, new AbortController().signal)
  assert.equal(ended.ok ? 'ended' : ended.error.reason, 'log_behind')
  assert.deepEqual(reported, ['log.not_continued', { reason: 'log_behind' }])
})

/** Lets everything that is due run until `holds`. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 500; i++) {
    if (await holds()) return
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  throw new Error('expected it to hold by now')
}
