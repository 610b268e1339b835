import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseSelectors } from './selector.ts'

const digest = 'ab'.repeat(32)

test('reads each kind', () => {
  const texts = ['unix:uid:0', 'unix:gid:1000', 'unix:path:/usr/bin/a:b', `unix:sha256:${digest}`]
  assert.deepEqual(parseSelectors(texts), {
    ok: true,
    value: [
      { kind: 'uid', value: 0 },
      { kind: 'gid', value: 1000 },
      { kind: 'path', value: '/usr/bin/a:b' },
      { kind: 'sha256', value: digest },
    ],
  })
})

test('no selectors are no error here; nobody is attested by them', () => {
  assert.deepEqual(parseSelectors([]), { ok: true, value: [] })
})

for (const text of [
  '',
  'unix',
  'unix:uid',
  'unix:uid:',
  'unix:uid:01',
  'unix:uid:-1',
  'unix:uid:1.5',
  'unix:uid:1e3',
  'unix:uid:0x10',
  'unix:uid: 1',
  'unix:uid:4294967295',
  'unix:uid:99999999999',
  'unix:user:root',
  'k8s:ns:default',
  'UNIX:uid:1',
  'unix:path:usr/bin/node',
  'unix:path:/usr//bin/node',
  'unix:path:/usr/../bin/node',
  'unix:path:/usr/bin/',
  'unix:path:/usr/bin/a\0b',
  `unix:path:/${'a'.repeat(300)}`,
  'unix:sha256:abc',
  `unix:sha256:${digest.toUpperCase()}`,
  `unix:sha256:${digest}0`,
]) {
  test(`refuses ${JSON.stringify(text.slice(0, 40))}`, () => {
    const parsed = parseSelectors(['unix:uid:7', text])
    assert.equal(parsed.ok ? undefined : parsed.error.reason, 'bad_selector')
  })
}

test('refuses one kind twice: both could never hold', () => {
  assert.deepEqual(parseSelectors(['unix:uid:1', 'unix:uid:2']), {
    ok: false,
    error: {
      reason: 'duplicate_selector',
      message: 'expected one `unix:uid` selector, got another: `unix:uid:2`',
    },
  })
})

test('refuses more than an entry holds', () => {
  const parsed = parseSelectors(Array.from({ length: 21 }, (_, n) => `unix:uid:${n}`))
  assert.equal(parsed.ok ? undefined : parsed.error.reason, 'too_many_selectors')
})
