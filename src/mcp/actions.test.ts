import assert from 'node:assert/strict'
import test from 'node:test'
import type { JsonObject } from '../base/canonical-json.ts'
import { actionOf, announcesChange, classify } from './actions.ts'
import type { Era } from './era.ts'
import { errorFor } from './refusals.ts'

function table(era: Era, methods: string): object {
  return Object.fromEntries(
    methods.split(' ').map((method) => [method, classify(method, era)?.handling]),
  )
}

test('every request of the protocol has a handling in each era', () => {
  const requests =
    'initialize ping server/discover tools/list tools/call prompts/list prompts/get resources/list ' +
    'resources/templates/list resources/read resources/subscribe resources/unsubscribe ' +
    'subscriptions/listen completion/complete logging/setLevel tasks/get tasks/result tasks/list ' +
    'tasks/cancel tasks/update'
  assert.deepEqual(table('2026-07-28', requests), {
    initialize: undefined,
    ping: undefined,
    'server/discover': 'answered',
    'tools/list': 'listed',
    'tools/call': 'upstream',
    'prompts/list': 'listed',
    'prompts/get': 'upstream',
    'resources/list': 'listed',
    'resources/templates/list': 'listed',
    'resources/read': 'upstream',
    'resources/subscribe': undefined,
    'resources/unsubscribe': undefined,
    'subscriptions/listen': 'refused',
    'completion/complete': 'upstream',
    'logging/setLevel': undefined,
    'tasks/get': 'refused',
    'tasks/result': undefined,
    'tasks/list': undefined,
    'tasks/cancel': 'refused',
    'tasks/update': 'refused',
  })
  assert.deepEqual(table('2025-11-25', requests), {
    initialize: 'answered',
    ping: 'answered',
    'server/discover': undefined,
    'tools/list': 'listed',
    'tools/call': 'upstream',
    'prompts/list': 'listed',
    'prompts/get': 'upstream',
    'resources/list': 'listed',
    'resources/templates/list': 'listed',
    'resources/read': 'upstream',
    'resources/subscribe': 'refused',
    'resources/unsubscribe': 'refused',
    'subscriptions/listen': undefined,
    'completion/complete': 'upstream',
    'logging/setLevel': 'refused',
    'tasks/get': 'refused',
    'tasks/result': 'refused',
    'tasks/list': 'refused',
    'tasks/cancel': 'refused',
    'tasks/update': undefined,
  })
})

test('what only the other side may send is not found, nor what nobody sends', () => {
  for (const method of [
    'sampling/createMessage',
    'elicitation/create',
    'roots/list',
    'notifications/message',
    'tools/Call',
    'tools/call ',
    '',
    '__proto__',
    'constructor',
  ]) {
    assert.equal(classify(method, '2025-11-25'), undefined, method)
  }
  for (const method of ['sampling/createMessage', 'elicitation/create', 'roots/list']) {
    assert.equal(classify(method, '2025-11-25', 'server')?.handling, 'refused')
  }
  assert.equal(classify('tools/call', '2026-07-28', 'server'), undefined)
  assert.equal(announcesChange('notifications/tools/list_changed'), true)
  assert.equal(announcesChange('notifications/resources/updated'), false)
})

test('actions', () => {
  const rows: [string, JsonObject, object][] = [
    [
      'tools/call',
      { name: 'read', arguments: { a: 1 }, _meta: { x: 1 }, extra: 1 },
      {
        action: 'tools/call:read',
        target: { kind: 'tool', name: 'read' },
        arguments: { a: 1 },
        params: { name: 'read', arguments: { a: 1 } },
      },
    ],
    [
      'tools/call',
      { name: 'read' },
      {
        action: 'tools/call:read',
        target: { kind: 'tool', name: 'read' },
        arguments: {},
        params: { name: 'read', arguments: {} },
      },
    ],
    [
      'tools/call',
      { name: 'read', requestState: 's' },
      {
        action: 'tools/call:read',
        target: { kind: 'tool', name: 'read' },
        arguments: {},
        params: { name: 'read', arguments: {} },
        requestState: 's',
      },
    ],
    [
      'prompts/get',
      { name: 'p', arguments: { a: 'x' } },
      {
        action: 'prompts/get:p',
        target: { kind: 'prompt', name: 'p' },
        arguments: { a: 'x' },
        params: { name: 'p', arguments: { a: 'x' } },
      },
    ],
    [
      'resources/read',
      { uri: 'file:///a' },
      {
        action: 'resources/read',
        target: { kind: 'resource', name: 'file:///a' },
        arguments: { uri: 'file:///a' },
        params: { uri: 'file:///a' },
      },
    ],
    [
      'completion/complete',
      {
        ref: { type: 'ref/prompt', name: 'p', x: 1 },
        argument: { name: 'a', value: 'v', y: 1 },
        context: { arguments: { b: 'c' }, z: 1 },
      },
      {
        action: 'completion/complete:p',
        target: { kind: 'prompt', name: 'p' },
        arguments: { argument: { name: 'a', value: 'v' }, context: { b: 'c' } },
        params: {
          ref: { type: 'ref/prompt', name: 'p' },
          argument: { name: 'a', value: 'v' },
          context: { arguments: { b: 'c' } },
        },
      },
    ],
    [
      'completion/complete',
      { ref: { type: 'ref/resource', uri: 'x://{a}' }, argument: { name: 'a', value: '' } },
      {
        action: 'completion/complete:x://{a}',
        target: { kind: 'resource', name: 'x://{a}' },
        arguments: { argument: { name: 'a', value: '' } },
        params: {
          ref: { type: 'ref/resource', uri: 'x://{a}' },
          argument: { name: 'a', value: '' },
        },
      },
    ],
  ]
  for (const [method, params, want] of rows) {
    assert.deepEqual(actionOf(method, params), { ok: true, value: { method, ...want } })
  }
})

test('parameters that do not fit', () => {
  const rows: [string, JsonObject][] = [
    ['tools/call', {}],
    ['tools/call', { name: '' }],
    ['tools/call', { name: 5 }],
    ['tools/call', { name: 'x'.repeat(257) }],
    ['tools/call', { name: 'x', arguments: [] }],
    ['tools/call', { name: 'x', arguments: null }],
    ['tools/call', { name: 'x', task: { ttl: 1 } }],
    ['tools/call', { name: 'x', inputResponses: {} }],
    ['tools/call', { name: 'x', requestState: 5 }],
    ['tools/call', { name: 'x', requestState: 'x'.repeat(4_097) }],
    ['prompts/get', { name: 'x', arguments: { a: 1 } }],
    ['resources/read', {}],
    ['resources/read', { uri: '' }],
    ['resources/read', { uri: ['a'] }],
    [
      'completion/complete',
      { ref: { type: 'ref/tool', name: 'x' }, argument: { name: 'a', value: 'b' } },
    ],
    ['completion/complete', { ref: { type: 'ref/prompt' }, argument: { name: 'a', value: 'b' } }],
    ['completion/complete', { ref: { type: 'ref/prompt', name: 'x' }, argument: { name: 'a' } }],
    [
      'completion/complete',
      {
        ref: { type: 'ref/prompt', name: 'x' },
        argument: { name: 'a', value: 'b' },
        context: { arguments: [] },
      },
    ],
  ]
  for (const [method, params] of rows) {
    const got = actionOf(method, params)
    assert.ok(!got.ok && got.error.reason === 'params_invalid', JSON.stringify(params))
  }
  const unknown = actionOf('tools/list', {})
  assert.ok(!unknown.ok && unknown.error.reason === 'method_not_found')
})

function status(reason: string): number[] {
  return [errorFor(reason, '2026-07-28').status, errorFor(reason, '2025-11-25').status]
}

test('refusals: statuses by era, unknown reasons are server errors', () => {
  assert.deepEqual(status('method_not_found'), [404, 200])
  assert.deepEqual(status('json_syntax'), [400, 400])
  assert.deepEqual(status('arguments_invalid'), [200, 200])
  for (const reason of ['no_such_reason', 'toString', '__proto__', '']) {
    assert.deepEqual(errorFor(reason, '2026-07-28'), {
      status: 500,
      error: { code: -32_603, message: 'internal error' },
    })
  }
})
