import assert from 'node:assert/strict'
import { test } from 'node:test'
import { append } from '../../audit/append.ts'
import type { Entry } from '../../audit/entry.ts'
import { openTestLog, testCreated, testIntended, testOutcome } from '../../audit/testing.ts'
import type { PersonId } from '../../people/person.ts'
import { endedUnder, Returned } from './returned.ts'

const sealed = { sealed: `sha256:${'a'.repeat(64)}`, bytes: 1 }

/** A call for `people`, from the entry `at` on. */
function calls(at: number, delegation: string, ...people: readonly string[]): Entry[] {
  const facts = {
    archetypes: ['clerk'],
    people: people.map((person) => ({ person, groups: [] })),
    depth: 1,
    type: 'tool' as const,
    class: 'read' as const,
    consequential: false,
    serverState: 'reviewed' as const,
    sinks: [],
    context: {},
  }
  return [
    testIntended(`${at}`, { delegation, ...(people.length > 0 && { facts }) }),
    testOutcome(`${at}`, at, { delegation, result: sealed }),
  ]
}

const [alice, paul] = ['per_alice', 'per_paul'] as const satisfies PersonId[]

test('returns of a delegation and of those below count, each once, from the first that somebody missed', async (t) => {
  const { store } = await openTestLog(t)
  const add = (entries: readonly Entry[]): Promise<unknown> =>
    store.transaction((tx) => append(tx, entries))
  await add([
    testCreated('dlg_1'), // 0
    testCreated('dlg_2', 'dlg_1'), // 1
    testCreated('dlg_9'), // 2
    ...calls(3, 'dlg_2', alice), // 3, 4
    ...calls(5, 'dlg_1', alice, paul), // 5, 6
    ...calls(7, 'dlg_9', alice), // 7, 8
  ])
  const returned = new Returned(5)
  const read = (): Promise<readonly string[]> => store.snapshot((tx) => returned.read(tx, 'dlg_1'))
  const isFor = (): boolean[] => [
    returned.isFor(alice, 0),
    returned.isFor(paul, 0),
    returned.isFor(alice, 6),
    returned.isFor('per_sam', 0),
  ]
  assert.deepEqual(isFor(), [true, true, true, true])
  // What came before, and what is under another delegation, does not count: it is Alice's alone.
  assert.deepEqual(await read(), ['dlg_1', 'dlg_2'])
  assert.deepEqual(isFor(), [true, true, false, false])
  await add([testCreated('dlg_3', 'dlg_2'), ...calls(10, 'dlg_3', alice)])
  assert.deepEqual(await read(), ['dlg_1', 'dlg_2', 'dlg_3'])
  assert.deepEqual(isFor(), [true, false, false, false])
  // An entry that does not say who was permitted the call permits nobody.
  await add(calls(12, 'dlg_1'))
  await read()
  assert.deepEqual(isFor(), [false, false, false, false])
})

test('of more calls than are looked at nobody knows for whom they are, however often it is read', async (t) => {
  const { store } = await openTestLog(t)
  const counts = [3, 4, 5].map((most) => new Returned(1, most))
  const cut = async (entries: readonly Entry[]): Promise<boolean[]> => {
    await store.transaction((tx) => append(tx, entries))
    for (const returned of counts) await store.snapshot((tx) => returned.read(tx, 'dlg_1'))
    return counts.map(({ isCut }) => isCut)
  }
  const failed = [testIntended('7', {}), testOutcome('7', 7, { outcome: 'failed' })]
  assert.deepEqual(
    await cut([
      testCreated('dlg_1'),
      ...calls(1, 'dlg_1', alice, paul),
      ...calls(3, 'dlg_1', alice, paul),
      ...calls(5, 'dlg_1', alice, paul),
    ]),
    [false, false, false],
  )
  // One that failed is looked at too, and is for everybody.
  assert.deepEqual(await cut(failed), [true, false, false])
  assert.deepEqual(await cut(calls(9, 'dlg_1', alice)), [true, true, false])
  assert.deepEqual(await cut([testCreated('dlg_2')]), [true, true, false])
  // What was not looked at any more says nothing.
  assert.deepEqual(
    counts.map((returned) => [returned.isFor(alice, 0), returned.isFor(paul, 0)]),
    [
      [true, true],
      [true, true],
      [true, false],
    ],
  )
})

test('calls that ended are read whole, over pages and in any range', async (t) => {
  const { store } = await openTestLog(t)
  const entries: Entry[] = [testCreated('dlg_1')]
  while (entries.length < 1_000) entries.push(...calls(entries.length, 'dlg_1', alice))
  await store.transaction((tx) => append(tx, entries))
  const places = async (range: { from: number; to?: number; limit?: number }): Promise<number[]> =>
    (await store.snapshot((tx) => endedUnder(tx, ['dlg_1'], range))).map(({ index }) => index)
  const all = Array.from({ length: 500 }, (_, at) => 2 * at + 2)
  assert.deepEqual(await places({ from: 0 }), all)
  assert.deepEqual(await places({ from: 3, to: 900 }), all.slice(1, 449))
  assert.deepEqual(await places({ from: 0, limit: 201 }), all.slice(0, 201))
  assert.deepEqual(await places({ from: 0, limit: 400 }), all.slice(0, 400))
})
