/**
 * The database fails at each write of a call: once it is lost, once it was kept and nobody was told. Then
 * everything is read again: nothing is half-written, nothing was made that is not recorded, nothing twice.
 */

import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { sql } from 'kysely'
import type { Approval } from '../approval/approval.ts'
import { allApprovals } from '../approval/approval-store.ts'
import { decideApproval } from '../approval/approve.ts'
import { entriesBetween } from '../audit/queries.ts'
import { testActor } from '../audit/testing.ts'
import { must } from '../base/result.ts'
import { moveStage } from '../delegation/stage.ts'
import { testDelegation } from '../delegation/testing.ts'
import type { Store } from '../store/store.ts'
import { Recovery } from './recover.ts'
import {
  call,
  openTestGateways,
  testCaller,
  type TestCaller,
  type TestGateway,
  type TestGateways,
} from './testing.ts'

type Failure = 'lost' | 'persisted'

/** A database whose transactions can be made to fail, by their number from now on. */
class Failing {
  readonly #planned = new Map<number, Failure>()
  #count = 0

  /** The transaction that comes after `skipped` others fails so. */
  plan(failure: Failure, skipped: number): void {
    this.#planned.set(this.#count + skipped, failure)
  }

  /** Nothing that was planned happens any more. */
  mend(): void {
    this.#planned.clear()
  }

  readonly through = (store: Store): Store => ({
    ...store,
    transaction: async (work) => {
      const failure = this.#planned.get(this.#count++)
      if (failure === undefined) return await store.transaction(work)
      if (failure === 'persisted') await store.transaction(work)
      else {
        await store
          .transaction(async (tx) => {
            await work(tx)
            throw new Rollback()
          })
          .catch((fault: unknown) => assert(fault instanceof Rollback))
      }
      throw Object.assign(new Error('the database went away'), { code: 'ECONNRESET' })
    },
  })
}

class Rollback extends Error {}

interface World {
  readonly failing: Failing
  readonly office: TestGateways
  readonly gateway: TestGateway
  readonly caller: TestCaller
  /** What the log says of calls from now on, one word each. */
  told(): Promise<string[]>
  /** What was debited. */
  used(): Promise<number>
  check(): Promise<void>
  recover(): Promise<number>
  /** Lets a little time pass. */
  tick(): Promise<void>
  /** Lets time pass until `done` is settled. */
  passing<T>(done: Promise<T>): Promise<T>
}

async function openWorld(t: TestContext): Promise<World> {
  const failing = new Failing()
  const office = await openTestGateways(t)
  const gateway = await office.open({ through: failing.through })
  const delegation = await testDelegation(office)
  const caller = testCaller(office.agent, delegation, office)
  await caller.token(gateway)
  const from = await office.store.snapshot(
    async (tx) => (await entriesBetween(tx, { from: 0 })).length,
  )
  const recovery = new Recovery(new Set(['g1']), gateway.env)
  const tick = async (): Promise<void> => {
    await office.clock.advance(100)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  return {
    failing,
    office,
    gateway,
    caller,
    async told() {
      const entries = await entriesBetween(office.store.db, { from })
      return entries.map(({ entry }) =>
        entry.kind === 'call_outcome' ? entry.outcome : entry.kind.replace('call_', ''),
      )
    },
    async used() {
      const { rows } = await sql<{ used: string }>`
        select sum(used)::text as used from delegation_usage`.execute(office.store.db)
      return Number(rows[0]?.used)
    },
    check: () => office.check(),
    recover: () => recovery.sweep(),
    tick,
    async passing(done) {
      const settling = new AbortController()
      const settle = (): void => settling.abort()
      done.then(settle, settle)
      while (!settling.signal.aborted) await tick()
      return await done
    },
  }
}

const READ = ['read', { path: '/clients/1042/w2' }] as const
const FILE = ['file', { client: '1042' }] as const
const STRAY = ['read', { path: '/clients/2077/w2' }] as const

for (const [name, what, skipped, failure, want] of [
  ['an admission is lost', READ, 0, 'lost', { told: [], made: 0, used: 0, after: [] }],
  [
    'an admission is kept, and nobody is told',
    READ,
    0,
    'persisted',
    // Recorded and not made: its use of the limit stays, because nobody can know.
    { told: ['intended'], made: 0, used: 1, after: ['intended', 'unknown'] },
  ],
  ['a refusal is lost', STRAY, 0, 'lost', { told: [], made: 0, used: 0, after: [] }],
  [
    'a refusal is kept, and nobody is told',
    STRAY,
    0,
    'persisted',
    { told: ['refused'], made: 0, used: 0, after: ['refused'] },
  ],
] as const) {
  test(`${name}: the caller learns of a fault, the record is whole`, async (t) => {
    const world = await openWorld(t)
    world.failing.plan(failure, skipped)
    const [tool, args] = what
    await assert.rejects(call(world.gateway, world.caller, tool, args), {
      message: 'the database went away',
    })
    await world.check()
    assert.deepEqual(await world.told(), want.told)
    assert.equal(world.gateway.upstreams.made.length, want.made)
    assert.equal(await world.used(), want.used)
    await world.recover()
    await world.check()
    assert.deepEqual(await world.told(), want.after)
    assert.equal(await world.recover(), 0)
  })
}

for (const [failure, want] of [
  ['lost', { state: 'approved', told: [] }],
  ['persisted', { state: 'consumed', told: ['intended'] }],
] as const) {
  test(`a call on an approval is ${failure}: the approval is ${want.state}`, async (t) => {
    const world = await openWorld(t)
    const { office, gateway, caller } = world
    await moveStage({ delegation: caller.delegation.id, stage: 'draft' }, office.alice, office)
    await call(gateway, caller, ...FILE)
    const state = (): Promise<Approval[]> => office.store.snapshot(allApprovals)
    const [asked] = await state()
    assert(asked !== undefined)
    const { id, shownDigest } = asked
    must(await decideApproval({ id, decision: 'approve', shownDigest }, office.paul, office))
    const before = (await world.told()).length
    world.failing.plan(failure, 0)
    await assert.rejects(call(gateway, caller, ...FILE), { message: 'the database went away' })
    await world.check()
    assert.deepEqual((await world.told()).slice(before), want.told)
    assert.equal((await state())[0]?.state, want.state)
    assert.equal(gateway.upstreams.made.length, 0)
  })
}

for (const failure of ['lost', 'persisted'] as const) {
  test(`an outcome is ${failure}: it is recorded once, and the caller sees it afterwards`, async (t) => {
    const world = await openWorld(t)
    world.failing.plan(failure, 1)
    const calling = call(world.gateway, world.caller, ...READ)
    const { answer } = await world.passing(calling)
    assert.equal('result' in answer, true, JSON.stringify(answer))
    assert.deepEqual(await world.told(), ['intended', 'ok'])
    assert.equal(world.gateway.upstreams.made.length, 1)
    assert.equal(await world.recover(), 0)
    await world.check()
  })
}

test('an outcome that cannot be recorded for long: its caller is told unknown, and it is kept', async (t) => {
  const world = await openWorld(t)
  for (let i = 1; i < 8; i++) world.failing.plan('lost', i)
  const { answer } = await world.passing(call(world.gateway, world.caller, ...READ))
  assert.deepEqual(answer['error'], {
    code: -32_008,
    message: 'the outcome is unknown; the call is not repeated',
  })
  assert.deepEqual(await world.told(), ['intended'])
  assert.equal(await world.recover(), 0, 'somebody here still knows how it ended')
  while (world.gateway.env.underWay.size > 0) await world.tick()
  assert.deepEqual(await world.told(), ['intended', 'ok'])
  assert.equal(world.gateway.upstreams.made.length, 1)
  await world.check()
})

test('a process that ends leaves what it could not record to the next', async (t) => {
  const world = await openWorld(t)
  for (let i = 1; i < 100; i++) world.failing.plan('lost', i)
  await world.passing(call(world.gateway, world.caller, ...READ))
  await world.passing(world.gateway.env.underWay.close(1_000))
  while (world.gateway.env.underWay.size > 0) await world.tick()
  world.failing.mend()
  assert.deepEqual(await world.told(), ['intended'])
  assert.equal(await world.recover(), 1)
  assert.deepEqual(await world.told(), ['intended', 'unknown'])
  await world.check()
})

for (const failure of ['lost', 'persisted'] as const) {
  test(`a batch that is ${failure} fails for all of it`, async (t) => {
    const world = await openWorld(t)
    world.failing.plan(failure, 0)
    const written = await Promise.allSettled([record(world, ['a']), record(world, ['b'])])
    assert.deepEqual(
      written.map(({ status }) => status),
      ['rejected', 'rejected'],
    )
    assert.deepEqual(await world.told(), failure === 'lost' ? [] : ['list_served', 'list_served'])
    assert.equal(await kept(world), failure === 'lost' ? 0 : 2)
    await world.check()
  })
}

test('an entry that cannot be written fails its own caller alone', async (t) => {
  const world = await openWorld(t)
  const written = await Promise.allSettled([
    record(world, ['a']),
    record(world, ['x'.repeat(301)]),
    record(world, ['b']),
  ])
  assert.deepEqual(
    written.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  )
  assert.deepEqual(await world.told(), ['list_served', 'list_served'])
  assert.equal(await kept(world), 2, 'nothing of it lies beside the log')
  await world.check()
})

/** Records an entry with a value beside it, in the batch of this turn. */
function record({ gateway, caller }: World, names: string[]): Promise<number> {
  return gateway.env.admissions.record({
    sealings: [{ value: { names } }],
    entry: () => ({
      v: 1,
      kind: 'list_served',
      time: 0,
      by: testActor,
      delegation: caller.delegation.id,
      agent: caller.agent.id,
      method: 'tools/list',
      names,
    }),
  })
}

/** How many values of `record` lie beside the log. */
async function kept({ gateway }: World): Promise<number | undefined> {
  const { rows } = await sql<{ values: number }>`
    select count(*) as values from vault_value
    where convert_from(value, 'UTF8') like '{"names"%'`.execute(gateway.env.store.db)
  return rows[0]?.values
}
