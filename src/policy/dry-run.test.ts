import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { append } from '../audit/append.ts'
import { testActor } from '../audit/testing.ts'
import type { JsonObject } from '../base/canonical-json.ts'
import { silentDiagnostics } from '../base/diagnostics.ts'
import { must } from '../base/result.ts'
import { decide, type DecisionRequest } from '../decision/decide.ts'
import { recordedFacts } from '../decision/replay.ts'
import { openTestOffice, type TestOffice } from '../delegation/testing.ts'
import { activateDefaults } from './activate.ts'
import { currentPolicies } from './current.ts'
import { dryRun, type DryRunReport } from './dry-run.ts'
import { migrations } from './migrations.ts'
import { propose } from './propose.ts'
import { activatePolicies } from './testing.ts'

const ALL = '@id("all") permit (principal, action, resource);'
const NO_WRITES = `${ALL} @id("no-writes") forbid (principal, action, resource in ToolClass::"write");`
const NO_1042 = `${ALL} @id("no-1042") forbid (principal, action, resource) when { context.sinks.contains("/clients/1042") };`

type Office = TestOffice & { readonly diagnostics: typeof silentDiagnostics }

async function opened(t: TestContext): Promise<Office> {
  const office = { ...(await openTestOffice(t, migrations)), diagnostics: silentDiagnostics }
  await activateDefaults(office)
  must(await activatePolicies({ agent: ALL, person: ALL }, testActor, office))
  return office
}

/** Records a call as the gateway does. */
async function recordCall(
  office: Office,
  tool: 'read' | 'write',
  args: JsonObject,
  about: { readonly withFacts?: boolean; readonly subject?: string } = {},
): Promise<void> {
  const { withFacts = true, subject = 'dlg_1' } = about
  const { store, vault, clock, alice, agent } = office
  const request: DecisionRequest = {
    agents: [{ id: agent.id, archetype: agent.archetype, state: 'active' }],
    people: [{ id: alice.person, handle: alice.handle, active: true, groups: [] }],
    delegation: { id: 'dlg_1', depth: 0 },
    action: 'tools/call',
    resource: {
      type: 'tool',
      server: office.documents.id,
      serverName: 'documents',
      serverState: 'reviewed',
      tier: 'T1',
      name: tool,
      class: tool,
      consequential: false,
      sinks: [{ path: 'path', kind: 'path' }],
    },
    context: {
      stage: null,
      acr: 'session',
      boundBy: 'dpop',
      time: Math.trunc(clock.nowMilliseconds() / 1_000),
      arguments: args,
      provenance: [{ path: 'path', grounded: true }],
      intent: { action: true, arguments: true, stage: true, sinks: true },
    },
  }
  const { outcome, verdicts } = decide(request, await currentPolicies(office), office)
  assert.equal(outcome, 'permit')
  await store.transaction(async (tx) => {
    const sealed = await vault.seal(tx, args, { subject })
    await append(tx, [
      {
        v: 1,
        kind: 'call_intended',
        time: clock.nowMilliseconds(),
        by: { type: 'agent', agent: agent.id },
        call: `c.${Math.trunc(clock.nowMilliseconds())}`,
        delegation: 'dlg_1',
        person: alice.person,
        agents: [agent.id],
        server: office.documents.id,
        serverName: 'documents',
        action: `tools/call:${tool}`,
        arguments: sealed,
        stage: null,
        verdicts: [...verdicts],
        provenance: [{ path: 'path', from: ['purpose'], grounded: true }],
        ...(withFacts && { facts: recordedFacts(request) }),
        readAt: 0,
        relied: [],
        expiresAt: clock.nowMilliseconds() + 1_000,
      },
    ])
  })
  await clock.advance(1_000)
}

async function tried(office: Office, agent: string, calls?: number): Promise<DryRunReport> {
  const proposed = await propose({ sets: { agent }, summary: 'x' }, office.ada, office)
  const asked = { policy: must(proposed).id, ...(calls !== undefined && { calls }) }
  return must(await dryRun(asked, office.ada, office)).report
}

test('every call that would be decided otherwise is told, with who says so', async (t) => {
  const office = await opened(t)
  await recordCall(office, 'read', { path: '/clients/1042' })
  await recordCall(office, 'write', { path: '/clients/1042' })
  const report = await tried(office, NO_WRITES)
  const { stories, ...counts } = report
  assert.deepEqual(
    { ...counts, policy: '', base: '', candidate: '' },
    {
      policy: '',
      base: '',
      candidate: '',
      calls: 2,
      replayed: 2,
      unreplayable: {},
      unfaithful: 0,
      flips: 1,
      loosened: 0,
      widening: [],
      newlyPermitted: [],
      tried: 0,
      properties: [],
    },
  )
  assert.deepEqual(
    stories.map(({ was, now, story }) => [was, now, story]),
    [
      [
        'permit',
        'deny',
        'tax-preparer for alice, documents tools/call:write: permitted (all) now, denied by agent (no-writes) then',
      ],
    ],
  )
})

test('a decision that turned on the arguments is made again on the arguments', async (t) => {
  const office = await opened(t)
  await recordCall(office, 'read', { path: '/clients/1042' })
  await recordCall(office, 'read', { path: '/clients/2077' })
  assert.equal((await tried(office, NO_1042)).flips, 1)
})

test('what was erased, or never kept, is counted and not guessed', async (t) => {
  const office = await opened(t)
  await recordCall(office, 'read', { path: '/clients/1042' }, { subject: 'per_erased' })
  await recordCall(office, 'read', { path: '/clients/1042' }, { withFacts: false })
  await recordCall(office, 'read', { path: '/clients/1042' })
  await office.store.transaction((tx) => office.vault.erase(tx, 'per_erased'))
  const report = await tried(office, NO_1042)
  assert.deepEqual(report.unreplayable, { no_facts: 1, erased: 1 })
  assert.deepEqual([report.calls, report.replayed, report.flips], [3, 1, 1])
})

test('only the last calls are looked at', async (t) => {
  const office = await opened(t)
  await recordCall(office, 'write', { path: '/a' })
  await recordCall(office, 'read', { path: '/a' })
  const report = await tried(office, NO_WRITES, 1)
  assert.deepEqual([report.calls, report.flips], [1, 0])
})

test('a candidate that permits more says so even where no call would show it', async (t) => {
  const office = await opened(t)
  must(await activatePolicies({ agent: NO_WRITES }, testActor, office))
  const report = await tried(office, ALL)
  assert.deepEqual(report.widening, ['`agent`: the forbid `no-writes` would be gone'])
  assert.deepEqual(
    report.newlyPermitted.map(({ because, sentence }) => [because, sentence]),
    [
      [
        '`agent`: the forbid `no-writes` would be gone',
        'another-kind for somebody, another-server tools/call:another_tool; class: write',
      ],
    ],
  )
  assert.ok(report.tried > 0)
})
