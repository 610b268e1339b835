import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import type { Subject } from '../audit/entry.ts'
import { testActor } from '../audit/testing.ts'
import { must, type Result } from '../base/result.ts'
import type { Agent } from '../identity/agent.ts'
import { migrations as identity } from '../identity/migrations.ts'
import { testAgent } from '../identity/testing.ts'
import { parseTrustDomain, type TrustDomain } from '../identity/spiffe-id.ts'
import { removeMember } from '../people/membership.ts'
import type { Group, Person } from '../people/person.ts'
import { assignManager, deactivatePerson, reactivatePerson } from '../people/person-state.ts'
import { addTestGroup, addTestPerson, entriesFrom, openTestPeople } from '../people/testing.ts'
import { logSize } from '../store/changes.ts'
import { writeOwner } from './accountability-store.ts'
import { assignOwner } from './assign-owner.ts'
import { migrations } from './migrations.ts'
import type { Owned, Owner } from './owner.ts'
import { resolve } from './resolve.ts'
import { setOverride, setRotation } from './set-rotation.ts'
import { NOBODY_ANSWERS, suspendUnowned } from './suspend-unowned.ts'

type Env = Awaited<ReturnType<typeof openTestPeople>> & { trustDomain: TrustDomain }

interface Office extends Env {
  readonly agent: Agent
  readonly alice: Person
  readonly paul: Person
  readonly sam: Person
  readonly partners: Group
}

const ARCHETYPE = 'archetype:tax-preparer'

/** An agent that nobody owns; partners Paul and Sam on a weekly rotation, Paul first; Alice beside them. */
async function office(t: TestContext): Promise<Office> {
  const people = await openTestPeople(t, [...identity, ...migrations])
  const env = { ...people, trustDomain: must(parseTrustDomain('acme.example')) }
  const [alice, paul, sam] = [
    await addTestPerson('alice', env),
    await addTestPerson('paul', env),
    await addTestPerson('sam', env),
  ]
  const partners = await addTestGroup('partners', [paul, sam], env)
  const rotation = {
    members: [paul.id, sam.id],
    start: '2026-01-01T00:00',
    timeZone: 'UTC',
    shift: 'P1W',
  }
  must(await setRotation({ group: partners.id, rotation }, testActor, env))
  return { ...env, agent: await testAgent(env), alice, paul, sam, partners }
}

async function own(owned: Owned, owner: Owner | null, env: Env): Promise<string | undefined> {
  return reasonOf(await assignOwner({ owned, owner }, testActor, env))
}

function reasonOf(result: Result<unknown>): string | undefined {
  return result.ok ? undefined : result.error.reason
}

/** The path as `via subject …`, or the refusal. */
async function answering(owned: Owned, env: Env): Promise<readonly Subject[] | string> {
  const result = await env.store.snapshot(
    async (tx) => await resolve(tx, owned, env.clock.nowMilliseconds()),
  )
  if (!result.ok) return result.error.reason
  const { accountable, relied } = result.value
  const path = accountable.path.map(({ via, subject }) => `${via} ${subject}`)
  assert.equal(accountable.path.at(-1)?.subject, accountable.person)
  for (const { subject } of accountable.path) assert.ok(relied.includes(subject))
  return path
}

async function deactivate(person: Person, env: Env): Promise<void> {
  must(await deactivatePerson({ person: person.id }, testActor, env))
}

const WEEK = 7 * 86_400_000

test('an agent’s owner answers before its archetype’s', async (t) => {
  const env = await office(t)
  const { agent, alice, paul } = env
  assert.equal(await answering(agent.id, env), 'nobody_accountable')
  await own(ARCHETYPE, paul.id, env)
  assert.deepEqual(await answering(agent.id, env), [
    `agent ${agent.id}`,
    `archetype ${ARCHETYPE}`,
    `person ${paul.id}`,
  ])
  await own(agent.id, alice.id, env)
  assert.deepEqual(await answering(agent.id, env), [`agent ${agent.id}`, `person ${alice.id}`])
  // The agent's own owner answers to nobody: the archetype's is asked.
  await deactivate(alice, env)
  assert.deepEqual(await answering(agent.id, env), [
    `agent ${agent.id}`,
    `archetype ${ARCHETYPE}`,
    `person ${paul.id}`,
  ])
  await own(ARCHETYPE, null, env)
  assert.equal(await answering(agent.id, env), 'nobody_accountable')
})

test('a group answers by its rotation, which changes at the hand-over', async (t) => {
  const env = await office(t)
  const { agent, paul, sam, partners } = env
  await own(ARCHETYPE, partners.id, env)
  const path = (person: Person): string[] => [
    `agent ${agent.id}`,
    `archetype ${ARCHETYPE}`,
    `rotation ${partners.id}`,
    `person ${person.id}`,
  ]
  assert.deepEqual(await answering(agent.id, env), path(paul))
  await env.clock.advance(WEEK - 1)
  assert.deepEqual(await answering(agent.id, env), path(paul))
  await env.clock.advance(1)
  assert.deepEqual(await answering(agent.id, env), path(sam))
})

test('a rotation skips who is inactive or left the group', async (t) => {
  const env = await office(t)
  const { paul, sam, partners } = env
  await own(ARCHETYPE, partners.id, env)
  const answers = async (): Promise<string> => String((await answering(ARCHETYPE, env)).at(-1))
  await deactivate(paul, env)
  assert.equal(await answers(), `person ${sam.id}`)
  must(await reactivatePerson({ person: 'paul' }, testActor, env))
  assert.equal(await answers(), `person ${paul.id}`)
  must(await removeMember({ group: 'partners', person: 'paul' }, testActor, env))
  assert.equal(await answers(), `person ${sam.id}`)
  await deactivate(sam, env)
  assert.equal(await answering(ARCHETYPE, env), 'nobody_accountable')
  // Who may take no turn any more can still be the group's owner.
  await own(partners.id, paul.id, env)
  assert.deepEqual(await answering(ARCHETYPE, env), [
    `archetype ${ARCHETYPE}`,
    `rotation ${partners.id}`,
    `person ${paul.id}`,
  ])
})

test('an override counts while it lasts, the last one set first, if its person can', async (t) => {
  const env = await office(t)
  const { paul, sam, partners } = env
  await own(ARCHETYPE, partners.id, env)
  const now = env.clock.nowMilliseconds() / 1000
  const override = async (person: Person, from: number, until: number): Promise<unknown> =>
    reasonOf(
      await setOverride({ group: partners.id, person: person.id, from, until }, testActor, env),
    )
  const answers = async (): Promise<string> => String((await answering(ARCHETYPE, env)).at(-1))
  assert.equal(await override(sam, now, now + 100), undefined)
  assert.equal(await answers(), `person ${sam.id}`)
  assert.equal(await override(paul, now, now + 50), undefined)
  assert.equal(await answers(), `person ${paul.id}`)
  await env.clock.advance(50_000)
  assert.equal(await answers(), `person ${sam.id}`)
  await deactivate(sam, env)
  assert.equal(await answers(), `person ${paul.id}`)
  must(await reactivatePerson({ person: 'sam' }, testActor, env))
  await env.clock.advance(50_000)
  assert.equal(await answers(), `person ${paul.id}`)

  assert.equal(await override(env.alice, now, now + 1_000), 'not_a_member')
  assert.equal(await override(sam, now, now), 'bad_period')
  assert.equal(await override(sam, now - 10, now), 'bad_period')
  assert.equal(await override(sam, now, now + 1e9), 'bad_period')
  assert.equal(await override(sam, now, Number.NaN), 'bad_period')
  await deactivate(sam, env)
  assert.equal(await override(sam, now, now + 1_000), 'person_inactive')
})

test('an inactive person’s managers answer, upward', async (t) => {
  const env = await office(t)
  const { alice, paul, sam } = env
  must(await assignManager({ person: 'alice', manager: 'paul' }, testActor, env))
  must(await assignManager({ person: 'paul', manager: 'sam' }, testActor, env))
  await own(ARCHETYPE, alice.id, env)
  await deactivate(alice, env)
  await deactivate(paul, env)
  assert.deepEqual(await answering(ARCHETYPE, env), [
    `archetype ${ARCHETYPE}`,
    `person ${alice.id}`,
    `manager ${paul.id}`,
    `manager ${sam.id}`,
  ])
  await deactivate(sam, env)
  assert.equal(await answering(ARCHETYPE, env), 'nobody_accountable')
})

test('circles and endless chains end, and answer to nobody', async (t) => {
  const env = await office(t)
  const { partners } = env
  const empty = await addTestGroup('empty', [], env)
  await own(partners.id, empty.id, env)
  assert.equal(await own(empty.id, partners.id, env), 'owner_circle')
  assert.equal(await own(empty.id, empty.id, env), 'owner_circle')

  must(await setRotation({ group: partners.id, rotation: null }, testActor, env))
  // Two assignments at once could have closed the circle: here both are written past the check.
  await env.store.transaction(async (tx) => await writeOwner(tx, empty.id, partners.id))
  assert.equal(await answering(partners.id, env), 'nobody_accountable')

  const groups: Group[] = []
  for (let i = 0; i < 25; i++) groups.push(await addTestGroup(`chain-${i}`, [], env))
  await env.store.transaction(async (tx) => {
    for (const [i, group] of groups.entries()) {
      await writeOwner(tx, group.id, groups[i + 1]?.id ?? env.alice.id)
    }
  })
  assert.equal(await answering(groups[0]?.id ?? 'grp_', env), 'nobody_accountable')
  assert.equal((await answering(groups[7]?.id ?? 'grp_', env)).length, 19)
})

test('relied names what could change the answer, and only that', async (t) => {
  const env = await office(t)
  const { agent, alice, paul, sam, partners } = env
  await own(agent.id, alice.id, env)
  await own(ARCHETYPE, partners.id, env)
  await deactivate(alice, env)
  await deactivate(paul, env)
  const relied = await env.store.snapshot(async (tx) => {
    const { relied: subjects } = must(await resolve(tx, agent.id, env.clock.nowMilliseconds()))
    return subjects
  })
  assert.deepEqual(relied, [agent.id, alice.id, ARCHETYPE, partners.id, paul.id, sam.id])
})

test('owners exist and are active; changes are on record and touch what is owned', async (t) => {
  const env = await office(t)
  const { agent, alice, paul, partners } = env
  await deactivate(alice, env)
  for (const [want, owned, owner] of [
    ['unknown_owned', 'agt_00000000-0000-4000-8000-000000000000', paul.id],
    ['unknown_owned', 'archetype:nothing', paul.id],
    ['unknown_owned', 'grp_00000000000000000000000000', paul.id],
    ['unknown_owner', agent.id, 'per_00000000000000000000000000'],
    ['unknown_owner', agent.id, 'grp_00000000000000000000000000'],
    ['owner_inactive', agent.id, alice.id],
  ] as const) {
    assert.equal(await own(owned, owner, env), want)
  }
  const first = await env.store.snapshot(logSize)
  await own(agent.id, partners.id, env)
  const time = env.clock.nowMilliseconds()
  assert.deepEqual(await entriesFrom(first, env.store), [
    {
      v: 1,
      kind: 'owner_assigned',
      time,
      by: testActor,
      touches: [agent.id],
      owned: agent.id,
      owner: partners.id,
    },
  ])
})

test('only members take turns', async (t) => {
  const env = await office(t)
  const rotation = { start: '2026-01-01', timeZone: 'UTC', shift: 'P1D' }
  for (const [want, group, members] of [
    ['not_a_member', env.partners.id, [env.paul.id, env.alice.id]],
    ['unknown_group', 'grp_00000000000000000000000000', [env.paul.id]],
    ['bad_members', env.partners.id, []],
  ] as const) {
    const request = { group, rotation: { ...rotation, members } }
    assert.equal(reasonOf(await setRotation(request, testActor, env)), want)
  }
})

test('agents of nobody are suspended until somebody answers, others are left alone', async (t) => {
  const env = await office(t)
  const { agent, alice, paul } = env
  await own(ARCHETYPE, paul.id, env)
  const alices = await testAgent(env)
  await own(alices.id, alice.id, env)
  const orphan = await testAgent(env, { archetype: 'orphan' })

  assert.deepEqual(await suspendUnowned(env), { suspended: 1, resumed: 0 })
  assert.deepEqual(await suspendUnowned(env), { suspended: 0, resumed: 0 })
  await deactivate(paul, env)
  assert.deepEqual(await suspendUnowned(env), { suspended: 1, resumed: 0 })
  const first = await env.store.snapshot(logSize)
  await own('archetype:orphan', alice.id, env)
  assert.deepEqual(await suspendUnowned(env), { suspended: 0, resumed: 1 })
  await deactivate(alice, env)
  assert.deepEqual(await suspendUnowned(env), { suspended: 2, resumed: 0 })
  const kinds = (await entriesFrom(first, env.store)).flatMap((entry) =>
    entry.kind === 'agent_suspended' || entry.kind === 'agent_resumed'
      ? [[entry.kind, entry.agent, 'reason' in entry ? entry.reason : undefined]]
      : [],
  )
  assert.deepEqual(kinds[0], ['agent_resumed', orphan.id, undefined])
  assert.deepEqual(
    new Set(kinds.slice(1).map(String)),
    new Set([alices.id, orphan.id].map((id) => String(['agent_suspended', id, NOBODY_ANSWERS]))),
  )
  assert.ok(!kinds.some(([, id]) => id === agent.id))
})
