import assert from 'node:assert/strict'
import test from 'node:test'
import * as fc from 'fast-check'
import { compilePattern, PatternCost, type Pattern } from './pattern.ts'

function compiled(source: string): Pattern {
  const result = compilePattern(source)
  assert.ok(result.ok, `expected \`${source}\` to compile`)
  return result.value
}

test('patterns found in published schemas match what the native engine matches', () => {
  const patterns = [
    '^[a-z0-9-]+$',
    '^\\d{4}-\\d{2}-\\d{2}$',
    '^https?://',
    '^[a-z]+(?:-[a-z]+)*$',
    "^(?!\\.)(?!.*\\.\\.)([A-Za-z0-9_'+\\-\\.]*)[A-Za-z0-9_+-]@([A-Za-z0-9][A-Za-z0-9\\-]*\\.)+[A-Za-z]{2,}$",
    '^([0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[1-8][0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}|0{8})$',
    '\\bcat\\b|do{2,3}g?',
    '^(?<year>\\d+)$',
    '^\\p{Lu}\\p{L}*$',
    '^[^/\\]\\\\]+$',
    '',
    'a||b',
    '^(?:a|b|)*?$',
  ]
  const texts = [
    '',
    'a',
    'b',
    'ab',
    'a-b',
    'a--b',
    '2026-01-02',
    '2026-1-2',
    'https://x',
    'xhttp://',
    'a@b.co',
    '.a@b.co',
    'a..b@c.de',
    'a@b',
    '123e4567-e89b-12d3-a456-426614174000',
    '00000000',
    'a cat sat',
    'concat',
    'doog',
    'doooooog',
    '12',
    'Émile',
    'émile',
    'a/b',
    'a\\b',
    'x]',
    '𝒳',
    'line\nline',
  ]
  for (const source of patterns) {
    const native = new RegExp(source, 'u')
    for (const text of texts) {
      assert.equal(
        compiled(source)(text),
        native.test(text),
        `${source} on ${JSON.stringify(text)}`,
      )
    }
  }
})

test('generated patterns agree with the native engine', () => {
  const leaf = fc.constantFrom(
    'a',
    'b',
    'ab',
    '.',
    '[ab]',
    '[^a]',
    '\\w',
    '\\d',
    '^',
    '$',
    '\\b',
    '(?=a)',
    '(?!b)',
  )
  const { pattern } = fc.letrec<{ pattern: string }>((tie) => ({
    pattern: fc.oneof(
      { maxDepth: 4 },
      leaf,
      fc.tuple(tie('pattern'), tie('pattern')).map(([x, y]) => x + y),
      fc.tuple(tie('pattern'), tie('pattern')).map(([x, y]) => `(?:${x}|${y})`),
      fc
        .tuple(tie('pattern'), fc.constantFrom('*', '+', '?', '{2}', '{1,3}', '{0,}', '*?'))
        .map(([x, q]) => `(?:${x})${q}`),
    ),
  }))
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '1', ' ', 'é'), maxLength: 8 })
  fc.assert(
    fc.property(pattern, text, (source, input) => {
      assert.equal(compiled(source)(input), new RegExp(source, 'u').test(input))
    }),
    { numRuns: 2_000 },
  )
})

test('what backtracks elsewhere is linear here', () => {
  for (const source of [
    '(a+)+$',
    '^(a|a)*$',
    '^(a|aa)+$',
    '^(([a-z])+.)+[A-Z]([a-z])+$',
    'a*a*a*a*a*b',
  ]) {
    assert.equal(compiled(source)(`${'a'.repeat(5_000)}!`), false, source)
  }
})

test('a pattern and a text that together cost too much are refused, not run', () => {
  const pattern = compiled('(?:[a-y]{0,500}){4}z')
  assert.throws(() => pattern('a'.repeat(50_000)), PatternCost)
})

test('unsupported patterns', () => {
  const cases = [
    '(a)\\1',
    '(?<n>a)\\k<n>',
    '(?<=a)b',
    '(?<!a)b',
    '(?i:a)',
    '(',
    ')',
    'a)',
    '[a',
    'a]',
    '*a',
    'a**',
    'a{2,1}',
    '(?:a{1000}){1000}',
    '(?=a)*',
    'x'.repeat(1_001),
    `${'('.repeat(41)}${')'.repeat(41)}`,
    '\\',
    '\\uD800x\\q',
    '[z-a]',
    '\\cA',
    '{',
    'a{x}',
  ]
  for (const source of cases) {
    const result = compilePattern(source)
    assert.ok(!result.ok && result.error.reason === 'pattern_unsupported', source)
  }
})
