import assert from 'node:assert/strict'
import { test } from 'node:test'
import { canonicalSegments, isAtOrBelow } from './canonical-path.ts'

const CANONICAL: readonly (readonly [string, string, readonly string[]])[] = [
  ['/', '', []],
  ['/clients', '', ['clients']],
  ['/clients/1042/w2 (final).txt', '', ['clients', '1042', 'w2 (final).txt']],
  ['/clients/.hidden/..b/c..d', '', ['clients', '.hidden', '..b', 'c..d']],
  ['/klienten/größe/東京', '', ['klienten', 'größe', '東京']],
  ['file:///clients/1042', 'file://', ['clients', '1042']],
  ['https://api.example.com:8443/v1', 'https://api.example.com:8443', ['v1']],
  ['memo://insights/', 'memo://insights', []],
]

for (const [value, root, segments] of CANONICAL) {
  test(`canonical: ${value}`, () => {
    assert.deepEqual(canonicalSegments(value), { ok: true, value: { root, segments } })
  })
}

const REFUSED: readonly (readonly [string, string])[] = [
  ['empty', ''],
  ['relative', 'clients/1042'],
  ['dot', '/clients/./1042'],
  ['dot-dot', '/clients/1042/../2077'],
  ['dot-dot at the end', '/clients/1042/..'],
  ['three dots, which Windows drops', '/clients/1042/...'],
  ['double slash', '/clients//1042'],
  ['a network path', '//evil/share'],
  ['trailing slash', '/clients/1042/'],
  ['trailing dot', '/clients/1042.'],
  ['trailing space', '/clients/1042 '],
  ['leading space', '/clients/ 1042'],
  ['space and dot', '/clients/1042/.. '],
  ['backslash', '/clients/1042\\..\\2077'],
  ['newline', '/clients/1042\n'],
  ['NUL', '/clients/1042\0.txt'],
  ['encoded dots', '/clients/%2e%2E/2077'],
  ['encoded slash', '/clients/1042%2f..%2f2077'],
  ['encoded backslash', '/clients/1042%5C..'],
  ['twice encoded', '/clients/%252e%252e'],
  ['encoded NUL', '/clients/1042%00'],
  ['overlong encoding of a dot', '/clients/%c0%ae%c0%ae'],
  ['fullwidth slash', '/clients/1042／2077'],
  ['fullwidth dots', '/clients/．．/2077'],
  ['one-dot leaders', '/clients/․․/2077'],
  ['two-dot leader', '/clients/‥/2077'],
  ['fullwidth backslash', '/clients/1042＼2077'],
  ['zero-width space', '/clients/.\u200b./2077'],
  ['right-to-left override', '/clients/\u202e2401'],
  ['line separator', '/clients/1042\u2028'],
  ['lone surrogate', '/clients/\ud800'],
  ['upper-case scheme', 'FILE:///clients'],
  ['upper-case host', 'https://Example.com/a'],
  ['user info', 'https://user@example.com/a'],
  ['empty port', 'https://example.com:/a'],
  ['query', 'file:///clients/1042?x=/../2077'],
  ['fragment', 'file:///clients/1042#a'],
  ['no path', 'https://example.com'],
  ['no authority', 'file:/clients/1042'],
  ['Windows drive', 'C:\\clients'],
  ['home', '~/clients'],
]

for (const [name, value] of REFUSED) {
  test(`not canonical: ${name}`, () => {
    assert.deepEqual(canonicalSegments(value), { ok: false, error: { reason: 'not_canonical' } })
  })
}

const BELOW: readonly (readonly [string, string, boolean])[] = [
  ['/clients/1042', '/clients/1042', true],
  ['/clients/1042/w2.txt', '/clients/1042', true],
  ['/clients/1042', '/', true],
  ['/clients/10420', '/clients/1042', false],
  ['/clients', '/clients/1042', false],
  ['/Clients/1042', '/clients/1042', false],
  ['file:///clients/1042', '/clients/1042', false],
  ['file:///clients/1042/a', 'file:///clients', true],
  ['https://a.example/x', 'https://b.example/x', false],
  ['https://a.example/x', 'https://a.example/', true],
]

for (const [path, prefix, want] of BELOW) {
  test(`${path} ${want ? 'is' : 'is not'} at or below ${prefix}`, () => {
    const [a, b] = [canonicalSegments(path), canonicalSegments(prefix)]
    assert.ok(a.ok && b.ok)
    assert.equal(isAtOrBelow(a.value, b.value), want)
  })
}
