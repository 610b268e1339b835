import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { sql } from 'kysely'
import { testActor } from '../audit/testing.ts'
import { must } from '../base/result.ts'
import { silentDiagnostics } from '../base/diagnostics.ts'
import { openTestOffice, type TestOffice } from '../delegation/testing.ts'
import { addMember, removeMember } from '../people/membership.ts'
import { deactivatePerson } from '../people/person-state.ts'
import type { Session } from '../people/session.ts'
import { addTestPerson, entriesFrom, signInTestPerson } from '../people/testing.ts'
import { activate, activateAlone, activateDefaults, rollBack } from './activate.ts'
import { currentPolicies, currentSources } from './current.ts'
import { dryRun } from './dry-run.ts'
import { migrations } from './migrations.ts'
import { propose } from './propose.ts'
import { review } from './review.ts'
import { setMode } from './single-operator.ts'
import { defaultPolicies } from './sources.ts'
import type { PolicyVersion } from './version.ts'

const WIDE = '@id("a") permit (principal, action, resource);'
const NARROW =
  '@id("a") permit (principal, action, resource); @id("no") forbid (principal, action, resource) when { resource has uri };'

interface Office extends TestOffice {
  readonly diagnostics: typeof silentDiagnostics
  readonly bea: Session
}

/** An office with the product's policies in force; Ada administers, Bea does not yet. */
async function opened(t: TestContext): Promise<Office> {
  const office = await openTestOffice(t, migrations)
  await activateDefaults(office)
  await addTestPerson('bea', office)
  const bea = (await signInTestPerson('bea', office)).session
  return { ...office, diagnostics: silentDiagnostics, bea }
}

async function withTwo(t: TestContext): Promise<Office> {
  const office = await opened(t)
  must(await addMember({ group: 'administrators', person: 'bea' }, testActor, office))
  return office
}

async function proposed(office: Office, agent = WIDE): Promise<PolicyVersion> {
  return must(await propose({ sets: { agent }, summary: 'why not' }, office.ada, office))
}

async function reviewed(office: Office, agent = WIDE): Promise<PolicyVersion> {
  const version = await proposed(office, agent)
  const { digest } = must(await dryRun({ policy: version.id }, office.ada, office))
  const judgement = { policy: version.id, decision: 'accepted', report: digest } as const
  must(await review(judgement, office.bea, office))
  return version
}

const refusedAs = (result: { ok: boolean; error?: { reason: string } }): string | undefined =>
  result.ok ? undefined : result.error?.reason

const inForce = async (office: Office): Promise<string> => (await currentPolicies(office)).version

test('before an activation nothing is decided', async (t) => {
  const office = await openTestOffice(t, migrations)
  await assert.rejects(currentPolicies(office), /expected policies in force, got none/)
})

test('the product brings policies of its own, once; a start signs them again and says nothing', async (t) => {
  const office = await opened(t)
  const before = await inForce(office)
  const entries = await entriesFrom(0, office.store)
  await activateDefaults(office)
  assert.equal(await inForce(office), before)
  assert.deepEqual(await entriesFrom(0, office.store), entries)
  const now = await office.store.snapshot((tx) => currentSources(tx, office))
  assert.deepEqual(now.sets, await defaultPolicies())
})

test('proposed, tried, reviewed by another, activated: each step is in the log', async (t) => {
  const office = await withTwo(t)
  const previous = await inForce(office)
  const first = (await entriesFrom(0, office.store)).length
  const version = await reviewed(office)
  assert.equal(await inForce(office), previous, 'nothing changed yet')
  must(await activate({ policy: version.id }, office.ada, office))
  assert.equal(await inForce(office), version.version)
  const entries = await entriesFrom(first, office.store)
  assert.deepEqual(
    entries.map(({ kind }) => kind),
    ['policy_proposed', 'policy_dry_run', 'policy_reviewed', 'policy_activated'],
  )
  const { by, time: _time, ...last } = entries.at(-1) ?? { by: undefined, time: 0 }
  assert.equal(by?.type === 'person' ? by.person : '', office.ada.person)
  assert.deepEqual(last, {
    v: 1,
    kind: 'policy_activated',
    version: version.version,
    sets: version.sets,
    policy: version.id,
    mode: 'dual',
    authorizedBy: [office.ada.person, office.bea.person],
    previous,
    touches: ['policy'],
  })
})

test('nobody reviews what they proposed', async (t) => {
  const office = await withTwo(t)
  const { id: policy } = await proposed(office)
  const { digest: report } = must(await dryRun({ policy }, office.ada, office))
  const own = await review({ policy, decision: 'accepted', report }, office.ada, office)
  assert.equal(refusedAs(own), 'own_proposal')
  assert.equal(refusedAs(await activate({ policy }, office.ada, office)), 'review_required')
  assert.equal(refusedAs(await activate({ policy }, office.bea, office)), 'review_required')
})

test('a review is given once, and to accept takes the last dry-run', async (t) => {
  const office = await withTwo(t)
  const { id: policy } = await proposed(office)
  const blind = await review({ policy, decision: 'accepted' }, office.bea, office)
  assert.equal(refusedAs(blind), 'dry_run_required')
  must(await review({ policy, decision: 'refused', reason: 'too wide' }, office.bea, office))
  const { digest: report } = must(await dryRun({ policy }, office.ada, office))
  const again = await review({ policy, decision: 'accepted', report }, office.bea, office)
  assert.equal(refusedAs(again), 'already_reviewed')
  assert.equal(refusedAs(await activate({ policy }, office.ada, office)), 'review_refused')
})

test('what was reviewed does not outlive its base, nor its reviewer', async (t) => {
  const office = await withTwo(t)
  const stale = await reviewed(office)
  const other = await reviewed(office, NARROW)
  must(await activate({ policy: other.id }, office.bea, office))
  assert.equal(refusedAs(await activate({ policy: stale.id }, office.ada, office)), 'base_changed')
  const orphan = await reviewed(office)
  must(await deactivatePerson({ person: office.bea.person }, testActor, office))
  must(await removeMember({ group: 'administrators', person: 'bea' }, testActor, office))
  const lone = await activate({ policy: orphan.id }, office.ada, office)
  assert.equal(refusedAs(lone), 'review_required')
})

test('a version that does not compile or fails its tests is not even proposed', async (t) => {
  const office = await withTwo(t)
  const invalid = await propose({ sets: { agent: 'permit' }, summary: 'x' }, office.ada, office)
  assert.equal(refusedAs(invalid), 'invalid_policies')
  const tests = {
    'a.test.json': JSON.stringify({
      tests: [{ name: 'nobody reads', when: { tool: 'documents/read' }, expect: 'permit' }],
    }),
  }
  const failing = await propose({ sets: {}, tests, summary: 'x' }, office.ada, office)
  assert.deepEqual(failing, {
    ok: false,
    error: {
      reason: 'policy_tests_failed',
      message:
        'expected the tests of the policies to pass, got: a.test.json: `nobody reads`: expected permit, got deny by agent (not_permitted) by no policy',
      problems: [
        'a.test.json: `nobody reads`: expected permit, got deny by agent (not_permitted) by no policy',
      ],
    },
  })
  const old = { sets: {}, summary: 'x', base: `sha256:${'0'.repeat(64)}` }
  assert.equal(refusedAs(await propose(old, office.ada, office)), 'base_changed')
})

test('the first policies of an office of one need nobody else; the next do', async (t) => {
  const office = await opened(t)
  must(await activateAlone({ sets: { agent: WIDE }, summary: 'first' }, office.ada, office))
  const again = { sets: { agent: NARROW }, summary: 'second' }
  assert.equal(refusedAs(await activateAlone(again, office.ada, office)), 'review_required')
  const same = await activateAlone({ sets: { agent: WIDE }, summary: 'same' }, office.ada, office)
  assert.equal(same.ok, true, 'what is in force already is no change')
})

test('the first policies need a second person where there is one', async (t) => {
  const office = await withTwo(t)
  const first = { sets: { agent: WIDE }, summary: 'first' }
  assert.equal(refusedAs(await activateAlone(first, office.ada, office)), 'review_required')
})

test('a single operator says so, and is one only while nobody else could review', async (t) => {
  const office = await opened(t)
  must(await activateAlone({ sets: { agent: WIDE }, summary: 'first' }, office.ada, office))
  must(await setMode({ mode: 'single_operator' }, office.ada, office))
  must(await activateAlone({ sets: { agent: NARROW }, summary: 'second' }, office.ada, office))
  const entries = await entriesFrom(0, office.store)
  assert.deepEqual(
    entries.flatMap((entry) =>
      entry.kind === 'policy_activated' || entry.kind === 'policy_mode_set' ? [entry.mode] : [],
    ),
    ['default', 'first', 'single_operator', 'single_operator'],
  )
  must(await addMember({ group: 'administrators', person: 'bea' }, testActor, office))
  const third = { sets: { agent: WIDE }, summary: 'third' }
  assert.equal(refusedAs(await activateAlone(third, office.ada, office)), 'review_required')
  const on = await setMode({ mode: 'single_operator' }, office.ada, office)
  assert.equal(refusedAs(on), 'others_may_review')
})

test('a rollback to narrower policies is at once, to wider ones it waits for a second person', async (t) => {
  const office = await withTwo(t)
  const narrow = await reviewed(office, NARROW)
  must(await activate({ policy: narrow.id }, office.ada, office))
  const wide = await reviewed(office, WIDE)
  must(await activate({ policy: wide.id }, office.ada, office))
  const back = must(await rollBack({ policy: narrow.id }, office.ada, office))
  assert.equal(back.state, 'active')
  assert.equal(await inForce(office), narrow.version)
  const wider = must(await rollBack({ policy: wide.id }, office.ada, office))
  assert.equal(wider.state, 'proposed')
  assert.deepEqual(wider.state === 'proposed' && wider.because, [
    '`agent`: the forbid `no` would be gone',
  ])
  assert.equal(await inForce(office), narrow.version)
  assert.equal(
    refusedAs(await activate({ policy: wider.version.id }, office.ada, office)),
    'dry_run_required',
  )
  const never = await proposed(office)
  assert.equal(
    refusedAs(await rollBack({ policy: never.id }, office.ada, office)),
    'unknown_policy',
  )
})

const TAMPERING: readonly (readonly [
  name: string,
  change: (office: Office) => Promise<unknown>,
])[] = [
  [
    'an activation that nobody signed',
    async ({ store }) => await sql`update policy_in_force set activation = 'x'`.execute(store.db),
  ],
  [
    'an older activation put back',
    async ({ store }) =>
      await sql`update policy_in_force i set version = v.version, sets = v.sets, policy = v.id,
          activation = a.signed from policy_activation a join policy_version v on v.id = a.policy
          where a.number = 1`.execute(store.db),
  ],
  [
    'another text under a digest',
    async ({ store }) => await sql`update policy_text set text = text || ' '`.execute(store.db),
  ],
]

for (const [name, change] of TAMPERING) {
  test(`${name}: nothing is decided`, async (t) => {
    const office = await withTwo(t)
    const version = await reviewed(office)
    must(await activate({ policy: version.id }, office.ada, office))
    await change(office)
    await assert.rejects(office.store.snapshot((tx) => currentSources(tx, office)))
    if (name !== 'another text under a digest') await assert.rejects(currentPolicies(office))
  })
}

test('replicas that activate at the same moment agree on one', async (t) => {
  const office = await withTwo(t)
  const versions = [await reviewed(office, WIDE), await reviewed(office, NARROW)]
  const done = await Promise.all(
    versions.map(({ id }) => activate({ policy: id }, office.ada, office)),
  )
  assert.deepEqual(done.map((one) => refusedAs(one) ?? 'ok').toSorted(), ['base_changed', 'ok'])
})

const KEPT = {
  'kept.property.json': JSON.stringify({
    name: 'nobody pays for strangers',
    where: { class: 'money', group: null },
    never: 'step_up',
  }),
}

/** Sessions of the database that wait for the row of what is in force. */
async function waiting({ store }: Office): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(*)::int as count from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock'`.execute(store.db)
  return rows[0]?.count ?? 0
}

test('what is tried is tried before the lock: two that race both try, one is activated', async (t) => {
  const office = await withTwo(t)
  const versions: PolicyVersion[] = []
  for (const agent of [WIDE, NARROW]) {
    const proposal = { sets: { agent }, tests: KEPT, summary: 'kept' }
    const version = must(await propose(proposal, office.ada, office))
    const { digest, report } = must(await dryRun({ policy: version.id }, office.ada, office))
    const [kept] = report.properties
    assert.deepEqual(
      [kept?.name, kept?.exhaustive, kept?.tried === kept?.of],
      ['nobody pays for strangers', true, true],
    )
    const judgement = { policy: version.id, decision: 'accepted', report: digest } as const
    must(await review(judgement, office.bea, office))
    versions.push(version)
  }
  const { both: racing } = await office.store.transaction(async (tx) => {
    await sql`select 1 from policy_in_force for update`.execute(tx)
    const both = versions.map(({ id }) => activate({ policy: id }, office.ada, office))
    // While somebody else holds the row, each has tried its version and waits.
    while ((await waiting(office)) < both.length) await new Promise(setImmediate)
    return { both }
  })
  const done = await Promise.all(racing)
  assert.deepEqual(done.map((one) => refusedAs(one) ?? 'ok').toSorted(), ['base_changed', 'ok'])
})

test('what is activated is what was tried: a version that changed meanwhile is not', async (t) => {
  const office = await withTwo(t)
  const version = await reviewed(office)
  const racing = await office.store.transaction(async (tx) => {
    await sql`select 1 from policy_in_force for update`.execute(tx)
    const one = activate({ policy: version.id }, office.ada, office)
    void one.catch(() => undefined)
    while ((await waiting(office)) < 1) await new Promise(setImmediate)
    await sql`update policy_version set tests = '{"a.test.json":"{}"}' where id = ${version.id}`.execute(
      tx,
    )
    return { one }
  })
  await assert.rejects(racing.one, /is not as it was signed/)
  assert.notEqual(await inForce(office), version.version)
})

test('what came into force while a version was tried makes it be proposed again', async (t) => {
  const office = await withTwo(t)
  const other = await reviewed(office, NARROW)
  const proposing = propose(
    { sets: { agent: WIDE }, tests: KEPT, summary: 'kept' },
    office.ada,
    office,
  )
  must(await activate({ policy: other.id }, office.ada, office))
  assert.equal(refusedAs(await proposing), 'base_changed')
})
