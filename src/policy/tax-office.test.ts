/** The policies that ship, on the story of the tax office: each line is one call, and who says no. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { silentDiagnostics } from '../base/diagnostics.ts'
import { must } from '../base/result.ts'
import { compilePolicies } from '../decision/compile.ts'
import { decideOperation, type OperationRequest } from '../decision/decide-operation.ts'
import { decide, mayOffer, type DecisionRequest } from '../decision/decide.ts'
import type { CallContext, PersonFacts, ResourceFacts } from '../decision/facts.ts'
import { covers } from '../delegation/covers.ts'
import type { McpCallDetail } from '../delegation/intent.ts'
import { defaultPolicies, readPolicyFolder } from './sources.ts'

const folder = fileURLToPath(new URL('../../examples/tax-office/policies', import.meta.url))
const policies = must(
  compilePolicies({ ...(await defaultPolicies()), ...must(await readPolicyFolder(folder)) }),
)

const person = (handle: string, ...groups: string[]): PersonFacts => ({
  id: `per_${handle}`,
  handle,
  active: true,
  groups: groups.map((name) => ({ id: `grp_${name}`, name })),
})
const alice = person('alice', 'preparers')
const paul = person('paul', 'partners')
const sam = person('sam', 'interns')

const at = (name: string): string => `https://behalf.example/mcp/${name}`
const partners = 'grp_partners'
/** "Prepare the 2025 return of client 1042", as Alice delegates it. */
const DETAILS: McpCallDetail[] = [
  {
    type: 'mcp_call',
    locations: [at('documents')],
    actions: ['tools/call:read_text_file', 'resources/read'],
    arguments: {
      read_text_file: { path: { prefix: '/clients/1042' } },
      'resources/read': { uri: { prefix: 'file:///clients/1042' } },
    },
    stages: ['collect'],
  },
  {
    type: 'mcp_call',
    locations: [at('memory')],
    actions: ['tools/call:create_entities', 'tools/call:read_graph'],
    stages: ['draft'],
  },
  {
    type: 'mcp_call',
    locations: [at('tax-engine')],
    actions: ['tools/call:create_draft'],
    stages: ['draft'],
  },
  {
    type: 'mcp_call',
    locations: [at('tax-engine')],
    actions: ['tools/call:file_return'],
    arguments: { file_return: { draft: { pattern: '*' } } },
    stages: ['draft'],
    approval: { by: partners },
  },
]

type Tool = Pick<ResourceFacts, 'serverName' | 'class' | 'consequential' | 'sinks'>
const path = [{ path: 'path', kind: 'path' }] as const
const TOOLS: Readonly<Record<string, Tool>> = {
  read_text_file: { serverName: 'documents', class: 'read', consequential: false, sinks: path },
  write_file: { serverName: 'documents', class: 'write', consequential: true, sinks: path },
  create_entities: { serverName: 'memory', class: 'write', consequential: false, sinks: [] },
  read_graph: { serverName: 'memory', class: 'read', consequential: false, sinks: [] },
  create_draft: { serverName: 'tax-engine', class: 'write', consequential: false, sinks: [] },
  override_warning: { serverName: 'tax-engine', class: 'write', consequential: true, sinks: [] },
  file_return: {
    serverName: 'tax-engine',
    class: 'money',
    consequential: true,
    sinks: [{ path: 'draft', kind: 'id' }],
  },
}

/** One call of the story. */
interface Step {
  readonly tool?: string
  readonly uri?: string
  readonly arguments?: Record<string, string>
  readonly stage: 'collect' | 'draft'
  readonly person?: PersonFacts
  readonly approval?: CallContext['approval']
  readonly boundBy?: CallContext['boundBy']
  readonly archetype?: string
  readonly serverState?: ResourceFacts['serverState']
}

const ANY_DOCUMENT: Tool = {
  serverName: 'documents',
  class: 'read',
  consequential: false,
  sinks: [],
}

function requestFor(step: Step): DecisionRequest {
  const { tool = '', uri } = step
  const declared = uri === undefined ? (TOOLS[tool] ?? assert.fail(tool)) : ANY_DOCUMENT
  const args = uri === undefined ? (step.arguments ?? {}) : { uri }
  const details = covers(DETAILS, {
    location: at(declared.serverName),
    action: uri === undefined ? `tools/call:${tool}` : 'resources/read',
    arguments: args,
    stage: step.stage,
    sinks: declared.sinks.map((sink) => sink.path),
  })
  return {
    agents: [{ id: 'agt_1', archetype: step.archetype ?? 'tax-preparer', state: 'active' }],
    people: [step.person ?? alice],
    delegation: { id: 'dlg_1', depth: 0 },
    action: uri === undefined ? 'tools/call' : 'resources/read',
    resource: {
      ...declared,
      type: uri === undefined ? 'tool' : 'resource',
      server: `srv_${declared.serverName}`,
      serverState: step.serverState ?? 'reviewed',
      tier: 'T1',
      name: uri ?? tool,
    },
    context: {
      stage: step.stage,
      acr: 'session',
      boundBy: step.boundBy ?? 'dpop',
      time: 1_767_225_600,
      arguments: args,
      provenance: Object.keys(args).map((name) => ({ path: name, grounded: true })),
      intent: details,
      ...(step.approval === undefined ? {} : { approval: step.approval }),
    },
  }
}

const yes = { id: 'apr_1', by: 'per_paul', entitled: partners } as const
const read = {
  tool: 'read_text_file',
  arguments: { path: '/clients/1042/w2.txt' },
  stage: 'collect',
} as const
const other = { ...read, arguments: { path: '/clients/2077/w2.txt' } } as const
const write = {
  tool: 'write_file',
  arguments: { path: '/clients/1042/w2.txt', content: 'x' },
  stage: 'collect',
} as const
const fileReturn = { tool: 'file_return', arguments: { draft: 'draft-1' }, stage: 'draft' } as const

const STORY: readonly (readonly [name: string, step: Step, want: string])[] = [
  ['reads the W-2 of client 1042', read, 'permit'],
  ['reads it as a resource', { uri: 'file:///clients/1042/w2.txt', stage: 'collect' }, 'permit'],
  ['reads a file of client 2077', other, 'deny by intent: outside_intent_arguments'],
  [
    'reads it as a resource',
    { uri: 'file:///clients/2077/w2.txt', stage: 'collect' },
    'deny by intent: outside_intent_arguments',
  ],
  [
    'reads a neighbour with the same beginning',
    { ...read, arguments: { path: '/clients/10420/w2.txt' } },
    'deny by intent: outside_intent_arguments',
  ],
  ['writes to documents', write, 'deny by agent: not_permitted'],
  ['reads the W-2 for Sam', { ...read, person: sam }, 'deny by person: not_permitted'],
  ['reads the W-2 for Paul', { ...read, person: paul }, 'permit'],
  [
    'an agent of another kind reads the W-2',
    { ...read, archetype: 'operator' },
    'deny by agent: not_permitted',
  ],
  [
    'overrides the warning while collecting',
    { tool: 'override_warning', stage: 'collect' },
    'deny by intent: outside_intent_action',
  ],
  ['files at once', { ...fileReturn, stage: 'collect' }, 'deny by intent: outside_intent_stage'],
  [
    'drafts while collecting',
    { tool: 'create_draft', stage: 'collect' },
    'deny by intent: outside_intent_stage',
  ],
  ['drafts', { tool: 'create_draft', stage: 'draft' }, 'permit'],
  ['takes a note', { tool: 'create_entities', stage: 'draft' }, 'permit'],
  [
    'takes a note for Sam',
    { tool: 'create_entities', stage: 'draft', person: sam },
    'deny by person: not_permitted',
  ],
  ['reads the notes for Sam', { tool: 'read_graph', stage: 'draft', person: sam }, 'permit'],
  [
    'overrides the warning in the draft',
    { tool: 'override_warning', stage: 'draft' },
    'deny by intent: outside_intent_action',
  ],
  ['files', fileReturn, 'approval_required by intent: approval_required'],
  ['files for Sam', { ...fileReturn, person: sam }, 'deny by person: not_permitted'],
  ['files with a yes', { ...fileReturn, approval: yes }, 'permit'],
  [
    'files with a yes that a partner was not asked for',
    { ...fileReturn, approval: { ...yes, entitled: 'per_alice' } },
    'approval_required by intent: approval_required',
  ],
  [
    'files with a token for whoever holds it',
    { ...fileReturn, approval: yes, boundBy: 'none' },
    'deny by guardrail: forbidden',
  ],
  ['reads with a token for whoever holds it', { ...read, boundBy: 'none' }, 'permit'],
  [
    'reads from a quarantined server',
    { ...read, serverState: 'quarantined' },
    'deny by guardrail: forbidden',
  ],
]

for (const [name, step, want] of STORY) {
  test(`the agent ${name}: ${want}`, () => {
    const { outcome, constraint, reason, approver } = decide(requestFor(step), policies, {
      diagnostics: silentDiagnostics,
    })
    assert.equal(
      constraint === undefined ? outcome : `${outcome} by ${constraint}: ${reason}`,
      want,
    )
    assert.equal(approver, outcome === 'approval_required' ? partners : undefined)
  })
}

const shown = (stage: Step['stage']): string[] =>
  Object.keys(TOOLS).filter((tool) => mayOffer(requestFor({ tool, stage }), policies))

test('a list shows what the stage allows', () => {
  assert.deepEqual(shown('collect'), ['read_text_file'])
  assert.deepEqual(shown('draft'), ['create_entities', 'read_graph', 'create_draft', 'file_return'])
})

const ada = person('ada', 'administrators')
const delegation = { type: 'delegation', id: 'dlg_1', own: false } as const
const approval = { type: 'approval', id: 'apr_1', entitled: false } as const
const OPERATIONS: readonly (readonly [
  who: PersonFacts,
  operation: string,
  target: OperationRequest['target'],
  want: 'permit' | 'deny',
])[] = [
  [ada, 'person.create', { type: 'installation' }, 'permit'],
  [alice, 'person.create', { type: 'installation' }, 'deny'],
  [ada, 'policy.activate', { type: 'installation' }, 'permit'],
  [alice, 'policy.activate', { type: 'installation' }, 'deny'],
  [alice, 'server.list', { type: 'installation' }, 'permit'],
  [alice, 'delegation.create', { type: 'installation' }, 'permit'],
  [alice, 'delegation.stage', { ...delegation, own: true }, 'permit'],
  [paul, 'delegation.stage', delegation, 'deny'],
  [paul, 'delegation.stage', { ...delegation, mover: true }, 'permit'],
  [paul, 'delegation.complete', { ...delegation, mover: true }, 'deny'],
  [alice, 'delegation.revoke', { ...delegation, own: true }, 'permit'],
  [paul, 'delegation.revoke', delegation, 'deny'],
  [ada, 'delegation.revoke', delegation, 'permit'],
  [paul, 'delegation.suspend', { ...delegation, answers: true }, 'permit'],
  [paul, 'delegation.stage', { ...delegation, answers: true }, 'deny'],
  [ada, 'delegation.stage', delegation, 'deny'],
  [alice, 'log.story', { ...delegation, own: true }, 'permit'],
  [paul, 'log.story', delegation, 'deny'],
  [person('aud', 'auditors'), 'log.story', delegation, 'permit'],
  [alice, 'log.entries', { type: 'installation' }, 'deny'],
  [paul, 'approval.decide', { ...approval, entitled: true }, 'permit'],
  [alice, 'approval.decide', approval, 'deny'],
  [ada, 'approval.decide', approval, 'deny'],
  [paul, 'agent.suspend', { type: 'agent', id: 'agt_1', own: true }, 'permit'],
  [alice, 'agent.suspend', { type: 'agent', id: 'agt_1', own: false }, 'deny'],
  [alice, 'conversation.create', { type: 'installation' }, 'permit'],
  ...(
    [
      // show, say, ask, invite, remove, verify
      [alice, 'owner', 'yes yes yes yes yes yes'],
      [paul, 'lead', 'yes yes yes yes yes yes'],
      [paul, 'member', 'yes yes yes no yes yes'],
      [paul, 'guest', 'yes yes no no yes yes'],
      [paul, undefined, 'no no no no no no'],
      // Administering opens no conversation; auditors compare it with the log.
      [ada, undefined, 'no no no no no yes'],
    ] as const
  ).flatMap(([who, role, wants]) =>
    ['show', 'say', 'ask', 'invite', 'remove', 'verify'].map(
      (verb, place): (typeof OPERATIONS)[number] => [
        who,
        `conversation.${verb}`,
        { type: 'conversation', id: 'cnv_1', ...(role !== undefined && { role }) },
        wants.split(' ')[place] === 'yes' ? 'permit' : 'deny',
      ],
    ),
  ),
]

for (const [who, operation, target, want] of OPERATIONS) {
  test(`${who.handle} asks for ${operation} on ${JSON.stringify(target)}: ${want}`, () => {
    const asked = { person: who, acr: 'session', operation, target, time: 1_767_225_600 }
    assert.equal(decideOperation(asked, policies).outcome, want)
  })
}
