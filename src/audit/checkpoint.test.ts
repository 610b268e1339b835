import { test } from 'node:test'
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { sha256 } from '../base/bytes.ts'
import { FakeClock } from '../base/clock.ts'
import { silentDiagnostics } from '../base/diagnostics.ts'
import { must } from '../base/result.ts'
import type { Store } from '../store/store.ts'
import { openStore } from '../store/open-store.ts'
import { tamper } from '../store/testing.ts'
import { append } from './append.ts'
import { checkLog } from './check-log.ts'
import {
  checkHighWater,
  runCheckpointer,
  signCheckpoint,
  type CheckpointEnv,
} from './checkpoint.ts'
import { fileHighWaterMark, type HighWaterMark } from './high-water-mark.ts'
import { issueConsistencyProof, issueReceipt } from './issue-receipt.ts'
import { migrations } from './migrations.ts'
import { parseVerifierKey, signatureLine } from './note.ts'
import { verifierKeyOf, witnessSigner } from './note-signer.ts'
import { verifyReceipt } from './receipt.ts'
import { memoryHighWaterMark, openTestLog, testEntry, testKey, type TestLog } from './testing.ts'
import { copyLog, folderTileSource, storeTileSource } from './tile-source.ts'
import type { TreeHead } from './tree-head.ts'
import { latestCheckpoint, recordCosignatures } from './tree-store.ts'
import { verifyLog } from './verify.ts'
import { witnessLog } from './witness.ts'
import { openWitnessState } from './witness-state.ts'

async function grow(log: { readonly store: Store }, count: number, name = 'grp'): Promise<void> {
  const entries = Array.from({ length: count }, (_, i) => testEntry(`${name}_${i}`))
  await log.store.transaction((tx) => append(tx, entries))
}

const turn = async (env: CheckpointEnv): Promise<string> => {
  const result = await signCheckpoint(env)
  if (!result.ok) return result.error.reason
  return result.value.outcome === 'signed'
    ? `signed ${result.value.head.size}`
    : result.value.outcome
}

async function verdict(log: TestLog, since?: string): Promise<string> {
  const trust = { log: log.vkey, ...(since === undefined ? {} : { since }) }
  const result = await verifyLog(storeTileSource(log.store), trust, { sha256 })
  if (result.ok) return `${result.value.size} verified`
  return [result.error.reason, result.error.index].filter((w) => w !== undefined).join(' ')
}

test('what was committed is signed, once, and verifies from the tiles', async (t) => {
  const log = await openTestLog(t)
  assert.equal(await turn(log), 'signed 0')
  const since = (await latestCheckpoint(log.store.db))?.note
  let size = 0
  for (const count of [1, 4, 250, 1, 1, 300]) {
    await grow(log, count, `grp_${size}`)
    size += count
    assert.equal(await turn(log), `signed ${size}`)
    assert.equal(await turn(log), 'current')
    assert.equal(await verdict(log, since), `${size} verified`)
    await checkLog(log.store)
  }
})

test('an altered row is found and named', async (t) => {
  const log = await openTestLog(t)
  await grow(log, 300)
  await turn(log)
  assert.equal(await verdict(log), '300 verified')
  const since = (await latestCheckpoint(log.store.db))?.note
  const forge = sql`update log_entry set entry = convert_to(replace(convert_from(entry, 'UTF8'), 'grp_', 'grq_'), 'UTF8')
    where index = 270`
  await tamper(log.store, 'log_entry', forge)
  assert.equal(await verdict(log), 'entry_altered 270')
  assert.equal(await verdict(log, since), 'entry_altered 270')
  await assert.rejects(issueReceipt(270, log), {
    message: 'entry 270 is not the one that was signed',
  })
  await tamper(log.store, 'log_entry', sql`delete from log_entry where index = 259`)
  assert.equal(await verdict(log), 'entry_missing 259')
  await grow(log, 5, 'later')
  assert.equal(await turn(log), 'signed 305')
  assert.equal(await verdict(log, since), 'entry_missing 259')
})

test('a tree that is rewritten with its tiles is not signed on', async (t) => {
  const log = await openTestLog(t)
  await grow(log, 10)
  await turn(log)
  const since = (await latestCheckpoint(log.store.db))?.note
  // The operator alters an entry and its hash, and forgets that it was ever signed.
  const forge = sql`update log_entry set entry = 'x', leaf_hash = sha256('\\x0078'::bytea) where index = 3`
  await tamper(log.store, 'log_entry', forge)
  await grow(log, 1, 'later')
  assert.equal(await turn(log), 'signed 11')
  assert.equal(await verdict(log, since), 'entry_altered 3')
  await sql`delete from log_checkpoint`.execute(log.store.db)
  await sql`delete from log_tile`.execute(log.store.db)
  assert.equal(await turn(log), 'log_forked')
  assert.equal(await verdict(log), 'checkpoint_missing')
  const check = await checkHighWater(log)
  assert.equal(check.ok ? 'continued' : check.error.reason, 'log_forked')
})

test('tiles that were altered are not signed on', async (t) => {
  const log = await openTestLog(t)
  await grow(log, 10)
  await turn(log)
  await sql`update log_tile set hashes = overlay(hashes placing '\\x00' from 5)`.execute(
    log.store.db,
  )
  await grow(log, 1, 'later')
  // A replica whose own mark is older, or not there yet, finds it too.
  for (const highWater of [log.highWater, memoryHighWaterMark()]) {
    assert.equal(await turn({ ...log, highWater }), 'log_forked')
  }
  await sql`delete from log_tile`.execute(log.store.db)
  for (const highWater of [log.highWater, memoryHighWaterMark()]) {
    assert.equal(await turn({ ...log, highWater }), 'log_forked')
  }
})

test('a database that was restored behind the mark is not signed on', async (t) => {
  const log = await openTestLog(t)
  await grow(log, 10)
  await turn(log)
  const restored = await openTestLog(t)
  await grow(restored, 7)
  const env = { ...restored, highWater: log.highWater }
  const behind = await checkHighWater(env)
  assert.deepEqual(behind, {
    ok: false,
    error: { reason: 'log_behind', message: 'expected 10 entries, got 7' },
  })
  assert.equal(await turn(env), 'log_behind')
  // As many entries again do not make it the same log.
  await grow(restored, 9, 'other')
  assert.equal(await turn(env), 'log_forked')
  assert.equal(await latestCheckpoint(restored.store.db), undefined)
  // The same entries are the same log, whoever holds them.
  const same = await openTestLog(t)
  await grow(same, 10)
  assert.equal((await checkHighWater({ ...same, highWater: log.highWater })).ok, true)
  assert.equal(await turn({ ...same, highWater: log.highWater }), 'signed 10')
})

test('a mark that was lost is told apart from one that there never was', async (t) => {
  const log = await openTestLog(t)
  const lost = memoryHighWaterMark()
  await grow(log, 3)
  assert.deepEqual(await checkHighWater(log), { ok: true, value: { isMarked: true } })
  await turn(log)
  assert.deepEqual(await checkHighWater(log), { ok: true, value: { isMarked: true } })
  const without = { ...log, highWater: lost }
  assert.deepEqual(await checkHighWater(without), { ok: true, value: { isMarked: false } })
  await grow(log, 1, 'later')
  await turn(without)
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
  assert.equal(await turn(log), 'signed 70000')
  const root = (await latestCheckpoint(log.store.db))?.root
  // What is kept of the tree is lost; the mark is not.
  await sql`delete from log_checkpoint`.execute(log.store.db)
  await sql`delete from log_tile`.execute(log.store.db)
  assert.equal(await turn(log), 'signed 70000')
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
    for (let i = 0; i < 12; i++) turns.push(await turn(replica))
  })
  const writing = (async () => {
    for (let i = 0; i < 12; i++) await grow(log, 7, `grp_${i}`)
  })()
  await Promise.all([...signing, writing])
  assert.match(await turn(log), /^(signed 84|current)$/)
  assert.deepEqual(
    turns.filter((came) => !/^(signed \d+|current|busy)$/.test(came)),
    [],
  )
  const sizes = turns
    .filter((came) => came.startsWith('signed'))
    .map((came) => Number(came.slice(7)))
  assert.equal(new Set(sizes).size, sizes.length)
  assert.equal(await verdict(log), '84 verified')
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
    await grow(log, 3)
    assert.equal(await turn(log), 'signed 3')
    await grow(log, 300, 'more')
    await assert.rejects(signCheckpoint(fail(log)), { message: 'lost' })
    await checkLog(log.store)
    assert.equal((await latestCheckpoint(log.store.db))?.size, signed ? 303 : 3)
    await grow(log, 1, 'later')
    assert.equal(await turn(log), 'signed 304')
    assert.equal(await verdict(log), '304 verified')
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
  await grow(log, 5)
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

test('checkpoints older than an hour are let go, but for the last that was witnessed', async (t) => {
  const log = await openTestLog(t)
  const witness = await witnessSigner('witness.example', testKey('witness'), log.clock)
  const trusted = {
    log: must(await parseVerifierKey(log.vkey)),
    witnesses: [
      must(
        await parseVerifierKey(
          await verifierKeyOf('witness.example', 'witness', testKey('witness')),
        ),
      ),
    ],
  }
  for (let size = 1; size <= 4; size++) {
    await grow(log, 1, `grp_${size}`)
    assert.equal(await turn(log), `signed ${size}`)
    const kept = await latestCheckpoint(log.store.db)
    assert.ok(kept)
    if (size % 2 === 0) continue
    const text = kept.note.slice(0, kept.note.indexOf('\n\n') + 1)
    const note = kept.note + (await signatureLine(text, witness))
    const add = (cosigned: string): Promise<number> =>
      log.store.transaction((tx) => recordCosignatures(tx, cosigned, trusted))
    assert.equal(await add(kept.note), 0)
    assert.equal(await add(note), 1)
    assert.equal(await add(note), 0)
    const again = await signatureLine(
      text,
      await witnessSigner('witness.example', testKey('witness'), new FakeClock(1_000)),
    )
    assert.equal(await add(kept.note + again), 0)
    assert.equal(await add(note.replace('witness', 'witless')), 0)
  }
  await log.clock.advance(3_600_001)
  await grow(log, 1, 'last')
  await turn(log)
  const { rows } = await sql<{
    size: number
  }>`select size from log_checkpoint order by size`.execute(log.store.db)
  assert.deepEqual(rows, [{ size: 3 }, { size: 5 }])
  assert.equal((await latestCheckpoint(log.store.db, 'witnessed'))?.size, 3)
})

test('a checkpoint takes as many cosignatures as every reader must be able to read', async (t) => {
  const log = await openTestLog(t)
  await turn(log)
  const kept = await latestCheckpoint(log.store.db)
  assert.ok(kept)
  const text = kept.note.slice(0, kept.note.indexOf('\n\n') + 1)
  const logVerifier = must(await parseVerifierKey(log.vkey))
  const added: number[] = []
  for (let i = 0; i < 17; i++) {
    const name = `witness.example/${i}`
    const key = must(await parseVerifierKey(await verifierKeyOf(name, 'witness', testKey(name))))
    const line = await signatureLine(text, await witnessSigner(name, testKey(name), log.clock))
    const trusted = { log: logVerifier, witnesses: [key] }
    added.push(
      await log.store.transaction((tx) => recordCosignatures(tx, kept.note + line, trusted)),
    )
  }
  assert.deepEqual(added, [...Array.from({ length: 15 }, () => 1), 0, 0])
  assert.equal(await verdict(log), '0 verified')
})

test('receipts come with the witness where one saw the entry, and verify offline', async (t) => {
  const log = await openTestLog(t)
  const folder = await mkdtemp(join(tmpdir(), 'receipt-'))
  t.after(() => rm(folder, { recursive: true }))
  const keys = {
    log: must(await parseVerifierKey(log.vkey)),
    witnesses: [
      must(
        await parseVerifierKey(
          await verifierKeyOf('witness.example', 'witness', testKey('witness')),
        ),
      ),
    ],
  }
  const refused = await issueReceipt(0, log)
  assert.equal(refused.ok ? 'issued' : refused.error.reason, 'unknown_entry')
  await grow(log, 300)
  const early = await issueReceipt(299, log)
  assert.equal(early.ok ? 'issued' : early.error.reason, 'not_signed_yet')
  await turn(log)
  const cosigned = must(
    await witnessLog(storeTileSource(log.store), {
      logs: [keys.log],
      signer: await witnessSigner('witness.example', testKey('witness'), log.clock),
      state: await openWitnessState(join(folder, 'state.json')),
    }),
  )
  assert.equal(await log.store.transaction((tx) => recordCosignatures(tx, cosigned, keys)), 1)
  await grow(log, 10, 'more')
  await turn(log)
  for (const [index, size, witnesses] of [
    [7, 300, 1],
    [299, 300, 1],
    [300, 310, 0],
  ] as const) {
    const proven = must(await verifyReceipt(must(await issueReceipt(index, log)), keys))
    assert.equal(proven.index, index)
    assert.equal(proven.checkpoint.size, size)
    assert.equal(proven.checkpoint.cosignatures.length, witnesses)
  }
  for (const index of [310, -1, 0.5, NaN]) {
    const answer = await issueReceipt(index, log)
    assert.equal(answer.ok ? 'issued' : answer.error.reason, 'unknown_entry')
  }
})

test('one signed tree is proven to continue another, and a fork is not', async (t) => {
  const log = await openTestLog(t)
  const heads: TreeHead[] = []
  for (const count of [3, 300, 1]) {
    await grow(log, count, `grp_${heads.length}`)
    await turn(log)
    const head = await latestCheckpoint(log.store.db)
    assert.ok(head)
    heads.push(head)
  }
  const [first, second, third] = heads
  assert.ok(first && second && third)
  assert.equal((await issueConsistencyProof(first, third, log)).length, 10)
  assert.equal((await issueConsistencyProof(third, third, log)).length, 0)
  await assert.rejects(issueConsistencyProof({ ...second, root: first.root }, third, log), {
    message: 'the tree of 304 entries does not continue that of 303',
  })
  await assert.rejects(issueConsistencyProof(third, second, log), RangeError)
})

test('a copy in a folder verifies as the database does', async (t) => {
  const log = await openTestLog(t)
  const folder = await mkdtemp(join(tmpdir(), 'log-'))
  t.after(() => rm(folder, { recursive: true }))
  await grow(log, 600)
  await turn(log)
  assert.equal(await copyLog(storeTileSource(log.store), folder), 600)
  const source = folderTileSource(folder)
  const verified = must(await verifyLog(source, { log: log.vkey }, { sha256 }))
  assert.equal(verified.size, 600)
  await writeFile(join(folder, 'tile/entries/001'), 'x')
  const altered = await verifyLog(source, { log: log.vkey }, { sha256 })
  assert.equal(altered.ok ? 'verified' : altered.error.index, 256)
  for (const path of ['../log', '/etc/passwd', 'tile/0/../../checkpoint', 'tile/7/000', 'tile/0']) {
    assert.equal(await source(path), undefined)
    assert.equal(await storeTileSource(log.store)(path), undefined)
  }
})

test('nothing beyond the checkpoint is served', async (t) => {
  const log = await openTestLog(t)
  await grow(log, 3)
  const source = storeTileSource(log.store)
  assert.equal(await source('checkpoint'), undefined)
  assert.equal(await source('tile/entries/000.p/3'), undefined)
  await turn(log)
  await grow(log, 2, 'more')
  assert.equal((await source('tile/0/000.p/3'))?.length, 96)
  assert.equal(await source('tile/0/000.p/5'), undefined)
  const bundle = await source('tile/entries/000.p/5')
  assert.deepEqual(bundle, await source('tile/entries/000.p/3'))
})

test('the high-water mark in a file outlives the process; one that cannot be read is a fault', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'mark-'))
  t.after(() => rm(folder, { recursive: true }))
  const file = join(folder, 'mark.json')
  const head = { size: 7, root: sha256('root') }
  assert.equal(await fileHighWaterMark(file).read(), undefined)
  await fileHighWaterMark(file).raise(head)
  assert.deepEqual(await fileHighWaterMark(file).read(), head)
  await writeFile(file, '{"size":7}')
  await assert.rejects(fileHighWaterMark(file).read(), {
    message: `expected a high-water mark in \`${file}\`, restore it from its backup`,
  })
})
