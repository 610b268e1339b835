import assert from 'node:assert/strict'
import test from 'node:test'
import * as fc from 'fast-check'
import type { Json, JsonObject } from '../base/canonical-json.ts'
import { checkSinks, isCanonical, isSinkPath, type SinkKind } from './canonical.ts'
import { isTemplate, matchesTemplate } from './uri-template.ts'

const rows: Record<SinkKind, { good: Json[]; bad: Json[] }> = {
  path: {
    good: [
      '/',
      '/clients/1042',
      '/clients/1042/W-2 (final).pdf',
      'docs/readme.md',
      'a',
      '/a/..b',
      '/a/b..c',
      '/Müller/Akte',
      '/.hidden',
      '/日本',
    ],
    bad: [
      '',
      5,
      null,
      [],
      '/clients/1042/',
      '/clients//1042',
      '/clients/../2077',
      '/clients/./1042',
      '..',
      '.',
      '../a',
      '/a/..',
      '/clients\\1042',
      '/a\0b',
      '/a\nb',
      '/a\u202eb',
      '/a\u200bb',
      '/a\ufeff',
      '/a%2fb',
      '/a%2e%2e/b',
      '~',
      '~/x',
      '~root/x',
      'C:/x',
      '/a:stream',
      '/$HOME/x',
      '/a./b',
      '/a /b',
      '/ a',
      '/cafe\u0301',
      '/a\uff0fb',
      '/a\u2215b',
      '/a/\u2025/b',
      '/a/\uff0e\uff0e/b',
      '/a\uff3cb',
      '/a\u2044b',
      `/${'x'.repeat(256)}`,
      `/${'é'.repeat(128)}`,
      '/x'.repeat(2_049),
    ],
  },
  url: {
    good: [
      'https://example.com/',
      'https://example.com/a/b?x=1#y',
      'https://example.com:8443/',
      'http://127.0.0.1:3000/mcp',
      'http://[::1]/',
      'https://xn--mller-kva.example/',
      'https://example.com/a%20b',
      'https://example.com/?next=%2Fa',
      'memory://graph',
      'demo://resource/1',
      'file:///clients/1042/w2.txt',
      'urn:isbn:0451450523',
      'https://example.com/a/',
    ],
    bad: [
      '',
      5,
      'example.com',
      '//example.com/',
      'https://example.com',
      'HTTPS://example.com/',
      'https://EXAMPLE.com/',
      'https://example.com./',
      'https://example.com:443/',
      'https://user@example.com/',
      'https://a:b@example.com/',
      'https://example.com@evil.com/',
      'demo://a@b/c',
      'https://example.com/a/../b',
      'https://example.com/%2e%2e/b',
      'https://example.com/a//b',
      'https://example.com\\a',
      'https://example.com/a%2Fb',
      'https://example.com/a%5Cb',
      'https://example.com/%61',
      'https://example.com/%c3%a9',
      'https://example.com/%',
      'https://example.com/%00',
      'https://example.com/é',
      'https://müller.example/',
      'http://127.1/',
      'http://0x7f.0.0.1/',
      'http://2130706433/',
      'http://[0:0:0:0:0:0:0:1]/',
      'https://example.com/ a',
      ' https://example.com/',
      'https://example.com/\t',
      'https:/example.com/',
      'https:example.com',
      'https://exa_mple..com/',
      'file://host/a',
      'file:///a/../b',
      'file:///a/%7Eb',
      'file:///C:/x',
      'memory://a/../b',
      'memory://a//b',
      'javascript:alert("1")',
      'https://example.com/<a>',
      'https://e/{x}',
      `https://e.com/${'x'.repeat(5_000)}`,
    ],
  },
  email: {
    good: ['alice@example.com', 'a.b+c@example.co.uk', "o'neil@example.com"],
    bad: [
      '',
      5,
      'alice',
      'alice@',
      '@example.com',
      'Alice@example.com',
      'alice@Example.com',
      'alice@example.com.',
      'alice@localhost',
      'alice@127.0.0.1',
      'alice@[127.0.0.1]',
      'a@b@example.com',
      'a..b@example.com',
      '.a@example.com',
      'a.@example.com',
      '"a b"@example.com',
      'Alice <alice@example.com>',
      'a@example.com,b@example.com',
      'a@example.com b',
      'a%b@example.com',
      'a!b@example.com',
      'a@example.com\n',
      'аlice@example.com',
      'alice@exämple.com',
      `${'x'.repeat(65)}@example.com`,
    ],
  },
  account: {
    good: ['DE89370400440532013000', '1042', 'ABC123'],
    bad: [
      '',
      5,
      'de89370400440532013000',
      'DE89 3704 0044',
      'DE89-3704',
      'ＤＥ89',
      'X',
      'A'.repeat(65),
      '１０４２',
    ],
  },
  amount: {
    good: [
      0,
      1,
      12.34,
      0.0001,
      99_999_999_999,
      1_234.5678,
      '0',
      '12.34',
      '0.5',
      '99999999999.9999',
    ],
    bad: [
      -1,
      -0,
      0.00001,
      1e11,
      1e300,
      null,
      true,
      '',
      '-1',
      '+1',
      '01',
      '1.',
      '.5',
      '1,000',
      '1e3',
      '0x10',
      ' 1',
      '1 ',
      '1.00001',
      '100000000000',
      'NaN',
      '１',
      [],
      {},
    ],
  },
  id: {
    good: ['a', 'doc-1_2:3/4', 42, 0],
    bad: ['', 'a b', 'a\n', 'é', 1.5, null, 'x'.repeat(257)],
  },
  name: {
    good: ['Alice', 'Le Marais Boutique', 'general', 'GB29NWBK60161331926819', 'Zoë', 'a'],
    bad: ['', ' a', 'a\u200bb', 'a\nb', '\u202egen', 5, null, 'x'.repeat(257), 'a\u2044b'],
  },
}

for (const [kind, { good, bad }] of Object.entries(rows)) {
  test(`${kind}: one spelling`, () => {
    for (const value of good)
      assert.equal(isCanonical(kind as SinkKind, value), true, JSON.stringify(value))
    for (const value of bad)
      assert.equal(isCanonical(kind as SinkKind, value), false, JSON.stringify(value))
  })
}

test('a canonical path means itself after every normalisation that servers do', () => {
  const segment = fc.string({
    unit: fc.constantFrom('a', 'B', '.', '/', '\\', '%2e', '~', ' ', 'é', 'e\u0301', '\uff0e'),
    maxLength: 6,
  })
  fc.assert(
    fc.property(fc.array(segment, { maxLength: 5 }), (segments) => {
      const path = `/${segments.join('/')}`
      if (!isCanonical('path', path)) return
      assert.equal(new URL(`file://${path}`).pathname, encodeURI(path))
      assert.equal(path.normalize('NFC'), path)
      assert.equal(decodeURIComponent(path), path)
    }),
    { numRuns: 2_000 },
  )
})

test('sinks are checked where they stand, in every item', () => {
  const args = { to: ['a@b.de', 'B@b.de'], edits: [{ path: '/a' }, { path: '/a/../b' }], note: 'x' }
  assert.deepEqual(checkSinks(args, [{ path: 'to[]', kind: 'email' }]), {
    ok: false,
    error: {
      reason: 'argument_ambiguous',
      at: 'to[1]',
      message: 'expected one address in lower-case ASCII',
    },
  })
  assert.deepEqual(checkSinks(args, [{ path: 'edits[].path', kind: 'path' }]), {
    ok: false,
    error: {
      reason: 'argument_ambiguous',
      at: 'edits[1].path',
      message: 'expected a path without empty, `.` and `..` segments',
    },
  })
  const accepted: [object, string][] = [
    [args, 'absent.path'],
    [args, 'absent[].path'],
    [{ to: null }, 'to'],
    [{ to: [] }, 'to[]'],
    [{ to: ['a@b.de', null] }, 'to'],
    [{}, 'toString'],
  ]
  for (const [value, path] of accepted) {
    assert.equal(checkSinks(value as JsonObject, [{ path, kind: 'email' }]).ok, true, path)
  }
  const refused: [object, string, at: string][] = [
    [args, 'to', 'to[1]'],
    [{ to: [['a@b.de', 'B@b.de']] }, 'to', 'to[0][1]'],
    [{ to: { email: 'a@b.de' } }, 'to', 'to'],
    [{ to: 'a@b.de' }, 'to[]', 'to'],
    [{ to: 'a@b.de' }, 'to.email', 'to'],
    [{ to: ['a@b.de'] }, 'to.email', 'to'],
    [{ to: [{ email: 'a@b.de' }, 'b@b.de'] }, 'to[].email', 'to[1]'],
  ]
  for (const [value, path, at] of refused) {
    const got = checkSinks(value as JsonObject, [{ path, kind: 'email' }])
    assert.equal(got.ok ? undefined : got.error.at, at, path)
  }
  const names: [object, at: string | undefined][] = [
    [{ to: { 'a@b.de': 'reader' } }, undefined],
    [{ to: {} }, undefined],
    [{ to: null }, undefined],
    [{}, undefined],
    [{ to: { 'a@b.de': 1, 'A@b.de': 1 } }, 'to{}'],
    [{ to: ['a@b.de'] }, 'to'],
    [{ to: 'a@b.de' }, 'to'],
  ]
  for (const [value, at] of names) {
    const got = checkSinks(value as JsonObject, [{ path: 'to{}', kind: 'email' }])
    assert.equal(got.ok ? undefined : got.error.at, at, JSON.stringify(value))
  }
  for (const good of ['a', 'a.b', 'a[]', 'a[].b', 'a[].b-c[]', 'a{}', 'a[].b{}'])
    assert.equal(isSinkPath(good), true, good)
  const bad = [
    '',
    '.',
    'a.',
    '.a',
    '[]',
    'a[0]',
    'a[',
    'a..b',
    'a[]b',
    'a[][]',
    '{}',
    'a{}.b',
    'a{}[]',
    'a[]{}',
    'a{}{}',
    '__proto__',
    'a\nb',
    'x'.repeat(129),
  ]
  for (const path of [...bad, 'a.'.repeat(16) + 'a']) assert.equal(isSinkPath(path), false, path)
})

test('templates and the URIs that fill them', () => {
  const table: [template: string, good: string[], bad: string[]][] = [
    [
      'demo://text/{id}',
      ['demo://text/1', 'demo://text/a%20b'],
      [
        'demo://text/',
        'demo://text/1/2',
        'demo://text/..',
        'demo://text/1?x',
        'demo://text',
        'demo://other/1',
        'demo://text/%2e%2e',
        'DEMO://text/1',
      ],
    ],
    [
      'file:///{+path}',
      ['file:///a/b/c.txt'],
      ['file:///', 'file:///a/../b', 'file:///a//b', 'file://host/a', 'file:///a?x=1'],
    ],
    ['x://{a}/{b}', ['x://1/2'], ['x://1/2/3', 'x://1/', 'x://12']],
    ['x://a{/b}', ['x://a/1'], ['x://a', 'x://a/1/2']],
    ['x://a/fixed', ['x://a/fixed'], ['x://a/fixe', 'x://a/fixed2']],
  ]
  for (const [template, good, bad] of table) {
    for (const uri of good) assert.equal(matchesTemplate(template, uri), true, `${template} ${uri}`)
    for (const uri of bad) assert.equal(matchesTemplate(template, uri), false, `${template} ${uri}`)
  }
  for (const bad of [
    'x://{?a}',
    'x://{a,b}',
    'x://{a',
    'x://a}',
    'x://{}',
    'x://{a}{b}',
    'x://{a:3}',
    'x://{{a}}',
  ]) {
    assert.equal(isTemplate(bad), false, bad)
  }
})
