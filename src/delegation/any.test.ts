import assert from 'node:assert/strict'
import { test } from 'node:test'
import { covers } from './covers.ts'
import type { Condition, McpCallDetail } from './intent.ts'
import { contains } from './narrowing.ts'

function detail(to: Condition): McpCallDetail {
  return {
    type: 'mcp_call',
    locations: ['https://b.example/mcp/mail'],
    actions: ['tools/call:send'],
    arguments: { send: { 'to[]': to } },
  }
}

const open: Condition = { any: true }
const ann: Condition = { oneOf: ['ann@acme.example'] }

test('`any` mentions a sink without limiting it', () => {
  for (const [args, want] of [
    [{ to: ['eve@evil.example'] }, true],
    [{ to: [] }, true],
    [{ to: null }, true],
    [{}, true],
    [{ to: { all: true } }, false],
  ] as const) {
    const call = {
      location: 'https://b.example/mcp/mail',
      action: 'tools/call:send',
      arguments: args,
      stage: null,
      sinks: ['to[]'],
    }
    assert.equal(covers([detail(open)], call).detail === 0, want, JSON.stringify(args))
  }
})

test('everything lies within `any`, and `any` within nothing else', () => {
  assert.equal(contains([detail(open)], [detail(ann)]).ok, true)
  assert.equal(contains([detail(open)], [detail(open)]).ok, true)
  assert.equal(contains([detail(ann)], [detail(open)]).ok, false)
  assert.equal(contains([detail(ann)], [detail({ ...ann, any: true })]).ok, true)
})
