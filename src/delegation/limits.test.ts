import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { sql } from 'kysely'
import { lockHead } from '../audit/append.ts'
import type { Json } from '../base/canonical-json.ts'
import { must } from '../base/result.ts'
import type { Agent } from '../identity/agent.ts'
import { checkDelegations } from './check-delegations.ts'
import type { CallFacts } from './covers.ts'
import type { Delegation } from './delegation.ts'
import { chargesOf, debit } from './limits.ts'
import { loadTree, type Tree } from './standing.ts'
import { subDelegate } from './sub-delegate.ts'
import { openTestOffice, testDelegation, type TestOffice } from './testing.ts'

function pay(office: TestOffice, amount: Json): CallFacts {
  return {
    location: office.location,
    action: 'tools/call:pay',
    arguments: { account: 'DE02', amount },
    stage: 'collect',
    sinks: ['account', 'amount'],
  }
}

/** Details that allow payments up to `sum` in all, `calls` times. */
function payments(office: TestOffice, sum: number, calls?: number): Json {
  return [
    {
      type: 'mcp_call',
      locations: [office.location],
      actions: ['tools/call:pay'],
      arguments: { pay: { account: { equals: 'DE02' }, amount: { sum } } },
      ...(calls === undefined ? {} : { limits: { calls } }),
    },
  ]
}

async function below(office: TestOffice, parent: Delegation, details: Json): Promise<Delegation> {
  const { archetype, id }: Agent = office.agent
  const request = { purpose: 'a part', delegate: { archetype, agent: id }, details }
  return must(await subDelegate(request, { agent: id, delegation: parent.id }, office))
}

async function treeOf(office: TestOffice, { id }: Delegation): Promise<Tree> {
  const tree = await office.store.snapshot((tx) => loadTree(tx, id))
  assert.ok(tree)
  return tree
}

/** One admission: `ok`, or which counter was exhausted. */
async function spendOnce(office: TestOffice, tree: Tree, call: CallFacts): Promise<string> {
  return await office.store.transaction(async (tx) => {
    await lockHead(tx)
    const result = await debit(tx, tree, call)
    if (result.ok) return 'ok'
    const { error } = result
    return error.reason === 'limit_exhausted' ? error.counter : error.reason
  })
}

async function used(office: TestOffice, { id }: Delegation, counter: string): Promise<string> {
  const { rows } = await sql<{ used: string }>`
    select used::text from delegation_usage where delegation = ${id} and counter = ${counter}`.execute(
    office.store.db,
  )
  assert.equal(rows.length, 1)
  return rows[0]?.used ?? ''
}

const SUM = 'sum pay amount'

test('amounts are added exactly, and a call that does not fit takes nothing', async (t) => {
  const office = await openTestOffice(t)
  const root = await testDelegation(office, { details: payments(office, 0.3, 10) })
  const tree = await treeOf(office, root)
  assert.equal(await spendOnce(office, tree, pay(office, 0.1)), 'ok')
  assert.equal(await spendOnce(office, tree, pay(office, 0.3)), SUM)
  assert.equal(await used(office, root, 'calls'), '1')
  assert.equal(await spendOnce(office, tree, pay(office, '0.2')), 'ok')
  assert.equal(await used(office, root, SUM), '0.3')
  assert.equal(await spendOnce(office, tree, pay(office, 0.0001)), SUM)
  assert.equal(await spendOnce(office, tree, pay(office, 0)), 'ok')
  await checkDelegations(office.store, office)
})

test('the amounts of a list are added', async (t) => {
  const office = await openTestOffice(t)
  const root = await testDelegation(office, { details: payments(office, 10) })
  const tree = await treeOf(office, root)
  assert.equal(await spendOnce(office, tree, pay(office, [4, 4, 4])), SUM)
  assert.equal(await spendOnce(office, tree, pay(office, [4, 4])), 'ok')
  assert.equal(await used(office, root, SUM), '8')
  assert.equal(await spendOnce(office, tree, pay(office, [])), 'not_covered')
  assert.equal(await spendOnce(office, tree, pay(office, [1, -1])), 'not_covered')
})

test('what is used below is used above, and siblings share it', async (t) => {
  const office = await openTestOffice(t)
  const root = await testDelegation(office, { details: payments(office, 10, 3) })
  const a = await below(office, root, payments(office, 10, 3))
  const b = await below(office, root, payments(office, 6, 2))
  const [top, left, right] = await Promise.all([root, a, b].map((each) => treeOf(office, each)))
  assert.ok(top && left && right)
  assert.equal(await spendOnce(office, left, pay(office, 6)), 'ok')
  assert.equal(await spendOnce(office, right, pay(office, 5)), SUM)
  assert.equal(await spendOnce(office, right, pay(office, 4)), 'ok')
  assert.equal(await spendOnce(office, top, pay(office, 0)), 'ok')
  assert.equal(await spendOnce(office, right, pay(office, 0)), 'calls')
  assert.deepEqual(
    [await used(office, root, SUM), await used(office, a, SUM), await used(office, b, SUM)],
    ['10', '6', '4'],
  )
  await checkDelegations(office.store, office)
})

test('a call without limits is free of charge, one that nothing covers is refused', async (t) => {
  const office = await openTestOffice(t)
  const details = [{ type: 'mcp_call', locations: [office.location], actions: ['tools/call:file'] }]
  const tree = await treeOf(office, await testDelegation(office, { details }))
  const file: CallFacts = { ...pay(office, 1), action: 'tools/call:file', sinks: [] }
  assert.deepEqual(chargesOf(tree, file), { ok: true, value: [] })
  assert.deepEqual(chargesOf(tree, pay(office, 1)), {
    ok: false,
    error: { reason: 'not_covered', delegation: tree.delegation.id },
  })
})

test('a call is charged to a detail that accepts its approver', async (t) => {
  const office = await openTestOffice(t)
  const [detail] = payments(office, 10) as readonly object[]
  const by = (party: string): Json => ({ ...detail, approval: { by: party } })
  const root = await testDelegation(office, {
    details: [by(office.paul.person), by(office.partners.id)],
  })
  const child = await below(office, root, [by(office.partners.id)])
  const charges = must(chargesOf(await treeOf(office, child), pay(office, 1)))
  assert.deepEqual(
    charges.map(({ delegation, detail: index }) => [delegation, index]),
    [
      [root.id, 1],
      [child.id, 0],
    ],
  )
})

test('INVARIANT (narrowing): no total exceeds any limit above, whatever happens at once', async (t) => {
  const office = await openTestOffice(t)
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        sums: fc.tuple(fc.integer({ min: 1, max: 20 }), fc.nat(20), fc.nat(20)),
        calls: fc.integer({ min: 1, max: 8 }),
        spends: fc.array(fc.tuple(fc.nat(3), fc.integer({ min: 0, max: 60 })), { maxLength: 16 }),
        locked: fc.boolean(),
      }),
      async ({ sums: [top, left, right], calls, spends, locked }) => {
        const root = await testDelegation(office, { details: payments(office, top, calls) })
        const a = await below(office, root, payments(office, Math.min(left, top), calls))
        const b = await below(office, root, payments(office, Math.min(right, top), calls))
        const c = await below(office, a, payments(office, Math.min(left, top), calls))
        const trees = await Promise.all([root, a, b, c].map((each) => treeOf(office, each)))
        // Amounts are tenths, so that sums of numbers would be off.
        const results = await Promise.all(
          spends.map(async ([which, tenths]) => {
            const tree = trees[which] as Tree
            const call = pay(office, tenths / 10)
            const result = await office.store.transaction(async (tx) => {
              // The gateway holds the head; counters must hold without it too.
              if (locked) await lockHead(tx)
              return await debit(tx, tree, call)
            })
            return { which, tenths, went: result.ok }
          }),
        )
        await checkDelegations(office.store, office)
        const went = results.filter((result) => result.went)
        const under = [[0, 1, 2, 3], [1, 3], [2], [3]]
        for (const [i, tree] of trees.entries()) {
          const mine = went.filter(({ which }) => under[i]?.includes(which))
          const total = mine.reduce((sum, { tenths }) => sum + tenths, 0)
          assert.equal(Number(await used(office, tree.delegation, SUM)) * 10, total)
          assert.equal(Number(await used(office, tree.delegation, 'calls')), mine.length)
        }
      },
    ),
    { numRuns: 25 },
  )
})
