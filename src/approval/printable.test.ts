import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { canonicalJson, type JsonObject } from '../base/canonical-json.ts'
import { printable, printableText } from './printable.ts'

const CASES: readonly (readonly [string, string, string])[] = [
  ['plain text', 'Pay 1,000 € to Zoë (東京)', 'Pay 1,000 € to Zoë (東京)'],
  ['a backslash', 'C:\\n', 'C:\\\\n'],
  ['line ends', 'a\r\nb\tc', 'a\\r\\nb\\tc'],
  ['a terminal escape', '\u001b[2J\u001b]0;x\u0007', '\\u{1b}[2J\\u{1b}]0;x\\u{7}'],
  ['a C1 control', '\u009b31m', '\\u{9b}31m'],
  ['NUL and DEL', '\0\u007f', '\\u{0}\\u{7f}'],
  ['right-to-left override', 'gnp\u202e.exe', 'gnp\\u{202e}.exe'],
  ['isolates', '\u2066a\u2069', '\\u{2066}a\\u{2069}'],
  ['marks of direction', '\u200e\u200f\u061c', '\\u{200e}\\u{200f}\\u{61c}'],
  ['zero width', 'pay\u200bpal\ufeff', 'pay\\u{200b}pal\\u{feff}'],
  ['a soft hyphen', 'a\u00adb', 'a\\u{ad}b'],
  ['line and paragraph separators', 'a\u2028b\u2029c', 'a\\u{2028}b\\u{2029}c'],
  ['other spaces', 'a\u00a0b\u3000c', 'a\\u{a0}b\\u{3000}c'],
  ['fillers', '\u3164\u115f\uffa0\u2800', '\\u{3164}\\u{115f}\\u{ffa0}\\u{2800}'],
  ['a variation selector', 'a\ufe0f', 'a\\u{fe0f}'],
  ['tag characters', '\u{e0041}', '\\u{e0041}'],
  ['private use', '\ue000', '\\u{e000}'],
  ['a lone surrogate', 'a\ud800b', 'a\\u{d800}b'],
  ['a pair is no lone surrogate', '🙂', '🙂'],
]

for (const [name, text, want] of CASES) {
  test(name, () => {
    assert.equal(printableText(text), want)
  })
}

test('names of members and nested values are escaped, nothing else is changed', () => {
  const value: JsonObject = { 'a\nb': ['x\u202e', 1, null, true, { c: '\\' }], d: undefined }
  assert.equal(
    canonicalJson(printable(value)),
    canonicalJson({ 'a\\nb': ['x\\u{202e}', 1, null, true, { c: '\\\\' }] }),
  )
})

test('a member `__proto__`, which parsers lose, is shown under an escaped name', () => {
  const value = JSON.parse('{"__proto__":{"to":"evil"},"a":1}') as JsonObject
  assert.deepEqual(printable(value), { '\\u{5f}_proto__': { to: 'evil' }, a: 1 })
})

const nasty = fc.string({ unit: 'binary', maxLength: 12 })

test('nothing hides and nothing is cut: every character is there, itself or escaped', () => {
  fc.assert(
    fc.property(nasty, (text) => {
      const shown = printableText(text)
      assert.ok(!/[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u.test(shown))
      const back = shown.replaceAll(
        /\\(?:u\{([0-9a-f]+)\}|(.))/gu,
        (_, code?: string, short?: string) =>
          code === undefined
            ? ({ n: '\n', r: '\r', t: '\t', '\\': '\\' }[short ?? ''] ?? '')
            : String.fromCodePoint(Number.parseInt(code, 16)),
      )
      assert.equal(back, text)
    }),
    { numRuns: 2_000 },
  )
})
