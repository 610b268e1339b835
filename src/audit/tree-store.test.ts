/** Which checkpoints are kept, and which cosignatures with them. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sql } from 'kysely'
import { FakeClock } from '../base/clock.ts'
import { must } from '../base/result.ts'
import { verifierKeyOf, witnessSigner } from './note-signer.ts'
import { parseVerifierKey, signatureLine } from './note.ts'
import { growTestLog, openTestLog, testKey, testTrust, turnOf, verdictOf } from './testing.ts'
import { latestCheckpoint, recordCosignatures } from './tree-store.ts'

test('checkpoints older than an hour are let go, but for the last that was witnessed', async (t) => {
  const log = await openTestLog(t)
  const witness = await witnessSigner('witness.example', testKey('witness'), log.clock)
  const trusted = await testTrust(log)
  for (let size = 1; size <= 4; size++) {
    await growTestLog(log, 1, `grp_${size}`)
    assert.equal(await turnOf(log), `signed ${size}`)
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
  await growTestLog(log, 1, 'last')
  await turnOf(log)
  const { rows } = await sql<{
    size: number
  }>`select size from log_checkpoint order by size`.execute(log.store.db)
  assert.deepEqual(rows, [{ size: 3 }, { size: 5 }])
  assert.equal((await latestCheckpoint(log.store.db, 'witnessed'))?.size, 3)
})

test('a checkpoint takes as many cosignatures as every reader must be able to read', async (t) => {
  const log = await openTestLog(t)
  await turnOf(log)
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
  assert.equal(await verdictOf(log), '0 verified')
})
