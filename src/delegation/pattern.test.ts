import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { containsPattern, isPattern, matches } from './pattern.ts'

const MATCHES: readonly (readonly [string, string, boolean])[] = [
  ['report.txt', 'report.txt', true],
  ['report.txt', 'report_txt', false],
  ['*', 'a', true],
  ['*', '', false],
  ['*.txt', '.txt', false],
  ['*.txt', 'a.b.txt', true],
  ['/out/*.txt', '/out/2025.txt', true],
  ['/out/*.txt', '/out/a/b.txt', false],
  ['/out/*', '/out/..', false],
  ['/out/*/x', '/out/../x', false],
  ['*@example.com', 'alice.b+tax@example.com', true],
  ['*@example.com', 'alice@example.com.evil.net', false],
  ['*@example.com', 'eve@evil.net,alice@example.com', false],
  ['*@example.com', '"eve@evil.net" alice@example.com', false],
  ['*@example.com', 'alice@example.com\n', false],
  ['*@example.com', '\u202ealice@example.com', false],
  ['client-*-*', 'client-10-a', true],
  ['client-*-*', 'client-10-', false],
  ['größe-*', 'größe-ü', true],
  ['*a*', 'aaa', true],
  ['*a*', 'aa', false],
  ['(a+)+$', '(a+)+$', true],
]

for (const [pattern, value, want] of MATCHES) {
  test(`\`${pattern}\` ${want ? 'matches' : 'does not match'} ${JSON.stringify(value)}`, () => {
    assert.equal(matches(pattern, value), want)
  })
}

test('a pattern has at most 16 stars and is not empty', () => {
  assert.equal(isPattern('*'.repeat(16)), true)
  assert.equal(isPattern('*'.repeat(17)), false)
  assert.equal(isPattern(''), false)
})

test('a value longer than 4,096 characters matches nothing', () => {
  assert.equal(matches('*', 'a'.repeat(4_096)), true)
  assert.equal(matches('*', 'a'.repeat(4_097)), false)
})

const CONTAINS: readonly (readonly [string, string, boolean])[] = [
  ['*', '*', true],
  ['*', 'a*b', true],
  ['a*', 'ab*', true],
  ['a*', 'a', false],
  ['a*c', 'a*b*c', true],
  ['a*b*c', 'a*c', false],
  ['*@example.com', 'a-*@example.com', true],
  ['*@example.com', '*@*.example.com', false],
  ['*@*.example.com', '*@a.example.com', true],
  ['/out/*', '/out/*/x', false],
  ['*', '**', true],
  ['**', '*', false],
]

for (const [outer, inner, want] of CONTAINS) {
  test(`\`${outer}\` ${want ? 'contains' : 'does not contain'} \`${inner}\``, () => {
    assert.equal(containsPattern(outer, inner), want)
  })
}

test('INVARIANT (narrowing): what matches a contained pattern matches the containing one', () => {
  const piece = fc.constantFrom('a', 'b', '*', '/', '.', '@', '-')
  const pattern = fc.array(piece, { minLength: 1, maxLength: 6 }).map((pieces) => pieces.join(''))
  const fill = fc.constantFrom('a', 'b', 'ab', '.', '-', 'a.b')
  let contained = 0
  fc.assert(
    fc.property(pattern, pattern, fc.array(fill, { minLength: 6, maxLength: 6 }), (a, b, fills) => {
      // Half of the time the inner pattern is made from the outer one, so that it is often contained.
      const inner = fills[0] === 'ab' ? b : a.replace('*', `${fills[1]}*`)
      if (!containsPattern(a, inner)) return
      contained++
      let at = 0
      const value = inner.replaceAll('*', () => fills[at++] ?? 'a')
      if (matches(inner, value)) assert.equal(matches(a, value), true)
    }),
    { numRuns: 5_000 },
  )
  assert.ok(contained > 500, `expected containment to be met often, got ${contained}`)
})
