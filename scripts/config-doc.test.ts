import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { configPage } from './config-doc.ts'

test('docs/config.md is what the schema says: else run `node scripts/config-doc.ts`', () => {
  const page = readFileSync(join(import.meta.dirname, '../docs/config.md'), 'utf8')
  assert.equal(page, configPage())
})
