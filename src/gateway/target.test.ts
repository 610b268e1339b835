import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JsonObject } from '../base/canonical-json.ts'
import { must } from '../base/result.ts'
import { actionOf } from '../mcp/actions.ts'
import { openTestRegistry, reviewedTestServer, testListing, testTool } from '../registry/testing.ts'
import { findTarget } from './target.ts'

test('what a call reaches is said by the call, not by a default that nobody decided about', async (t) => {
  const env = await openTestRegistry(t)
  const place = { type: 'string', default: '/' }
  const inputSchema = { type: 'object', properties: { path: place, depth: { type: 'integer' } } }
  const listing = testListing([testTool('list', {}, { inputSchema })])
  const tool = { name: 'list', class: 'read', consequential: false } as const
  const server = await reviewedTestServer(
    { name: 'documents', listing, tools: [{ ...tool, sinks: [{ path: 'path', kind: 'path' }] }] },
    env,
  )
  const reasonOf = (args: JsonObject): string | undefined => {
    const action = must(actionOf('tools/call', { name: 'list', arguments: args }))
    const target = findTarget({ server, action }, 'T1')
    return target.ok ? undefined : target.error.reason
  }
  assert.deepEqual(
    [{ path: '/clients/1042' }, {}, { depth: 2 }, { path: '/clients/../2077' }, { other: 1 }].map(
      (args) => reasonOf(args),
    ),
    [undefined, 'argument_unsaid', 'argument_unsaid', 'argument_ambiguous', 'arguments_invalid'],
  )
})
