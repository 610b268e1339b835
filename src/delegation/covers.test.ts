import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Json } from '../base/canonical-json.ts'
import { must } from '../base/result.ts'
import { type CallFacts, covers, namedPaths } from './covers.ts'
import { type McpCallDetail, parseDetails } from './intent.ts'

const DOCUMENTS = 'http://127.0.0.1:8787/mcp/documents'
const MAIL = 'http://127.0.0.1:8787/mcp/mail'
const PARTNERS = 'grp_01k00000000000000000000001'

function details(...list: Json[]): McpCallDetail[] {
  return must(parseDetails(list))
}

const INTENT = details(
  {
    type: 'mcp_call',
    locations: [DOCUMENTS],
    actions: ['tools/call:read_text_file', 'resources/read'],
    arguments: {
      read_text_file: { path: { prefix: '/clients/1042' } },
      'resources/read': { uri: { prefix: 'file:///clients/1042' } },
    },
    stages: ['collect'],
  },
  {
    type: 'mcp_call',
    locations: [MAIL],
    actions: ['tools/call:send'],
    arguments: { send: { 'to[].email': { pattern: '*@example.com' } } },
    approval: { by: PARTNERS },
  },
  {
    type: 'mcp_call',
    locations: [MAIL],
    actions: ['tools/call:pay'],
    limits: { sum: { amount: 100 }, until: 2_000_000_000 },
  },
)

function call(facts: Partial<CallFacts>): CallFacts {
  return {
    location: DOCUMENTS,
    action: 'tools/call:read_text_file',
    arguments: { path: '/clients/1042/w2.txt' },
    stage: 'collect',
    sinks: ['path'],
    ...facts,
  }
}

const send = (args: { readonly [name: string]: Json }): CallFacts =>
  call({
    location: MAIL,
    action: 'tools/call:send',
    arguments: args,
    sinks: ['to[].email', 'bcc'],
    stage: null,
  })
const pay = (amount: Json | undefined, at = 1_900_000_000): CallFacts =>
  call({ location: MAIL, action: 'tools/call:pay', arguments: { amount }, sinks: [], at })

const NONE = { action: false, stage: false, arguments: false, sinks: false }
const ALL = { action: true, stage: true, arguments: true, sinks: true }

const CASES: readonly (readonly [string, CallFacts, object])[] = [
  ['a read below the client', call({}), { ...ALL, detail: 0 }],
  [
    'a read of another client',
    call({ arguments: { path: '/clients/2077/w2.txt' } }),
    { ...NONE, action: true, stage: true, why: 'argument `path` is beyond the intent' },
  ],
  [
    'no path, which would leave it to the server',
    call({ arguments: {} }),
    { ...NONE, action: true, stage: true, why: 'argument `path` is beyond the intent' },
  ],
  [
    'another stage',
    call({ stage: 'draft' }),
    {
      ...NONE,
      action: true,
      why: '`tools/call:read_text_file` is not granted in stage `draft`',
    },
  ],
  [
    'no stage',
    call({ stage: null }),
    { ...NONE, action: true, why: '`tools/call:read_text_file` is not granted in stage `none`' },
  ],
  [
    'another server',
    call({ location: MAIL }),
    { ...NONE, why: '`tools/call:read_text_file` is not granted on this server' },
  ],
  [
    'another tool',
    call({ action: 'tools/call:write_file' }),
    { ...NONE, why: '`tools/call:write_file` is not granted on this server' },
  ],
  [
    'a declared sink that the intent does not mention',
    call({ arguments: { path: '/clients/1042/a', copy_to: '/tmp' }, sinks: ['path', 'copy_to'] }),
    {
      ...ALL,
      sinks: false,
      why: 'the intent does not mention `copy_to`',
    },
  ],
  [
    'a declared sink that is null is not absent',
    call({ arguments: { path: '/clients/1042/a', copy_to: null }, sinks: ['path', 'copy_to'] }),
    { ...ALL, sinks: false, why: 'the intent does not mention `copy_to`' },
  ],
  ['a declared sink that is absent', call({ sinks: ['path', 'copy_to'] }), { ...ALL, detail: 0 }],
  [
    'an inherited member is absent',
    call({ sinks: ['path', 'constructor'] }),
    { ...ALL, detail: 0 },
  ],
  [
    'a resource below the client',
    call({ action: 'resources/read', arguments: { uri: 'file:///clients/1042/a' }, sinks: [] }),
    { ...ALL, detail: 0 },
  ],
  [
    'a resource of another client',
    call({ action: 'resources/read', arguments: { uri: 'file:///clients/2077/a' }, sinks: [] }),
    { ...NONE, action: true, stage: true, why: 'argument `uri` is beyond the intent' },
  ],
  [
    'mail inside, with a yes',
    send({ to: [{ email: 'a@example.com' }, { email: 'b@example.com' }] }),
    { ...ALL, detail: 1, approval: { by: PARTNERS } },
  ],
  [
    'mail to one outside among several',
    send({ to: [{ email: 'a@example.com' }, { email: 'b@evil.net' }] }),
    { ...NONE, action: true, stage: true, why: 'argument `to[].email` is beyond the intent' },
  ],
  [
    'mail to one without an address',
    send({ to: [{ email: 'a@example.com' }, {}] }),
    { ...NONE, action: true, stage: true, why: 'argument `to[].email` is beyond the intent' },
  ],
  [
    'mail to nobody',
    send({ to: [] }),
    { ...NONE, action: true, stage: true, why: 'argument `to[].email` is beyond the intent' },
  ],
  [
    'mail with a blind copy',
    send({ to: [{ email: 'a@example.com' }], bcc: 'a@example.com' }),
    { ...ALL, sinks: false, approval: undefined, why: 'the intent does not mention `bcc`' },
  ],
  ['an amount', pay(100), { ...ALL, detail: 2, until: 2_000_000_000 }],
  [
    'an amount that is a text',
    pay('1e2'),
    { ...NONE, action: true, stage: true, why: 'argument `amount` is beyond the intent' },
  ],
  [
    'a negative amount',
    pay(-1),
    { ...NONE, action: true, stage: true, why: 'argument `amount` is beyond the intent' },
  ],
  [
    'no amount',
    pay(undefined),
    { ...NONE, action: true, stage: true, why: 'argument `amount` is beyond the intent' },
  ],
  [
    'too late',
    pay(1, 2_000_000_000),
    { ...NONE, action: true, why: '`tools/call:pay` was granted until an earlier time' },
  ],
]

for (const [name, facts, want] of CASES) {
  test(name, () => {
    const coverage = covers(INTENT, facts)
    assert.deepEqual(coverage, JSON.parse(JSON.stringify(want)))
  })
}

test('a resource read without a condition on its URI is not covered', () => {
  const open = details({ type: 'mcp_call', locations: [DOCUMENTS], actions: ['resources/read'] })
  const coverage = covers(open, call({ action: 'resources/read', arguments: { uri: 'file:///a' } }))
  assert.equal(coverage.detail, undefined)
  assert.equal(coverage.why, 'the intent does not mention `uri`')
})

test('a detail that asks for nobody is preferred to one that asks', () => {
  const base = { type: 'mcp_call', locations: [MAIL], actions: ['tools/call:send'] }
  const both = details({ ...base, approval: { by: PARTNERS } }, base)
  assert.deepEqual(covers(both, { ...send({}), sinks: [] }), { ...ALL, detail: 1 })
})

test('the names of members are held to an intent as values are', () => {
  const shares = details({
    type: 'mcp_call',
    locations: [MAIL],
    actions: ['tools/call:share'],
    arguments: { share: { 'with{}': { oneOf: ['ann@acme.example', 'bob@acme.example'] } } },
  })
  for (const [given, want] of [
    [{ with: { 'ann@acme.example': 'reader' } }, true],
    [{ with: { 'ann@acme.example': 'reader', 'eve@evil.example': 'reader' } }, false],
    [{ with: {} }, false],
    [{ with: ['ann@acme.example'] }, false],
    [{}, false],
  ] as const) {
    const facts = call({
      location: MAIL,
      action: 'tools/call:share',
      arguments: given,
      sinks: ['with{}'],
      stage: null,
    })
    assert.equal(covers(shares, facts).detail !== undefined, want, JSON.stringify(given))
  }
  const whole = details({
    type: 'mcp_call',
    locations: [MAIL],
    actions: ['tools/call:share'],
    arguments: { share: { with: { any: true } } },
  })
  const facts = { location: MAIL, action: 'tools/call:share', sinks: ['with{}'], stage: null }
  const given = { with: { 'eve@evil.example': 'reader' } }
  // To mention the map mentions nobody in it.
  assert.equal(covers(whole, call({ ...facts, arguments: given })).sinks, false)
})

for (const [condition, want] of [
  [{ equals: '/clients/1042' }, true],
  [{ oneOf: ['/clients/1042', '/clients/2077'] }, true],
  [{ prefix: '/clients' }, true],
  [{ prefix: '/' }, false],
  [{ pattern: '/clients/*' }, false],
  [{ any: true }, false],
] as const) {
  test(`${JSON.stringify(condition)} ${want ? 'names' : 'does not name'} what stands there`, () => {
    const asked = details(
      {
        type: 'mcp_call',
        locations: [DOCUMENTS],
        actions: ['tools/call:read_text_file'],
        arguments: { read_text_file: { path: condition } },
      },
      // It covers nothing of the call, so it names nothing in it.
      {
        type: 'mcp_call',
        locations: [DOCUMENTS],
        actions: ['tools/call:read_text_file'],
        arguments: { read_text_file: { path: { equals: '/elsewhere' } } },
      },
    )
    const facts = call({ arguments: { path: '/clients/1042' }, stage: null })
    assert.deepEqual(namedPaths(asked, facts), want ? ['path'] : [])
  })
}
