import assert from 'node:assert/strict'
import { test } from 'node:test'
import { array, assert as check, constantFrom, oneof, property, string } from 'fast-check'
import { runsIn } from './fold.ts'

/** The same by a regular expression. */
function plainly(text: string): [number, number][] {
  return [...text.matchAll(/[A-Za-z0-9+/=_-]{16,}/g)]
    .filter(([run]) => /[A-Z0-9+/=]/.test(run))
    .map(({ 0: run, index }) => [index, index + run.length])
}

test('runs are found as a regular expression finds them', () => {
  const run = string({ unit: constantFrom(...Array.from('aZ9+/=_-')), maxLength: 40 })
  const between = string({ unit: constantFrom(' ', 'a', '.', '\n'), maxLength: 20 })
  const text = array(oneof(run, between), { maxLength: 12 }).map((parts) => parts.join(''))
  check(
    property(text, (said) => assert.deepEqual(runsIn(Buffer.from(said)), plainly(said))),
    { numRuns: 3_000 },
  )
})

for (const [name, text, want] of [
  ['nothing', '', []],
  ['a run that is too short', 'aaaaaaaaaaaaaaA', []],
  ['the shortest', 'aaaaaaaaaaaaaaaA', [[0, 16]]],
  ['plain letters', 'a'.repeat(40), []],
  ['a run at the end', ` ${'A'.repeat(17)}`, [[1, 18]]],
  [
    'two with one sign between',
    `${'A'.repeat(16)}.${'b'.repeat(15)}9`,
    [
      [0, 16],
      [17, 33],
    ],
  ],
] as const) {
  test(`runs in ${name}`, () => assert.deepEqual(runsIn(Buffer.from(text)), want))
}
