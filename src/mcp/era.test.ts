import assert from 'node:assert/strict'
import test from 'node:test'
import * as fc from 'fast-check'
import type { JsonObject } from '../base/canonical-json.ts'
import {
  decodeHeaderValue,
  encodeHeaderValue,
  META,
  modernHeaders,
  readEra,
  type Headers,
} from './era.ts'
import type { Message } from './message.ts'
import { errorFor } from './refusals.ts'

const meta: JsonObject = { [META.protocolVersion]: '2026-07-28', [META.clientCapabilities]: {} }
const info = { name: 'agent', version: '1' }

function request(method: string, params: JsonObject = {}): Message {
  return { type: 'request', id: 1, method, params }
}
const notification: Message = {
  type: 'notification',
  method: 'notifications/cancelled',
  params: {},
}
const call = request('tools/call', { name: 'read', _meta: meta })
const headers = modernHeaders('tools/call', { name: 'read' })

type Row = readonly [name: string, message: Message, headers: Headers, want: string | object]

const rows: readonly Row[] = [
  ['modern', call, headers, { era: '2026-07-28', version: '2026-07-28', clientCapabilities: {} }],
  [
    'modern with client info',
    request('ping', { _meta: { ...meta, [META.clientInfo]: info } }),
    modernHeaders('ping', {}),
    { era: '2026-07-28', version: '2026-07-28', clientCapabilities: {}, clientInfo: info },
  ],
  [
    'modern, white space around a header',
    call,
    { ...headers, 'mcp-method': ' tools/call\t' },
    { era: '2026-07-28', version: '2026-07-28', clientCapabilities: {} },
  ],
  [
    'modern notification by its header',
    notification,
    { 'mcp-protocol-version': '2026-07-28' },
    { era: '2026-07-28', version: '2026-07-28' },
  ],
  [
    'modern notification by its body',
    { ...notification, params: { _meta: meta } },
    {},
    { era: '2026-07-28', version: '2026-07-28' },
  ],
  [
    'modern name in base64',
    request('resources/read', { uri: 'x://é', _meta: meta }),
    modernHeaders('resources/read', { uri: 'x://é' }),
    { era: '2026-07-28', version: '2026-07-28', clientCapabilities: {} },
  ],
  [
    'initialize',
    request('initialize', { protocolVersion: '2025-11-25' }),
    {},
    { era: '2025-11-25' },
  ],
  [
    'initialize of an unknown revision is negotiated',
    request('initialize', { protocolVersion: '2099-01-01' }),
    { 'mcp-protocol-version': '2099-01-01' },
    { era: '2025-11-25', version: '2099-01-01' },
  ],
  [
    'legacy',
    request('tools/list'),
    { 'mcp-protocol-version': '2025-06-18' },
    { era: '2025-11-25', version: '2025-06-18' },
  ],
  ['legacy without a header', request('tools/list'), {}, { era: '2025-11-25' }],
  [
    'legacy with other _meta',
    request('tools/list', { _meta: { progressToken: 1 } }),
    {},
    { era: '2025-11-25' },
  ],
  ['legacy notification', notification, {}, { era: '2025-11-25' }],
  ['response', { type: 'response', id: 1, outcome: { result: {} } }, {}, { era: '2025-11-25' }],

  [
    'version header of another revision',
    call,
    { ...headers, 'mcp-protocol-version': '2025-11-25' },
    'header_mismatch',
  ],
  ['no version header', call, { ...headers, 'mcp-protocol-version': undefined }, 'header_mismatch'],
  ['no method header', call, { ...headers, 'mcp-method': undefined }, 'header_mismatch'],
  [
    'method header of another method',
    call,
    { ...headers, 'mcp-method': 'tools/list' },
    'header_mismatch',
  ],
  [
    'method header in other case',
    call,
    { ...headers, 'mcp-method': 'Tools/Call' },
    'header_mismatch',
  ],
  [
    'method header twice',
    call,
    { ...headers, 'mcp-method': ['tools/call', 'tools/call'] },
    'header_mismatch',
  ],
  ['no name header', call, { ...headers, 'mcp-name': undefined }, 'header_mismatch'],
  ['name header of another tool', call, { ...headers, 'mcp-name': 'write' }, 'header_mismatch'],
  [
    'name header in bad base64',
    call,
    { ...headers, 'mcp-name': '=?base64?cmVhZA?=' },
    'header_mismatch',
  ],
  [
    'name header in base64 of other bytes',
    call,
    { ...headers, 'mcp-name': '=?base64?d3JpdGU=?=' },
    'header_mismatch',
  ],
  [
    'legacy call whose headers name another tool',
    request('tools/call', { name: 'read' }),
    { 'mcp-name': 'write' },
    'header_mismatch',
  ],
  [
    'legacy call whose headers name another method',
    request('tools/call', { name: 'read' }),
    { 'mcp-method': 'tools/list' },
    'header_mismatch',
  ],
  [
    'notification whose header names another method',
    notification,
    { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'x' },
    'header_mismatch',
  ],
  [
    'initialize with a modern header',
    request('initialize'),
    { 'mcp-protocol-version': '2026-07-28' },
    'header_mismatch',
  ],
  [
    'modern header without an envelope',
    request('tools/list'),
    { 'mcp-protocol-version': '2026-07-28' },
    'envelope_invalid',
  ],
  [
    'version of another type',
    request('ping', { _meta: { ...meta, [META.protocolVersion]: 5 } }),
    {},
    'envelope_invalid',
  ],
  [
    'no client capabilities',
    request('ping', { _meta: { [META.protocolVersion]: '2026-07-28' } }),
    modernHeaders('ping', {}),
    'envelope_invalid',
  ],
  [
    'malformed client info',
    request('ping', { _meta: { ...meta, [META.clientInfo]: { name: 'x' } } }),
    modernHeaders('ping', {}),
    'envelope_invalid',
  ],
  [
    'unknown revision in the body',
    request('ping', { _meta: { ...meta, [META.protocolVersion]: '2099-01-01' } }),
    {},
    'version_unsupported',
  ],
  [
    'legacy revision in an envelope',
    request('ping', { _meta: { ...meta, [META.protocolVersion]: '2025-11-25' } }),
    {},
    'version_unsupported',
  ],
  [
    'unknown revision in the header',
    request('tools/list'),
    { 'mcp-protocol-version': '2000-01-01' },
    'version_unsupported',
  ],
  [
    'malformed revision in the header',
    notification,
    { 'mcp-protocol-version': 'yes' },
    'version_unsupported',
  ],
  [
    'version header twice',
    request('tools/list'),
    { 'mcp-protocol-version': ['2025-11-25', '2026-07-28'] },
    'version_unsupported',
  ],
]

for (const [name, message, sent, want] of rows) {
  test(`${typeof want === 'string' ? 'refused' : 'read'}: ${name}`, () => {
    const got = readEra(message, sent)
    if (typeof want !== 'string') return assert.deepEqual(got, { ok: true, value: want })
    assert.ok(!got.ok)
    assert.equal(got.error.reason, want)
    // All of them are 400 in both eras (Streamable HTTP).
    assert.equal(errorFor(want, '2026-07-28').status, 400)
    assert.equal(errorFor(want, '2025-11-25').status, 400)
  })
}

test('an unsupported version is answered with those that are', () => {
  const got = readEra(request('tools/list'), { 'mcp-protocol-version': '2000-01-01' })
  assert.ok(!got.ok)
  assert.deepEqual(errorFor(got.error.reason, '2026-07-28', got.error.data), {
    status: 400,
    error: {
      code: -32_022,
      message: 'unsupported protocol version',
      data: {
        supported: ['2026-07-28', '2025-11-25', '2025-06-18', '2025-03-26'],
        requested: '2000-01-01',
      },
    },
  })
})

test('header values: what is encoded is decoded, and is a header value', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      const encoded = encodeHeaderValue(text)
      assert.match(encoded, /^[ -~]*$/)
      assert.equal(encoded, encoded.trim())
      assert.equal(decodeHeaderValue(encoded), text)
    }),
  )
  assert.equal(encodeHeaderValue('=?base64?x?='), '=?base64?PT9iYXNlNjQ/eD89?=')
  for (const bad of ['=?base64?YQ?=', '=?base64?YR==?=', '=?base64?/w==?=', '=?base64?Y Q==?=']) {
    assert.equal(decodeHeaderValue(bad), undefined, bad)
  }
})
