/** Whatever the facts are, the request that policies see is one that the schema describes. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { compileSet } from './compile.ts'
import type { DecisionRequest } from './decide.ts'
import { agentUid, callFacts, personUid } from './entities.ts'
import type { AgentFacts, PersonFacts, ResourceFacts } from './facts.ts'
import { assertConforms } from './testing.ts'
import { EntityUid } from './value.ts'

const name = fc.oneof(
  fc.constantFrom('a', 'a b', 'a/b', '"', '\\', '__proto__', 'constructor', '😀', ' '),
  fc.string({ maxLength: 5 }),
)
const agent: fc.Arbitrary<AgentFacts> = fc.record({
  id: fc.constantFrom('agt_1', 'agt_2'),
  archetype: name,
  state: fc.constant('active'),
})
const person: fc.Arbitrary<PersonFacts> = fc.record({
  id: fc.constant('per_1'),
  handle: name,
  active: fc.boolean(),
  groups: fc.array(
    name.map((text) => ({ id: 'grp_1' as const, name: text })),
    { maxLength: 2 },
  ),
})
const asked = fc.constantFrom<readonly [string, ResourceFacts['type']]>(
  ['tools/call', 'tool'],
  ['resources/read', 'resource'],
  ['prompts/get', 'prompt'],
  ['completion/complete', 'prompt'],
  ['completion/complete', 'resource'],
  ['tools/list', 'server'],
  ['sampling/createMessage', 'server'],
)
const request: fc.Arbitrary<DecisionRequest> = fc
  .record({
    asked,
    agents: fc.array(agent, { minLength: 1, maxLength: 2 }),
    people: fc.array(person, { minLength: 1, maxLength: 2 }),
    depth: fc.nat(15),
    serverName: name,
    called: name,
    serverState: fc.constantFrom('registered', 'reviewed', 'quarantined', 'withdrawn'),
    tier: fc.constantFrom('T0', 'T1', 'remote', 'none'),
    worst: fc.constantFrom('read', 'write', 'egress', 'destructive', 'money'),
    consequential: fc.boolean(),
    stage: fc.option(name),
    value: fc.oneof(name, fc.array(name, { maxLength: 2 }), fc.constant(null)),
    amount: fc.oneof(fc.integer(), fc.constantFrom('1.5', undefined)),
    approved: fc.boolean(),
    approver: fc.constantFrom('grp_1', 'per_1', undefined),
  })
  .map((made): DecisionRequest => ({
    agents: made.agents,
    people: made.people,
    delegation: { id: 'dlg_1', depth: made.depth },
    action: made.asked[0],
    resource: {
      type: made.asked[1],
      server: 'srv_1',
      serverName: made.serverName,
      serverState: made.serverState,
      tier: made.tier,
      name: made.called,
      class: made.worst,
      consequential: made.consequential,
      sinks: [
        { path: 'to', kind: 'email' },
        { path: 'amount', kind: 'amount' },
      ],
    },
    context: {
      stage: made.stage,
      acr: 'session',
      boundBy: 'dpop',
      time: 1_767_225_600,
      arguments: { to: made.value, amount: made.amount },
      provenance: [],
      intent: {
        action: true,
        arguments: false,
        stage: true,
        sinks: true,
        ...(made.approver === undefined ? {} : { approval: { by: made.approver } }),
      },
      ...(made.approved ? { approval: { id: 'apr_1', by: 'per_1', entitled: 'grp_1' } } : {}),
    },
  }))

test('facts conform to the schema of each set that judges them', () => {
  const problems: string[] = []
  const all = '@id("all") permit (principal, action, resource);'
  const [agents, people, intent] = (['agent', 'person', 'intent'] as const).map((set) =>
    compileSet(set, all, problems),
  )
  assert(agents !== undefined && people !== undefined && intent !== undefined)
  fc.assert(
    fc.property(request, (one) => {
      const facts = callFacts(one)
      assert(facts.ok)
      for (const each of one.agents) {
        assertConforms(agents, { ...facts.value, principal: agentUid(each) })
      }
      for (const each of one.people) {
        assertConforms(people, { ...facts.value, principal: personUid(each) })
      }
      assertConforms(intent, { ...facts.value, principal: new EntityUid('Delegation', 'dlg_1') })
    }),
    { numRuns: 100, interruptAfterTimeLimit: 5_000, markInterruptAsFailure: false },
  )
})
