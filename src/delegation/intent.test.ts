import assert from 'node:assert/strict'
import { test } from 'node:test'
import { must } from '../base/result.ts'
import { argumentsKey, parseDetails } from './intent.ts'

const LOCATION = 'http://127.0.0.1:8787/mcp/documents'
const FULL = {
  type: 'mcp_call',
  locations: [LOCATION],
  actions: ['tools/call:read', 'prompts/get:summary', 'resources/read'],
  arguments: {
    read: { 'files[].path': { prefix: '/clients' }, amount: { min: 0, max: 5, sum: 100 } },
    'resources/read': { uri: { prefix: 'file:///clients' } },
    'prompts/get:summary': { client: { oneOf: ['1042', 7, true] } },
  },
  stages: ['collect'],
  limits: { calls: 3, sum: { amount: 10 }, until: 1_800_000_000 },
  approval: { by: 'per_01k00000000000000000000001' },
}

test('a full detail is read as it stands', () => {
  assert.deepEqual(must(parseDetails([FULL])), [FULL])
})

const MINIMAL = { type: 'mcp_call', locations: [LOCATION], actions: ['tools/call:read'] }
const read = (condition: unknown): object => ({
  ...MINIMAL,
  arguments: { read: { path: condition } },
})

const REFUSED: readonly (readonly [string, unknown])[] = [
  ['not a list', FULL],
  ['an empty list', []],
  ['51 details', Array.from({ length: 51 }, () => MINIMAL)],
  ['another type', [{ ...MINIMAL, type: 'payment' }]],
  ['an unknown member', [{ ...MINIMAL, privileges: ['admin'] }]],
  ['no location', [{ ...MINIMAL, locations: [] }]],
  ['no action', [{ ...MINIMAL, actions: [] }]],
  ['all tools', [{ ...MINIMAL, actions: ['tools/call:*'] }]],
  ['a method that needs a name', [{ ...MINIMAL, actions: ['tools/call'] }]],
  ['an empty name', [{ ...MINIMAL, actions: ['tools/call:'] }]],
  ['a method that takes none', [{ ...MINIMAL, actions: ['resources/read:x'] }]],
  ['a name with a newline', [{ ...MINIMAL, actions: ['tools/call:read\n'] }]],
  ['a name with a space', [{ ...MINIMAL, actions: ['tools/call:re ad'] }]],
  ['the name `__proto__`', [{ ...MINIMAL, actions: ['tools/call:__proto__'] }]],
  ['a condition under no action', [{ ...MINIMAL, arguments: { raed: { path: { equals: 'a' } } } }]],
  ['an empty condition', [read({})]],
  ['an unknown predicate', [read({ equals: 'a', contains: 'b' })]],
  ['equals a list', [read({ equals: ['a'] })]],
  ['equals null', [read({ equals: null })]],
  ['one of nothing', [read({ oneOf: [] })]],
  ['a prefix with dots', [read({ prefix: '/clients/../etc' })]],
  ['a prefix with a slash at its end', [read({ prefix: '/clients/' })]],
  ['a relative prefix', [read({ prefix: 'clients' })]],
  ['a negative sum', [read({ sum: -1 })]],
  ['an infinite maximum', [read({ max: Infinity })]],
  ['a host that is a URL', [read({ host: 'https://example.com' })]],
  ['a host in upper case', [read({ host: 'Example.com' })]],
  ['a host with its default port', [read({ host: 'example.com:443' })]],
  ['a host with user info', [read({ host: 'a@example.com' })]],
  ['a host with a path', [read({ host: 'example.com/a' })]],
  ['a lone surrogate', [read({ equals: '\ud800' })]],
  ['a pattern of 17 stars', [read({ pattern: '*'.repeat(17) })]],
  ['a path with an index', [{ ...MINIMAL, arguments: { read: { 'to[0]': { equals: 'a' } } } }]],
  ['an empty step', [{ ...MINIMAL, arguments: { read: { 'to..email': { equals: 'a' } } } }]],
  ['a stage in upper case', [{ ...MINIMAL, stages: ['Collect'] }]],
  ['no stage at all', [{ ...MINIMAL, stages: [] }]],
  ['a fraction of a call', [{ ...MINIMAL, limits: { calls: 1.5 } }]],
  ['an unknown limit', [{ ...MINIMAL, limits: { perDay: 1 } }]],
  ['an agent as approver', [{ ...MINIMAL, approval: { by: 'agt_1' } }]],
  ['a handle as approver', [{ ...MINIMAL, approval: { by: 'paul' } }]],
  ['more than 8 KiB', [read({ oneOf: Array.from({ length: 100 }, (_, i) => `${i}`.repeat(60)) })]],
]

for (const [name, value] of REFUSED) {
  test(`refused: ${name}`, () => {
    const parsed = parseDetails(value as never)
    assert.equal(parsed.ok, false)
    assert.equal(!parsed.ok && parsed.error.reason, 'invalid_authorization_details')
  })
}

test('a member `__proto__` is refused wherever it stands, since it would vanish silently', () => {
  for (const text of [
    `[{"type":"mcp_call","locations":["${LOCATION}"],"actions":["tools/call:read"],"arguments":{"read":{"__proto__":{"equals":"a"}}}}]`,
    `[{"type":"mcp_call","locations":["${LOCATION}"],"actions":["tools/call:read"],"arguments":{"__proto__":{"path":{"equals":"a"}}}}]`,
    `[{"type":"mcp_call","locations":["${LOCATION}"],"actions":["tools/call:read"],"limits":{"sum":{"__proto__":1}}}]`,
  ]) {
    assert.equal(parseDetails(JSON.parse(text)).ok, false, text)
  }
})

test('conditions on a tool stand under its name, others under the action', () => {
  assert.equal(argumentsKey('tools/call:read'), 'read')
  assert.equal(argumentsKey('resources/read'), 'resources/read')
  assert.equal(argumentsKey('prompts/get:read'), 'prompts/get:read')
})
