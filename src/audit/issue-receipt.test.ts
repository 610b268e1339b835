import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { must } from '../base/result.ts'
import { issueConsistencyProof, issueReceipt } from './issue-receipt.ts'
import { witnessSigner } from './note-signer.ts'
import { verifyReceipt } from './receipt.ts'
import { growTestLog, openTestLog, testKey, testTrust, turnOf } from './testing.ts'
import { storeTileSource } from './tile-source.ts'
import type { TreeHead } from './tree-head.ts'
import { latestCheckpoint, recordCosignatures } from './tree-store.ts'
import { openWitnessState } from './witness-state.ts'
import { witnessLog } from './witness.ts'

test('receipts come with the witness where one saw the entry, and verify offline', async (t) => {
  const log = await openTestLog(t)
  const folder = await mkdtemp(join(tmpdir(), 'receipt-'))
  t.after(() => rm(folder, { recursive: true }))
  const keys = await testTrust(log)
  const refused = await issueReceipt(0, log)
  assert.equal(refused.ok ? 'issued' : refused.error.reason, 'unknown_entry')
  await growTestLog(log, 300)
  const early = await issueReceipt(299, log)
  assert.equal(early.ok ? 'issued' : early.error.reason, 'not_signed_yet')
  await turnOf(log)
  const cosigned = must(
    await witnessLog(storeTileSource(log.store), {
      logs: [keys.log],
      signer: await witnessSigner('witness.example', testKey('witness'), log.clock),
      state: await openWitnessState(join(folder, 'state.json')),
    }),
  )
  assert.equal(await log.store.transaction((tx) => recordCosignatures(tx, cosigned, keys)), 1)
  await growTestLog(log, 10, 'more')
  await turnOf(log)
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
    await growTestLog(log, count, `grp_${heads.length}`)
    await turnOf(log)
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
