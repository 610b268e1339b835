import assert from 'node:assert/strict'
import test from 'node:test'
import * as fc from 'fast-check'
import { SeededRandom } from '../base/random.ts'
import { newSignInCode, parseSignInCode } from './sign-in-code.ts'

test('a code has eight groups of five', () => {
  const { code } = newSignInCode(new SeededRandom(1))
  assert.match(code, /^([0-9a-hjkmnp-tv-z]{5}-){7}[0-9a-hjkmnp-tv-z]{5}$/)
})

test('a code is understood however it is typed', () => {
  fc.assert(
    fc.property(fc.integer(), fc.func(fc.nat(3)), (seed, habit) => {
      const { code, selector, secretHash } = newSignInCode(new SeededRandom(seed))
      const typed = Array.from(code, (letter, at) => habits(letter)[habit(at)]).join('')
      assert.deepEqual(parseSignInCode(typed), { selector, secretHash })
    }),
  )
})

function habits(letter: string): string[] {
  const look = { '0': ['o', 'O'], '1': ['l', 'I'], '-': ['', ' '] }[letter]
  return [letter, letter.toUpperCase(), ...(look ?? [`${letter} `, `-${letter}`])]
}

for (const [name, typed] of [
  ['nothing', ''],
  ['one character too few', 'a'.repeat(39)],
  ['one character too many', 'a'.repeat(41)],
  ['a letter that is not in the alphabet', 'u'.repeat(40)],
  ['NUL', '\0'.repeat(40)],
  ['more than anybody types', `${'a'.repeat(40)}${' '.repeat(1_000_000)}`],
] as const) {
  test(`no code: ${name}`, () => assert.equal(parseSignInCode(typed), undefined))
}
