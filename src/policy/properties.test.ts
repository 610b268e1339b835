import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { testActor } from '../audit/testing.ts'
import { silentDiagnostics } from '../base/diagnostics.ts'
import { must } from '../base/result.ts'
import { openTestOffice, type TestOffice } from '../delegation/testing.ts'
import { addMember } from '../people/membership.ts'
import type { Session } from '../people/session.ts'
import { addTestPerson, signInTestPerson } from '../people/testing.ts'
import { activate, activateDefaults, rollBack } from './activate.ts'
import { dryRun, type DryRunReport } from './dry-run.ts'
import { migrations } from './migrations.ts'
import { propose } from './propose.ts'
import { review } from './review.ts'
import type { TestTexts } from './version.ts'

const ALL = '@id("all") permit (principal, action, resource);'
const READS = '@id("reads") permit (principal, action, resource in ToolClass::"read");'
const NOTHING = '@id("none") forbid (principal, action, resource);'
const NOBODY_WRITES = {
  'writes.property.json': JSON.stringify({ name: 'nobody writes', where: { class: 'write' } }),
}
const LOST = 'the property `nobody writes` would no longer be checked'

type Office = TestOffice & { readonly diagnostics: typeof silentDiagnostics; readonly bea: Session }

async function opened(t: TestContext): Promise<Office> {
  const office = await openTestOffice(t, migrations)
  await activateDefaults(office)
  await addTestPerson('bea', office)
  must(await addMember({ group: 'administrators', person: 'bea' }, testActor, office))
  const bea = (await signInTestPerson('bea', office)).session
  return { ...office, diagnostics: silentDiagnostics, bea }
}

const proposed = (office: Office, agent: string, tests?: TestTexts) =>
  propose(
    { sets: { agent, person: ALL }, summary: 'why not', ...(tests !== undefined && { tests }) },
    office.ada,
    office,
  )

/** Puts a version in force as two people do, and says what its dry-run said. */
async function published(
  office: Office,
  agent: string,
  tests?: TestTexts,
): Promise<{ policy: string; report: DryRunReport }> {
  const { id: policy } = must(await proposed(office, agent, tests))
  const { digest, report } = must(await dryRun({ policy }, office.ada, office))
  const judgement = { policy, decision: 'accepted', report: digest } as const
  must(await review(judgement, office.bea, office))
  must(await activate({ policy }, office.ada, office))
  return { policy, report }
}

test('a version that breaks a property of those in force is not even proposed', async (t) => {
  const office = await opened(t)
  await published(office, READS, NOBODY_WRITES)
  const broken = await proposed(office, ALL)
  const call = 'another-kind for somebody, another-server tools/call:another_tool; class: write'
  const problem = `writes.property.json: \`nobody writes\` does not hold: ${call}`
  assert.deepEqual(broken.ok ? undefined : broken.error, {
    reason: 'policy_property_broken',
    message: `expected the properties of the policies to hold, got: ${problem}`,
    problems: [problem],
  })
})

test('a version that drops a property says so to whoever reviews it', async (t) => {
  const office = await opened(t)
  const first = await published(office, READS, NOBODY_WRITES)
  assert.equal(first.report.widening.includes(LOST), false)
  const second = await published(office, READS, {})
  assert.deepEqual([second.report.widening, second.report.newlyPermitted], [[LOST], []])
})

test('a rollback that loses a property waits for a second person, though it permits no more', async (t) => {
  const office = await opened(t)
  const narrow = await published(office, NOTHING)
  await published(office, READS, NOBODY_WRITES)
  const back = must(await rollBack({ policy: narrow.policy }, office.ada, office))
  assert.deepEqual(back.state === 'proposed' && back.because, [LOST])
})
