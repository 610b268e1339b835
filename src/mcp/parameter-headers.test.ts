import assert from 'node:assert/strict'
import test from 'node:test'
import type { JsonObject } from '../base/canonical-json.ts'
import { encodeHeaderValue, type Headers } from './era.ts'
import { parameterMismatch } from './parameter-headers.ts'

const schema: JsonObject = {
  type: 'object',
  properties: {
    region: { type: 'string', 'x-mcp-header': 'Region' },
    plain: { type: 'string' },
    deep: { type: 'object', properties: { count: { type: 'integer', 'x-mcp-header': 'Count' } } },
    dry: { type: 'boolean', 'x-mcp-header': 'Dry' },
    bad: { type: 'string', 'x-mcp-header': 'not a token' },
  },
}

test('headers that repeat arguments', () => {
  const rows: [JsonObject, Headers, string | undefined][] = [
    [{}, {}, undefined],
    [{ plain: 'x', bad: 'y' }, {}, undefined],
    [{ region: 'eu' }, { 'mcp-param-region': 'eu' }, undefined],
    [{ region: 'eu' }, { 'mcp-param-region': ' eu ' }, undefined],
    [{ region: 'Zürich' }, { 'mcp-param-region': encodeHeaderValue('Zürich') }, undefined],
    [
      { deep: { count: 42 }, dry: true },
      { 'mcp-param-count': '42.0', 'mcp-param-dry': 'true' },
      undefined,
    ],
    // A header without an argument says nothing (the server must not expect it).
    [{ region: null }, { 'mcp-param-region': 'eu' }, undefined],
    [{ region: 'eu' }, {}, 'mcp-param-region'],
    [{ region: 'eu' }, { 'mcp-param-region': 'us' }, 'mcp-param-region'],
    [{ region: 'eu' }, { 'mcp-param-region': 'EU' }, 'mcp-param-region'],
    [{ region: 'eu' }, { 'mcp-param-region': ['eu', 'eu'] }, 'mcp-param-region'],
    [{ region: 'eu' }, { 'mcp-param-region': '=?base64?ZX?=' }, 'mcp-param-region'],
    [{ region: '42' }, { 'mcp-param-region': '42.0' }, 'mcp-param-region'],
    [{ deep: { count: 42 } }, { 'mcp-param-count': '43' }, 'mcp-param-count'],
    [{ deep: { count: 42 } }, { 'mcp-param-count': '0x2a' }, 'mcp-param-count'],
    [{ dry: true }, { 'mcp-param-dry': '1' }, 'mcp-param-dry'],
  ]
  for (const [args, headers, want] of rows) {
    assert.equal(parameterMismatch(schema, args, headers), want, JSON.stringify([args, headers]))
  }
  assert.equal(parameterMismatch(undefined, { region: 'eu' }, {}), undefined)
})
