import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { silentDiagnostics } from '../base/diagnostics.ts'
import { must } from '../base/result.ts'
import { compilePolicies, type PolicySources } from './compile.ts'
import { decide, mayOffer, type DecisionRequest } from './decide.ts'
import type { CallContext, PersonFacts, ResourceFacts } from './facts.ts'
import type { PolicySets, SetName } from './policy-set.ts'

const ALL = '@id("all") permit (principal, action, resource);'
const OPEN: PolicySources = {
  agent: ALL,
  person: ALL,
  intent: `@id("covered") permit (principal, action, resource)
    when { context.intent.action && context.intent.arguments && context.intent.stage && context.intent.sinks };
    @id("approval") @require("approval") forbid (principal, action, resource)
    when { context.intent has approver }
    unless { context has approval && context.approval.entitled == context.intent.approver };`,
  guardrail: ALL,
  administration: '',
}

function policies(changed: Partial<PolicySources> = {}): PolicySets {
  return must(compilePolicies({ ...OPEN, ...changed }))
}

const alice: PersonFacts = {
  id: 'per_alice',
  handle: 'alice',
  active: true,
  groups: [{ id: 'grp_preparers', name: 'preparers' }],
}
const covered = { action: true, arguments: true, stage: true, sinks: true, detail: 0 }
const tool: ResourceFacts = {
  type: 'tool',
  server: 'srv_documents',
  serverName: 'documents',
  serverState: 'reviewed',
  tier: 'T1',
  name: 'read_text_file',
  class: 'read',
  consequential: false,
  sinks: [{ path: 'path', kind: 'path' }],
}
const context: CallContext = {
  stage: 'collect',
  acr: 'session',
  boundBy: 'dpop',
  time: 1_767_225_600,
  arguments: { path: '/clients/1042/w2.txt' },
  provenance: [{ path: 'path', grounded: true }],
  intent: covered,
}
const request: DecisionRequest = {
  agents: [{ id: 'agt_1', archetype: 'tax-preparer', state: 'active' }],
  people: [alice],
  delegation: { id: 'dlg_1', depth: 0 },
  action: 'tools/call',
  resource: tool,
  context,
}

/** What differs from `request`. */
type Changed = Omit<Partial<DecisionRequest>, 'context'> & {
  readonly context?: Partial<CallContext>
}

/** What matters of a decision about a changed request under changed policies. */
function outcome(changed: Changed, sets: Partial<PolicySources> = {}): unknown {
  const asked = { ...request, ...changed, context: { ...context, ...changed.context } }
  const decision = decide(asked, policies(sets), { diagnostics: silentDiagnostics })
  const { outcome: said, constraint, reason } = decision
  return constraint === undefined ? said : `${said} by ${constraint}: ${reason}`
}

const NONE = ''
const ERRS = `${ALL} @id("errs") forbid (principal, action, resource)
  when { context.chain * 9007199254740991 * 9007199254740991 > 0 };`
const HARD = `${ALL} @id("hard") @reason("never here") forbid (principal, action, resource);`
const SOFT = `${ALL} @id("soft") @require("approval") forbid (principal, action, resource)
  unless { context has approval };`
const STEP_UP = `${ALL} @id("step-up") @require("step_up") forbid (principal, action, resource)
  unless { context.acr == "passkey" };`
const partners = 'grp_partners'
const approval = { id: 'apr_1', by: 'per_paul', entitled: partners } as const

const CASES: readonly (readonly [
  name: string,
  changed: Changed,
  sets: Partial<PolicySources>,
  want: string,
])[] = [
  ['all three permit', {}, {}, 'permit'],
  ['no permit for the agent', {}, { agent: NONE }, 'deny by agent: not_permitted'],
  ['no permit for the person', {}, { person: NONE }, 'deny by person: not_permitted'],
  ['no permit for the intent', {}, { intent: NONE }, 'deny by intent: not_permitted'],
  ['no permit by the guardrails', {}, { guardrail: NONE }, 'deny by guardrail: not_permitted'],
  ['a forbid', {}, { person: HARD }, 'deny by person: forbidden'],
  ['a forbid that errs', {}, { guardrail: ERRS }, 'deny by guardrail: policy_error'],
  [
    'the agent is named first',
    {},
    { agent: NONE, person: NONE, intent: NONE, guardrail: NONE },
    'deny by agent: not_permitted',
  ],
  [
    'then the person',
    {},
    { person: NONE, intent: NONE, guardrail: NONE },
    'deny by person: not_permitted',
  ],
  ['then the intent', {}, { intent: NONE, guardrail: HARD }, 'deny by intent: not_permitted'],
  [
    'an action outside the intent',
    { context: { intent: { ...covered, action: false } } },
    {},
    'deny by intent: outside_intent_action',
  ],
  [
    'a stage outside the intent',
    { context: { intent: { ...covered, stage: false, arguments: false } } },
    {},
    'deny by intent: outside_intent_stage',
  ],
  [
    'an argument outside the intent',
    { context: { intent: { ...covered, arguments: false } } },
    {},
    'deny by intent: outside_intent_arguments',
  ],
  [
    'a sink outside the intent',
    { context: { intent: { ...covered, sinks: false } } },
    {},
    'deny by intent: outside_intent_sinks',
  ],
  [
    'a suspended agent',
    { agents: [{ id: 'agt_1', archetype: 'a', state: 'suspended' }] },
    {},
    'deny by agent: not_active',
  ],
  [
    'a suspended agent up the chain',
    { agents: [...request.agents, { id: 'agt_2', archetype: 'a', state: 'ended' }] },
    {},
    'deny by agent: not_active',
  ],
  [
    'an agent up the chain without permit',
    { agents: [...request.agents, { id: 'agt_2', archetype: 'other', state: 'active' }] },
    { agent: '@id("one") permit (principal in Archetype::"tax-preparer", action, resource);' },
    'deny by agent: not_permitted',
  ],
  [
    'an inactive person',
    { people: [{ ...alice, active: false }] },
    {},
    'deny by person: not_active',
  ],
  [
    'a second person without permit',
    { people: [alice, { ...alice, id: 'per_sam', handle: 'sam', groups: [] }] },
    { person: '@id("p") permit (principal in Group::"preparers", action, resource);' },
    'deny by person: not_permitted',
  ],
  ['no agent', { agents: [] }, {}, 'deny by intent: facts_refused'],
  ['no person', { people: [] }, {}, 'deny by intent: facts_refused'],
  [
    'a chain beyond what the record holds',
    { agents: Array.from({ length: 17 }, () => request.agents[0] ?? assert.fail()) },
    {},
    'deny by agent: facts_refused',
  ],
  [
    'an action that nobody knows',
    { action: 'tools/launch' },
    {},
    'deny by guardrail: unknown_action',
  ],
  [
    'an inherited name as action',
    { action: 'constructor' },
    {},
    'deny by guardrail: unknown_action',
  ],
  [
    'an action on the wrong object',
    { action: 'resources/read' },
    {},
    'deny by guardrail: unknown_action',
  ],
  [
    'an operation of the API as action',
    { action: 'person.create' },
    {},
    'deny by guardrail: unknown_action',
  ],
  [
    'an amount that is no decimal',
    { resource: { ...tool, sinks: [{ path: 'path', kind: 'amount' }] } },
    {},
    'deny by guardrail: facts_refused',
  ],
  [
    'a missing approval',
    {},
    { guardrail: SOFT },
    'approval_required by guardrail: approval_required',
  ],
  ['an approval', { context: { approval } }, { guardrail: SOFT }, 'permit'],
  [
    'no approval where the intent denies',
    { context: { intent: { ...covered, stage: false } } },
    { agent: SOFT },
    'deny by intent: outside_intent_stage',
  ],
  [
    'no approval where a guardrail denies',
    {},
    { agent: SOFT, guardrail: HARD },
    'deny by guardrail: forbidden',
  ],
  [
    'no approval without a permit',
    {},
    { guardrail: SOFT.replace(ALL, '') },
    'deny by guardrail: not_permitted',
  ],
  [
    'an approval lifts no forbid',
    { context: { approval } },
    { guardrail: HARD },
    'deny by guardrail: forbidden',
  ],
  [
    'a step-up comes before an approval',
    {},
    { agent: SOFT, guardrail: STEP_UP },
    'step_up by guardrail: step_up_required',
  ],
  ['a step-up', { context: { acr: 'passkey' } }, { guardrail: STEP_UP }, 'permit'],
  [
    'the intent wants an approval',
    { context: { intent: { ...covered, approval: { by: partners } } } },
    {},
    'approval_required by intent: approval_required',
  ],
  [
    'an approval by whom the intent names',
    { context: { approval, intent: { ...covered, approval: { by: partners } } } },
    {},
    'permit',
  ],
  [
    'an approval by somebody else',
    {
      context: {
        approval: { ...approval, entitled: 'per_alice' },
        intent: { ...covered, approval: { by: partners } },
      },
    },
    {},
    'approval_required by intent: approval_required',
  ],
]

for (const [name, changed, sets, want] of CASES) {
  test(`${name}: ${want}`, () => assert.equal(outcome(changed, sets), want))
  test(`${name}, where it is consequential: ${want}`, () => {
    const resource = { ...(changed.resource ?? tool), consequential: true }
    assert.equal(outcome({ ...changed, resource }, sets), want)
  })
}

test('a decision says what each constraint said, and tells the agent no more than the constraint', () => {
  const sets = policies({ person: HARD, intent: NONE })
  const why = 'argument `path` is beyond the intent'
  const asked = {
    ...request,
    context: { ...context, intent: { ...covered, arguments: false, why } },
  }
  assert.deepEqual(decide(asked, sets, { diagnostics: silentDiagnostics }), {
    outcome: 'deny',
    constraint: 'person',
    reason: 'forbidden',
    remedy: 'The person you work for may not do this. Do not retry; tell them.',
    verdicts: [
      {
        constraint: 'agent',
        subject: 'agt_1',
        effect: 'permit',
        policies: ['all'],
        version: sets.agent.version,
      },
      {
        constraint: 'person',
        subject: 'per_alice',
        effect: 'deny',
        policies: ['hard'],
        version: sets.person.version,
        reason: 'never here',
      },
      {
        constraint: 'intent',
        subject: 'dlg_1',
        effect: 'deny',
        policies: [],
        version: sets.intent.version,
        reason: why,
      },
      {
        constraint: 'guardrail',
        subject: 'agt_1',
        effect: 'permit',
        policies: ['all'],
        version: sets.guardrail.version,
      },
    ],
  })
})

const approver = (intent: CallContext['intent'], guardrail: string): unknown =>
  decide({ ...request, context: { ...context, intent } }, policies({ guardrail }), {
    diagnostics: silentDiagnostics,
  }).approver

test('who approves: whom the intent names, else the delegating person', () => {
  assert.equal(approver({ ...covered, approval: { by: partners } }, SOFT), partners)
  assert.equal(approver({ ...covered, approval: { by: partners } }, ALL), partners)
  assert.equal(approver(covered, SOFT), 'per_alice')
  assert.equal(approver(covered, ALL), undefined)
})

/** Sets in which one compiled policy does not say what its text says. */
function miscompiled(name: SetName, text: string): PolicySets {
  const sets = policies()
  const bad = { ...sets[name], version: 'sha256:miscompiled' as const }
  const changed = new Map([...bad.policies].map(([id, policy]) => [id, { ...policy, text }]))
  return { ...sets, [name]: { ...bad, policies: changed } }
}

for (const [name, text] of [
  ['forbids', '@id("all") forbid (principal, action, resource);'],
  [
    'does not apply',
    '@id("all") permit (principal, action, resource) when { context.chain == 7 };',
  ],
  [
    'errs',
    '@id("all") permit (principal, action, resource) when { context.chain + 9223372036854775807 > 0 };',
  ],
  ['does not parse', 'permit'],
] as const) {
  test(`a consequential permit that Cedar does not confirm is a deny: its policy ${name}`, () => {
    const sets = miscompiled('person', text)
    const reported: string[] = []
    const diagnostics = { ...silentDiagnostics, error: (event: string) => reported.push(event) }
    const consequential = { ...request, resource: { ...tool, consequential: true } }
    const { outcome: said, constraint, reason } = decide(consequential, sets, { diagnostics })
    assert.deepEqual([said, constraint, reason], ['deny', 'person', 'not_confirmed'])
    assert.deepEqual(reported, ['decision.not_confirmed'])
    // Elsewhere the compiled evaluator decides alone.
    assert.equal(decide(request, sets, { diagnostics }).outcome, 'permit')
  })
}

test('money, egress and destruction are consequential whatever the review says', () => {
  const sets = miscompiled('agent', 'permit')
  for (const worst of ['egress', 'destructive', 'money'] as const) {
    const asked = { ...request, resource: { ...tool, class: worst } }
    const { reason } = decide(asked, sets, { diagnostics: silentDiagnostics })
    assert.equal(reason, 'not_confirmed', worst)
  }
})

const decided = (all: readonly string[]): unknown => {
  const { version, ...said } = {
    version: '',
    ...decide(request, policies({ agent: all.join('\n') }), { diagnostics: silentDiagnostics }),
  }
  return { ...said, verdicts: said.verdicts.map((verdict) => ({ ...verdict, version })) }
}

test('a decision does not depend on the order of policies', () => {
  const texts = [
    ...['a', 'b'].map((id) => `@id("${id}") permit (principal, action, resource);`),
    ...['c', 'd'].map(
      (id) =>
        `@id("${id}") @reason("${id}") forbid (principal, action, resource) when { context.chain == 1 };`,
    ),
    '@id("e") @require("step_up") forbid (principal, action, resource) unless { context.acr == "passkey" };',
    '@id("f") forbid (principal, action, resource) when { context.chain * 9007199254740991 * 9007199254740991 > 0 };',
  ]
  fc.assert(
    fc.property(fc.shuffledSubarray(texts), (some) => {
      assert.deepEqual(decided(some), decided(some.toSorted()))
    }),
    { numRuns: 30 },
  )
})

const offers = (changed: Changed, sets: Partial<PolicySources> = {}): boolean =>
  mayOffer({ ...request, ...changed, context: { ...context, ...changed.context } }, policies(sets))

test('a list shows what some arguments could be permitted for', () => {
  assert.equal(
    offers({ context: { intent: { ...covered, arguments: false, sinks: false } } }),
    true,
  )
  assert.equal(offers({}, { guardrail: SOFT }), true)
  assert.equal(offers({}, { guardrail: STEP_UP }), true)
  assert.equal(offers({ context: { intent: { ...covered, stage: false } } }), false)
  assert.equal(offers({ context: { intent: { ...covered, action: false } } }), false)
  assert.equal(offers({}, { agent: NONE }), false)
  assert.equal(offers({}, { person: HARD }), false)
  assert.equal(offers({}, { guardrail: ERRS }), false)
})
