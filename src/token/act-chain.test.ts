import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { actChain, actClaimSchema, MAX_CHAIN, nestAct } from './act-chain.ts'

test('the one that acts now stands outside', () => {
  assert.deepEqual(nestAct(['c', 'b', 'a']), { sub: 'c', act: { sub: 'b', act: { sub: 'a' } } })
  assert.equal(nestAct([]), undefined)
  assert.deepEqual(actChain(undefined), [])
})

test('what is nested is read in the same order', () => {
  const subjects = fc.array(fc.string({ minLength: 1 }), { minLength: 1, maxLength: MAX_CHAIN })
  fc.assert(
    fc.property(subjects, (chain) => {
      assert.deepEqual(actChain(actClaimSchema.parse(nestAct(chain))), chain)
    }),
  )
})

for (const [name, act] of [
  ['too long a chain', nestAct(Array.from({ length: MAX_CHAIN + 1 }, () => 'a'))],
  ['an empty subject', { sub: '' }],
  ['no subject inside', { sub: 'a', act: {} }],
  ['null inside', { sub: 'a', act: null }],
  ['a list', ['a']],
  ['a string', 'a'],
] as const) {
  test(`refused: ${name}`, () => assert.equal(actClaimSchema.safeParse(act).success, false))
}
