import assert from 'node:assert/strict'
import test from 'node:test'
import { sql } from 'kysely'
import { testStore } from './testing.ts'

test('opens', async (t) => {
  const store = await testStore(t, [])
  const { rows } = await sql`select size from log_head`.execute(store.db)
  assert.deepEqual(rows, [{ size: 0 }])
})
