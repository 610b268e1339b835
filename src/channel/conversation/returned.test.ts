import assert from 'node:assert/strict'
import { test } from 'node:test'
import { append } from '../../audit/append.ts'
import type { Entry } from '../../audit/entry.ts'
import { openTestLog, testCreated, testIntended, testOutcome } from '../../audit/testing.ts'
import type { PersonId } from '../../people/person.ts'
import { Returned } from './returned.ts'

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
  const read = (to?: number): Promise<readonly string[]> =>
    store.snapshot((tx) => returned.read(tx, 'dlg_1', to))
  const isFor = (): boolean[] => [
    returned.isFor(alice, 0),
    returned.isFor(paul, 0),
    returned.isFor(alice, 6),
    returned.isFor('per_sam', 0),
  ]
  assert.deepEqual(isFor(), [true, true, true, true])
  // What came before, and what is under another delegation, is not for Alice alone.
  assert.deepEqual(await read(6), ['dlg_1', 'dlg_2'])
  assert.deepEqual(isFor(), [true, true, true, true])
  await read()
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
  const entries: Entry[] = [testCreated('dlg_1')]
  while (entries.length < 1_500) entries.push(...calls(entries.length, 'dlg_1', alice, paul))
  await store.transaction((tx) => append(tx, entries))
  const all = (entries.length - 1) / 2
  const cut = async (most: number, steps: readonly number[]): Promise<boolean[]> => {
    const returned = new Returned(1, most)
    const found: boolean[] = []
    for (const to of steps) {
      await store.snapshot((tx) => returned.read(tx, 'dlg_1', to))
      found.push(returned.isCut)
    }
    assert.deepEqual([returned.isFor(paul, 0), returned.isFor('per_sam', 0)], [true, false])
    return found
  }
  assert.deepEqual(await cut(all, [5_000]), [false])
  assert.deepEqual(await cut(all - 1, [5_000]), [true])
  assert.deepEqual(await cut(all - 1, [700, entries.length - 1, 5_000]), [false, false, true])
})
