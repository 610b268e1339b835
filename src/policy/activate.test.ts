import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sql } from 'kysely'
import { migrations as auditMigrations } from '../audit/migrations.ts'
import { decodeEntry, type Entry } from '../audit/entry.ts'
import { FakeClock } from '../base/clock.ts'
import { must } from '../base/result.ts'
import type { Store } from '../store/store.ts'
import { testStore } from '../store/testing.ts'
import { activateDefaults, activatePolicies } from './activate.ts'
import { currentPolicies, currentPoliciesIn, currentSources } from './current.ts'
import { migrations } from './migrations.ts'
import { defaultPolicies } from './sources.ts'

const by = { type: 'person', person: 'per_1', presence: 'session' } as const
const AGENT = '@id("a") permit (principal, action, resource);'
const OTHER = '@id("b") permit (principal, action, resource);'

async function opened(
  t: Parameters<typeof testStore>[0],
): Promise<{ store: Store; clock: FakeClock }> {
  return { store: await testStore(t, [...auditMigrations, ...migrations]), clock: new FakeClock() }
}

async function entries(store: Store): Promise<Entry[]> {
  const { rows } = await sql<{ entry: Buffer }>`select entry from log_entry order by index`.execute(
    store.db,
  )
  return rows.map(({ entry }) => decodeEntry(entry))
}

test('before an activation nothing is decided', async (t) => {
  const env = await opened(t)
  await assert.rejects(currentPolicies(env), /expected policies in force, got none/)
  await assert.rejects(
    env.store.transaction(currentSources),
    /expected policies in force, got none/,
  )
})

test('the product brings policies of its own, once', async (t) => {
  const env = await opened(t)
  await activateDefaults(env)
  await activateDefaults(env)
  const { version } = await currentPolicies(env)
  assert.deepEqual(await env.store.transaction(currentSources), {
    version,
    sets: await defaultPolicies(),
  })
  assert.equal((await entries(env.store)).length, 1)
})

test('an activation is recorded with the digests of its sets, and touches `policy`', async (t) => {
  const env = await opened(t)
  const sets = must(await activatePolicies({ agent: AGENT }, by, env))
  assert.deepEqual(await entries(env.store), [
    {
      v: 1,
      kind: 'policy_activated',
      time: env.clock.nowMilliseconds(),
      by,
      version: sets.version,
      sets: {
        agent: sets.agent.version,
        person: sets.person.version,
        intent: sets.intent.version,
        guardrail: sets.guardrail.version,
        administration: sets.administration.version,
      },
      touches: ['policy'],
    },
  ])
})

test('sets that are left out stay; an earlier version can come back', async (t) => {
  const env = await opened(t)
  const first = must(await activatePolicies({ agent: AGENT }, by, env))
  const second = must(await activatePolicies({ person: AGENT }, by, env))
  assert.equal(second.agent.version, first.agent.version)
  assert.notEqual(second.version, first.version)
  assert.equal((await currentPolicies(env)).version, second.version)
  const { person } = await defaultPolicies()
  const third = must(await activatePolicies({ person }, by, env))
  assert.equal(third.version, first.version)
  assert.equal((await currentPolicies(env)).version, first.version)
  assert.equal((await entries(env.store)).length, 3)
})

test('what is in force already is not recorded again', async (t) => {
  const env = await opened(t)
  await activatePolicies({ agent: AGENT }, by, env)
  must(await activatePolicies({ agent: AGENT }, by, env))
  must(await activatePolicies({}, by, env))
  assert.equal((await entries(env.store)).length, 1)
})

test('one bad set changes nothing', async (t) => {
  const env = await opened(t)
  const before = must(await activatePolicies({ agent: AGENT }, by, env))
  const refused = await activatePolicies(
    { agent: OTHER, person: 'permit (principal, action, resource);' },
    by,
    env,
  )
  assert(!refused.ok)
  assert.deepEqual(refused.error.problems, [
    'person: ``: expected an @id of lower case letters, digits and `._/-`',
  ])
  assert.equal((await currentPolicies(env)).version, before.version)
  assert.equal((await entries(env.store)).length, 1)
})

test('activations at once follow each other: no set is lost', async (t) => {
  const env = await opened(t)
  await activateDefaults(env)
  const sets = ['agent', 'person', 'guardrail'] as const
  await Promise.all(sets.map((name) => activatePolicies({ [name]: AGENT }, by, env)))
  const { sets: texts } = await env.store.transaction(currentSources)
  for (const name of sets) assert.equal(texts[name], AGENT)
  assert.equal((await entries(env.store)).length, 4)
})

test('a transaction sees the policies of its own snapshot', async (t) => {
  const env = await opened(t)
  const before = must(await activatePolicies({ agent: AGENT }, by, env))
  await env.store.snapshot(async (tx) => {
    assert.equal((await currentPoliciesIn(tx)).version, before.version)
    await activatePolicies({ agent: OTHER }, by, env)
    assert.equal((await currentPoliciesIn(tx)).version, before.version)
  })
  assert.notEqual((await currentPolicies(env)).version, before.version)
})

test('a text that was changed behind our back is a fault', async (t) => {
  const env = await opened(t)
  // A text that no other test compiles: what was compiled once is not read again.
  await activatePolicies({ agent: `${AGENT} // tampered with below` }, by, env)
  await sql`update policy_text set text = ${OTHER} where text like '%tampered%'`.execute(
    env.store.db,
  )
  await assert.rejects(
    currentPolicies(env),
    /expected the text of policy set `agent` under `sha256:/,
  )
})
