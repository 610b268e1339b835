import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { testActor } from '../audit/testing.ts'
import { silentDiagnostics } from '../base/diagnostics.ts'
import { must } from '../base/result.ts'
import { openTestOffice, testDelegation, type TestOffice } from '../delegation/testing.ts'
import { activateDefaults } from './activate.ts'
import { migrations } from './migrations.ts'
import { propose } from './propose.ts'
import { reach, simulate, type SimulateEnv } from './simulate.ts'
import { activatePolicies } from './testing.ts'

const AGENT = `@id("reads") permit (principal in Archetype::"tax-preparer", action == Action::"tools/call", resource)
  unless { resource in ToolClass::"money" };`
const PERSON = '@id("partners") permit (principal in Group::"partners", action, resource);'

type Office = TestOffice & Pick<SimulateEnv, 'diagnostics' | 'upstreams'>

async function opened(t: TestContext): Promise<Office> {
  const upstreams = { tierOf: async () => 'T1' as const }
  const found = await openTestOffice(t, migrations)
  const office = { ...found, upstreams, diagnostics: silentDiagnostics }
  await activateDefaults(office)
  must(await activatePolicies({ agent: AGENT, person: PERSON }, testActor, office))
  return office
}

const outcomes = (found: readonly { tool: string; outcome: string; constraint?: string }[]) =>
  Object.fromEntries(found.map((one) => [one.tool, one.constraint ?? one.outcome]))

test('what an agent could do for a person: the most that policies would permit', async (t) => {
  const office = await opened(t)
  const asked = { archetype: 'tax-preparer', person: 'paul' }
  assert.deepEqual(outcomes(must(await simulate(asked, office))), {
    read: 'permit',
    pay: 'agent',
    file: 'permit',
  })
  const sam = must(await simulate({ ...asked, person: 'sam' }, office))
  assert.deepEqual(outcomes(sam), { read: 'person', pay: 'agent', file: 'person' })
})

test('under a delegation, no more than it says', async (t) => {
  const office = await opened(t)
  const { id: delegation } = await testDelegation(office, {
    delegate: { archetype: 'tax-preparer' },
    details: [{ type: 'mcp_call', locations: [office.location], actions: ['tools/call:read'] }],
  })
  must(
    await activatePolicies(
      { person: PERSON.replace('in Group::"partners"', '') },
      testActor,
      office,
    ),
  )
  const asked = { archetype: 'tax-preparer', person: 'alice', delegation }
  assert.deepEqual(outcomes(must(await simulate(asked, office))), {
    read: 'permit',
    pay: 'agent',
    file: 'intent',
  })
  const foreign = await simulate({ ...asked, person: 'paul' }, office)
  assert.equal(foreign.ok ? '' : foreign.error.reason, 'unknown_delegation')
})

test('who can reach a tool, now and by a proposed version', async (t) => {
  const office = await opened(t)
  const asked = { server: 'documents', tool: 'read' }
  assert.deepEqual(must(await reach(asked, office)), {
    ways: [{ archetype: 'tax-preparer', person: 'paul', outcome: 'permit' }],
    pairs: 4,
    complete: true,
  })
  const person = '@id("all") permit (principal, action, resource);'
  const { id } = must(await propose({ sets: { person }, summary: 'x' }, office.ada, office))
  const then = must(await reach({ ...asked, policy: id }, office))
  assert.deepEqual(
    then.ways.map((way) => way.person),
    ['ada', 'alice', 'paul', 'sam'],
  )
  const unknown = await reach({ ...asked, tool: 'gone' }, office)
  assert.equal(unknown.ok ? '' : unknown.error.reason, 'unknown_tool')
})
