import assert from 'node:assert/strict'
import test from 'node:test'
import type { Json } from '../base/canonical-json.ts'
import { errorText, notificationText, parseMessage, requestText, resultText } from './message.ts'

const v = { jsonrpc: '2.0' }

test('messages', () => {
  const rows: [Json, unknown][] = [
    [
      { ...v, id: 1, method: 'ping' },
      { type: 'request', id: 1, method: 'ping', params: {} },
    ],
    [
      { ...v, id: 'a', method: 'x', params: { b: 1 } },
      { type: 'request', id: 'a', method: 'x', params: { b: 1 } },
    ],
    [
      { ...v, id: 0, method: 'ping', extra: true },
      { type: 'request', id: 0, method: 'ping', params: {} },
    ],
    [
      { ...v, method: 'notifications/initialized' },
      { type: 'notification', method: 'notifications/initialized', params: {} },
    ],
    [
      { ...v, id: 1, result: { a: 1 } },
      { type: 'response', id: 1, outcome: { result: { a: 1 } } },
    ],
    [
      { ...v, id: null, error: { code: -32700, message: 'x' } },
      { type: 'response', id: null, outcome: { error: { code: -32700, message: 'x' } } },
    ],
    [
      { ...v, id: 1, error: { code: 1, message: 'x', data: [1], more: 2 } },
      { type: 'response', id: 1, outcome: { error: { code: 1, message: 'x', data: [1] } } },
    ],
  ]
  for (const [value, want] of rows) assert.deepEqual(parseMessage(value), { ok: true, value: want })
})

test('what is no message, with the id to answer with where there is one', () => {
  const rows: [Json, string, (string | number)?][] = [
    [[], 'message_batch'],
    [[{ ...v, id: 1, method: 'ping' }], 'message_batch'],
    [null, 'message_shape'],
    ['ping', 'message_shape'],
    [{}, 'message_shape'],
    [{ id: 1, method: 'ping' }, 'message_shape', 1],
    [{ jsonrpc: '1.0', id: 1, method: 'ping' }, 'message_shape', 1],
    [{ jsonrpc: 2, id: 1, method: 'ping' }, 'message_shape', 1],
    [{ ...v, id: null, method: 'ping' }, 'message_shape'],
    [{ ...v, id: 1.5, method: 'ping' }, 'message_shape'],
    [{ ...v, id: true, method: 'ping' }, 'message_shape'],
    [{ ...v, id: { a: 1 }, method: 'ping' }, 'message_shape'],
    [{ ...v, id: 'x'.repeat(257), method: 'ping' }, 'message_shape'],
    [{ ...v, id: 1 }, 'message_shape', 1],
    [{ ...v, id: 1, method: 5 }, 'message_shape', 1],
    [{ ...v, id: 1, method: '' }, 'message_shape', 1],
    [{ ...v, id: 1, method: 'x'.repeat(129) }, 'message_shape', 1],
    [{ ...v, id: 1, method: 'ping', params: [1] }, 'message_shape', 1],
    [{ ...v, id: 1, method: 'ping', params: null }, 'message_shape', 1],
    [{ ...v, id: 1, method: 'ping', result: {} }, 'message_shape', 1],
    [{ ...v, id: 1, method: 'ping', error: null }, 'message_shape', 1],
    [{ ...v, id: 1, result: {}, error: { code: 1, message: 'x' } }, 'message_shape', 1],
    [{ ...v, id: 1, result: 5 }, 'message_shape', 1],
    [{ ...v, id: 1, error: { message: 'x' } }, 'message_shape', 1],
    [{ ...v, result: {} }, 'message_shape'],
  ]
  for (const [value, reason, id] of rows) {
    const got = parseMessage(value)
    assert.ok(!got.ok, JSON.stringify(value))
    assert.deepEqual([got.error.reason, got.error.id], [reason, id], JSON.stringify(value))
  }
})

test('texts', () => {
  assert.equal(requestText(1, 'ping', {}), '{"jsonrpc":"2.0","id":1,"method":"ping","params":{}}')
  assert.equal(
    notificationText('notifications/initialized'),
    '{"jsonrpc":"2.0","method":"notifications/initialized"}',
  )
  assert.equal(resultText('a', { b: 1 }), '{"jsonrpc":"2.0","id":"a","result":{"b":1}}')
  assert.equal(
    errorText(null, { code: -32_700, message: 'expected JSON' }),
    '{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"expected JSON"}}',
  )
})
