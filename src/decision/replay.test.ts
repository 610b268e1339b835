import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JsonObject } from '../base/canonical-json.ts'
import type { DecisionRequest } from './decide.ts'
import { type DecidedCall, recordedFacts, replayed, type ReplayNames } from './replay.ts'

const REQUEST: DecisionRequest = {
  agents: [
    { id: 'agt_1', archetype: 'tax-preparer', state: 'active' },
    { id: 'agt_2', archetype: 'operator', state: 'suspended' },
  ],
  people: [
    { id: 'per_1', handle: 'alice', active: true, groups: [{ id: 'grp_1', name: 'preparers' }] },
  ],
  delegation: { id: 'dlg_1', depth: 1 },
  action: 'tools/call',
  resource: {
    type: 'tool',
    server: 'srv_1',
    serverName: 'documents',
    serverState: 'reviewed',
    tier: 'T1',
    name: 'read',
    class: 'read',
    consequential: false,
    sinks: [{ path: 'path', kind: 'path' }],
  },
  context: {
    stage: 'collect',
    acr: 'session',
    boundBy: 'dpop',
    time: 1_767_225_600,
    arguments: { path: '/clients/1042' },
    provenance: [{ path: 'path', grounded: true }],
    intent: { action: true, arguments: true, stage: true, sinks: true, detail: 0 },
    approval: { id: 'apr_1', by: 'per_1', entitled: 'grp_1' },
  },
}
const NAMES: ReplayNames = {
  handles: new Map([['per_1', 'alice']]),
  groups: new Map([['grp_1', 'preparers']]),
}

function entryOf({ context, ...request }: DecisionRequest): DecidedCall {
  return {
    v: 1,
    kind: 'call_refused',
    time: context.time * 1_000,
    by: { type: 'agent', agent: 'agt_1' },
    call: 'a.1',
    delegation: request.delegation.id,
    person: 'per_1',
    agents: request.agents.map(({ id }) => id),
    server: request.resource.server,
    serverName: request.resource.serverName,
    action: `${request.action}:${request.resource.name ?? ''}`,
    stage: context.stage,
    verdicts: [
      { constraint: 'agent', subject: 'agt_1', effect: 'deny', policies: [], version: 'sha256:0' },
    ],
    provenance: context.provenance.map((one) => ({ ...one, from: [] })),
    constraint: 'agent',
    reason: 'not_permitted',
    facts: recordedFacts({ ...request, context }),
  }
}

const args = REQUEST.context.arguments

test('a recorded call is the request that was decided', () => {
  const again = replayed(entryOf(REQUEST), args, NAMES)
  assert.ok(again.ok)
  const { provenance, ...context } = again.value.context
  assert.deepEqual(
    provenance.map(({ path, grounded }) => ({ path, grounded })),
    REQUEST.context.provenance,
  )
  const { provenance: _provenance, ...wanted } = REQUEST.context
  assert.deepEqual({ ...again.value, context }, { ...REQUEST, context: wanted })
})

test('a resource is named by its uri', () => {
  const resource = { ...REQUEST.resource, type: 'resource', name: 'file:///a' } as const
  const entry = entryOf({ ...REQUEST, action: 'resources/read', resource })
  const again = replayed({ ...entry, action: 'resources/read' }, { uri: 'file:///a' }, NAMES)
  assert.ok(again.ok)
  assert.equal(again.value.resource.name, 'file:///a')
})

const { facts: _facts, ...withoutFacts } = entryOf(REQUEST)
const UNREPLAYABLE: readonly (readonly [
  name: string,
  entry: DecidedCall,
  args: JsonObject | undefined,
  names: ReplayNames,
  reason: string,
])[] = [
  ['erased arguments', entryOf(REQUEST), undefined, NAMES, 'erased'],
  ['an entry of before facts were kept', withoutFacts, args, NAMES, 'no_facts'],
  [
    'a call that was never judged',
    { ...entryOf(REQUEST), verdicts: [] },
    args,
    NAMES,
    'not_judged',
  ],
  [
    'a person whom nobody knows',
    entryOf(REQUEST),
    args,
    { ...NAMES, handles: new Map() },
    'unknown_names',
  ],
  [
    'a group that nobody knows',
    entryOf(REQUEST),
    args,
    { ...NAMES, groups: new Map() },
    'unknown_names',
  ],
]
for (const [name, entry, given, names, reason] of UNREPLAYABLE) {
  test(`${name}: ${reason}`, () => {
    assert.deepEqual(replayed(entry, given, names), { ok: false, error: { reason } })
  })
}
