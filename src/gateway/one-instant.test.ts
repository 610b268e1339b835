/**
 * INVARIANT (one instant), as a property: whatever ends, narrows or changes authority, in whatever order it
 * meets calls on two gateways of which one never hears of any change, the log shows no call that
 * authority did not carry at that very index, and no total beyond its limit.
 *
 * Once with fast-check choosing the order of every transaction, which a failure shrinks and repeats; once
 * with the database choosing, all at the same time.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { sql } from 'kysely'
import { decideApproval } from '../approval/approve.ts'
import { pendingFor } from '../approval/approval-store.ts'
import type { Entry } from '../audit/entry.ts'
import { entriesBetween } from '../audit/queries.ts'
import { testActor } from '../audit/testing.ts'
import type { JsonObject } from '../base/canonical-json.ts'
import { must } from '../base/result.ts'
import type { Delegation } from '../delegation/delegation.ts'
import { complete, resume, revoke, suspend } from '../delegation/end.ts'
import { moveStage } from '../delegation/stage.ts'
import { subDelegate } from '../delegation/sub-delegate.ts'
import { testDelegation } from '../delegation/testing.ts'
import { resumeAgent, suspendAgent } from '../identity/agent-state.ts'
import { testAgent } from '../identity/testing.ts'
import { deactivatePerson, reactivatePerson } from '../people/person-state.ts'
import { activatePolicies } from '../policy/testing.ts'
import { observeListing } from '../registry/observe.ts'
import { reviewServer } from '../registry/review.ts'
import { testListing, testReviewer, testTool } from '../registry/testing.ts'
import { logSize } from '../store/changes.ts'
import type { Store } from '../store/store.ts'
import {
  call,
  openTestGateways,
  type TestCaller,
  testCaller,
  type TestGateway,
  type TestGateways,
} from './testing.ts'

/** One thing that somebody does, at one of the two gateways. */
interface Act {
  readonly what: keyof typeof ACTS
  readonly deaf: boolean
  readonly below: boolean
  readonly amount: number
}

/** One run: its delegation, what is below it, and who acts. */
interface Scene {
  /** With the store whose order the run decides. */
  readonly office: TestGateways
  readonly root: Delegation
  readonly child: Delegation
  readonly callers: { readonly root: TestCaller; readonly child: TestCaller }
  readonly gateway: (deaf: boolean) => TestGateway
}

const READS = 2
const MOST_PAID = 100

function details(location: string, partners: string): JsonObject[] {
  const at = { type: 'mcp_call', locations: [location] }
  return [
    {
      ...at,
      actions: ['tools/call:read'],
      arguments: { read: { path: { prefix: '/clients/1042' } } },
      stages: ['collect'],
      limits: { calls: READS },
    },
    {
      ...at,
      actions: ['tools/call:pay'],
      arguments: { pay: { account: { equals: 'DE02' }, amount: { sum: MOST_PAID } } },
    },
    {
      ...at,
      actions: ['tools/call:file'],
      arguments: { file: { client: { equals: '1042' } } },
      limits: { calls: 2 },
      approval: { by: partners },
    },
  ]
}

const calls = async (
  scene: Scene,
  { deaf, below }: Act,
  ...[tool, args]: [string, JsonObject]
): Promise<void> => {
  const caller = below ? scene.callers.child : scene.callers.root
  const { status, answer } = await call(scene.gateway(deaf), caller, tool, args)
  // Under many changes at once a call may be asked to try again; nothing else is a fault.
  const { error } = answer as { error?: { message: string } }
  assert(status === 200 || (status === 503 && error?.message === 'try again'), `${status}`)
}

const ACTS = {
  read: (scene: Scene, act: Act) =>
    calls(scene, act, 'read', { path: `/clients/1042/${act.amount}` }),
  pay: (scene: Scene, act: Act) =>
    calls(scene, act, 'pay', { account: 'DE02', amount: act.amount }),
  file: (scene: Scene, act: Act) => calls(scene, act, 'file', { client: '1042' }),
  approve: async (scene: Scene, act: Act) => {
    const { office, root, child } = scene
    const waiting = await office.store.snapshot((tx) => pendingFor(tx, office.paul.person))
    const ours = waiting.find(({ binding }) => [root.id, child.id].includes(binding.delegation))
    if (ours === undefined) return
    const { id, shownDigest } = ours
    await decideApproval({ id, decision: 'approve', shownDigest }, office.paul, office)
    // The call that was approved, made again by whom it was approved for.
    const below = ours.binding.delegation === child.id
    await calls(scene, { ...act, below }, 'file', { client: '1042' })
  },
  stage: ({ office, root }: Scene) =>
    moveStage({ delegation: root.id, stage: 'draft' }, office.alice, office),
  suspend: ({ office, root, child }: Scene, { below }: Act) =>
    suspend({ delegation: below ? child.id : root.id }, office.alice, office),
  resume: ({ office, root, child }: Scene, { below }: Act) =>
    resume({ delegation: below ? child.id : root.id }, office.alice, office),
  revoke: ({ office, root, child }: Scene, { below }: Act) =>
    revoke({ delegation: below ? child.id : root.id }, office.alice, office),
  complete: ({ office, root, child }: Scene, { below }: Act) =>
    complete({ delegation: below ? child.id : root.id }, office.alice, office),
  suspendAgent: ({ office, callers }: Scene, { below }: Act) => {
    const { agent } = below ? callers.child : callers.root
    return suspendAgent({ agent: agent.id, reason: 'a test' }, testActor, office)
  },
  resumeAgent: ({ office, callers }: Scene, { below }: Act) => {
    const { agent } = below ? callers.child : callers.root
    return resumeAgent({ agent: agent.id }, testActor, office)
  },
  deactivate: ({ office }: Scene) =>
    deactivatePerson({ person: office.alice.person }, testActor, office),
  reactivate: ({ office }: Scene) =>
    reactivatePerson({ person: office.alice.person }, testActor, office),
  quarantine: ({ office }: Scene) =>
    observeListing('documents', testListing([testTool('read', {})]), office),
  activate: ({ office }: Scene, { amount }: Act) => setPolicy(office, amount % 2 === 0),
} satisfies Record<string, (scene: Scene, act: Act) => Promise<unknown>>

/** Whether agents may pay. */
async function setPolicy(office: TestGateways, pay: boolean): Promise<void> {
  const agent = `@id("all") permit (principal, action in Action::"use", resource)
    ${pay ? '' : 'unless { resource in ToolClass::"money" }'};
    @id("browse") permit (principal, action in Action::"browse", resource);`
  must(await activatePolicies({ agent }, testActor, office))
}

const act: fc.Arbitrary<Act> = fc.record({
  what: fc.oneof(
    { weight: 7, arbitrary: fc.constantFrom('read', 'read', 'pay', 'file', 'approve') },
    {
      weight: 3,
      arbitrary: fc.constantFrom(...(Object.keys(ACTS) as (keyof typeof ACTS)[])),
    },
  ),
  deaf: fc.boolean(),
  below: fc.boolean(),
  amount: fc.integer({ min: 1, max: 60 }),
})

/** Runs transactions one after the other in the order of `chosen`, or as they come while there is none. */
class Order {
  chosen: fc.Scheduler | undefined

  readonly through = (store: Store): Store => ({
    ...store,
    transaction: (work) => this.#run(() => store.transaction(work)),
    snapshot: (work) => this.#run(() => store.snapshot(work)),
  })

  async #run<T>(transaction: () => Promise<T>): Promise<T> {
    const { chosen } = this
    if (chosen === undefined) return await transaction()
    let result: Promise<T> | undefined
    // What it resolves with would only make the report of a failure longer.
    await chosen.scheduleFunction(async () => {
      result = transaction()
      await result.catch(() => undefined)
    })()
    return await (result as unknown as Promise<T>)
  }
}

/** An installation, two gateways on it, and one run after the other. */
async function openStage(t: Parameters<typeof openTestGateways>[0]): Promise<{
  readonly order: Order
  /** What the log says of calls, over all runs. */
  readonly seen: ReadonlySet<string>
  play(acts: readonly Act[], chosen?: fc.Scheduler): Promise<void>
}> {
  const order = new Order()
  const office = await openTestGateways(t)
  const ordered = { ...office, store: order.through(office.store) }
  const hearing = await office.open({ through: order.through })
  const deaf = await office.open({ through: order.through, deaf: true })
  const seen = new Set<string>()
  const gateway = (isDeaf: boolean): TestGateway => (isDeaf ? deaf : hearing)
  const open = async (): Promise<Scene> => {
    const [mine, other] = [await testAgent(office), await testAgent(office)]
    const stated = details(office.location, office.partners.id)
    const delegateTo = (agent: typeof mine) => ({ archetype: agent.archetype, agent: agent.id })
    const root = await testDelegation(office, { delegate: delegateTo(mine), details: stated })
    const child = must(
      await subDelegate(
        { purpose: 'a part of it', delegate: delegateTo(other), details: stated },
        { agent: mine.id, delegation: root.id },
        office,
      ),
    )
    const callers = {
      root: testCaller(mine, root, office),
      child: testCaller(other, child, office),
    }
    for (const caller of Object.values(callers)) {
      await caller.token(hearing)
      await call(hearing, caller, 'file', { client: '1042' })
    }
    // The deaf gateway has read everything about one of them, and of the other only the server.
    await call(deaf, callers.root, 'read', { path: '/clients/2077' })
    return { office: ordered, root, child, callers, gateway }
  }

  return {
    order,
    seen,
    async play(acts, chosen) {
      const first = await office.store.snapshot(logSize)
      const madeBefore = hearing.upstreams.made.length + deaf.upstreams.made.length
      const scene = await open()
      order.chosen = chosen
      const all = Promise.all(acts.map((one) => ACTS[one.what](scene, one)))
      await (chosen === undefined ? all : chosen.waitFor(all))
      order.chosen = undefined
      await office.check()
      await checkTotals(office, scene)
      const entries = await entriesBetween(office.store.db, { from: first, limit: 10_000 })
      for (const { entry } of entries) seen.add(told(entry))
      const intended = entries.filter(({ entry }) => entry.kind === 'call_intended')
      const outcomes = entries.flatMap(({ entry }) =>
        entry.kind === 'call_outcome' ? [entry.outcome] : [],
      )
      assert.equal(outcomes.length, intended.length)
      // A call whose authority ended before it was made is not made.
      const made = hearing.upstreams.made.length + deaf.upstreams.made.length - madeBefore
      assert.equal(made, outcomes.filter((outcome) => outcome !== 'failed').length)
      await restore(office)
    },
  }
}

/** What an entry says of a call, in a word. */
function told(entry: Entry): string {
  if (entry.kind === 'call_refused') return entry.reason
  return entry.kind === 'call_intended' && entry.approval !== undefined ? 'approved' : entry.kind
}

/** What the counters say is what the log says, no more and no less: nothing is half-written. */
async function checkTotals({ store }: TestGateways, { root, child }: Scene): Promise<void> {
  const { rows } = await sql<{ delegation: string; detail: number; counter: string; used: string }>`
    select delegation, detail, counter, used::text from delegation_usage
    where delegation in (${root.id}, ${child.id})`.execute(store.db)
  const { rows: intended } = await sql<{ entry: Buffer }>`
    select entry from log_entry where kind = 'call_intended'
    and delegation in (${root.id}, ${child.id})`.execute(store.db)
  const done = intended.map(
    ({ entry }) => JSON.parse(entry.toString('utf8')) as { delegation: string; action: string },
  )
  const { rows: paid } = await sql<{ delegation: string; amount: number }>`
    select e->>'delegation' as delegation,
      (convert_from(v.value, 'UTF8')::jsonb->>'amount')::float8 as amount
    from (select convert_from(entry, 'UTF8')::jsonb as e from log_entry
          where kind = 'call_intended' and delegation in (${root.id}, ${child.id})) as i
    join vault_value v on v.digest = e->'arguments'->>'sealed'
    where e->>'action' = 'tools/call:pay'`.execute(store.db)
  const actions = ['tools/call:read', 'tools/call:pay', 'tools/call:file']
  for (const { delegation, detail, counter, used } of rows) {
    const counts = (by: string): boolean => by === delegation || delegation === root.id
    const total =
      counter === 'calls'
        ? done.filter((one) => counts(one.delegation) && one.action === actions[detail]).length
        : paid.filter((one) => counts(one.delegation)).reduce((sum, one) => sum + one.amount, 0)
    assert.equal(Number(used), total, `${delegation} ${counter}`)
  }
  const all = paid.reduce((sum, { amount }) => sum + amount, 0)
  assert(all <= MOST_PAID, `paid ${all}`)
}

/** As it was before the run, for the next. */
async function restore(office: TestGateways): Promise<void> {
  await reactivatePerson({ person: office.alice.person }, testActor, office)
  await setPolicy(office, true)
  const { definitions, tools } = office.documents
  const values = [...definitions.values()].map(({ value }) => value)
  must(await observeListing('documents', testListing(values), office))
  const digests = Object.fromEntries([...definitions].map(([key, { digest }]) => [key, digest]))
  const review = { server: 'documents', tools: [...tools.values()], digests }
  must(await reviewServer(review, testReviewer, office))
}

test('whatever order transactions come in, no call outlives its authority', async (t) => {
  const stage = await openStage(t)
  await fc.assert(
    fc.asyncProperty(
      fc.scheduler(),
      fc.array(act, { minLength: 2, maxLength: 14 }),
      async (scheduler, acts) => await stage.play(acts, scheduler),
    ),
    { numRuns: 40 },
  )
  // The property would hold if nothing ever happened.
  const missing = ['call_intended', 'approved', 'delegation_revoked', 'limit_exhausted'].filter(
    (word) => !stage.seen.has(word),
  )
  assert.deepEqual(missing, [])
})

test('nor when everything happens at once', async (t) => {
  const stage = await openStage(t)
  await fc.assert(
    fc.asyncProperty(
      fc.array(act, { minLength: 10, maxLength: 30 }),
      async (acts) => await stage.play(acts),
    ),
    { numRuns: 15 },
  )
})
