import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OPERATIONS } from '../api/operations.ts'
import { classify } from '../mcp/actions.ts'
import { LEGACY, MODERN } from '../mcp/era.ts'
import { METHOD_NAMES, OPERATION_NAMES } from './schema.ts'

test('every operation of the API that a person asks for is an action, and nothing else', () => {
  const asked = Object.values(OPERATIONS).flatMap(({ id, asker }) =>
    asker === 'person' ? [id] : [],
  )
  assert.deepEqual(OPERATION_NAMES.toSorted(), asked.toSorted())
})

test('every action is a method of MCP that somebody may send', () => {
  for (const method of METHOD_NAMES) {
    const known = [MODERN, LEGACY].some((era) =>
      (['client', 'server'] as const).some((sender) => classify(method, era, sender) !== undefined),
    )
    assert(known, method)
  }
})
