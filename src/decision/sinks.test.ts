import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JsonObject } from '../base/canonical-json.ts'
import { parseDecimal } from './extension.ts'
import type { DeclaredSink } from './facts.ts'
import { sinkFacts } from './sinks.ts'

const email = (path: string): DeclaredSink => ({ path, kind: 'email' })
const amount = (path: string): DeclaredSink => ({ path, kind: 'amount' })

const VALUES: readonly (readonly [
  name: string,
  declared: DeclaredSink[],
  argumentsValue: JsonObject,
  grounded: string[],
  want: { sinks: string[]; ungrounded?: string[]; hosts?: string[] },
])[] = [
  ['nothing declared', [], { to: 'a@b.c' }, [], { sinks: [] }],
  ['nothing there', [email('to')], { body: 'x' }, [], { sinks: [] }],
  ['null reaches nothing', [email('to')], { to: null }, [], { sinks: [] }],
  ['grounded', [email('to')], { to: 'a@B.C' }, ['to'], { sinks: ['a@B.C'], hosts: ['b.c'] }],
  [
    'ungrounded',
    [email('to')],
    { to: 'a@b.c' },
    ['body'],
    { sinks: ['a@b.c'], ungrounded: ['a@b.c'], hosts: ['b.c'] },
  ],
  [
    'each element',
    [email('to[]')],
    { to: ['a@b.c', 'd@e.f'] },
    ['to[]'],
    { sinks: ['a@b.c', 'd@e.f'], hosts: ['b.c', 'e.f'] },
  ],
  [
    'a member of each element',
    [email('to[].mail')],
    { to: [{ mail: 'a@b.c', name: 'x' }] },
    ['to[].mail'],
    { sinks: ['a@b.c'], hosts: ['b.c'] },
  ],
  [
    'the names of members',
    [email('shares{}')],
    { shares: { 'a@b.c': 'x@y.z', 'd@e.f': null } },
    ['shares{}'],
    { sinks: ['a@b.c', 'd@e.f'], hosts: ['b.c', 'e.f'] },
  ],
  [
    'names of members in each element',
    [email('to[].shares{}')],
    { to: [{ shares: { 'a@b.c': 1 } }, { shares: {} }, { shares: 'd@e.f' }] },
    [],
    { sinks: ['a@b.c'], ungrounded: ['a@b.c'], hosts: ['b.c'] },
  ],
  [
    'a list where a string was declared',
    [email('to')],
    { to: ['a@b.c'] },
    [],
    { sinks: ['a@b.c'], ungrounded: ['a@b.c'], hosts: ['b.c'] },
  ],
  [
    'a string where a list was declared',
    [email('to[]')],
    { to: 'a@b.c' },
    ['to'],
    { sinks: ['a@b.c'], hosts: ['b.c'] },
  ],
  [
    'an object where a string was declared',
    [email('to')],
    { to: { mail: 'a@b.c' } },
    [],
    { sinks: ['a@b.c'], ungrounded: ['a@b.c'], hosts: ['b.c'] },
  ],
  ['another member with the same beginning', [email('to')], { total: 'a@b.c' }, [], { sinks: [] }],
  [
    'every domain of a list in one string',
    [email('to')],
    { to: 'Eve <eve@X.Y>, a@b.c' },
    ['to'],
    { sinks: ['Eve <eve@X.Y>, a@b.c'], hosts: ['x.y', 'b.c'] },
  ],
  [
    'what is no address',
    [email('to')],
    { to: 'Everybody' },
    ['to'],
    { sinks: ['Everybody'], hosts: ['everybody'] },
  ],
  [
    'the host of a URL',
    [{ path: 'url', kind: 'url' }],
    { url: 'https://user@Example.COM:8443/x@y' },
    ['url'],
    { sinks: ['https://user@Example.COM:8443/x@y'], hosts: ['example.com'] },
  ],
  [
    'a URL of an unknown scheme has its host',
    [{ path: 'url', kind: 'url' }],
    { url: 'ftp://files.example/x' },
    ['url'],
    { sinks: ['ftp://files.example/x'], hosts: ['files.example'] },
  ],
  [
    'what is no URL stands as a host that no policy knows',
    [{ path: 'url', kind: 'url' }],
    { url: 'EXAMPLE' },
    ['url'],
    { sinks: ['EXAMPLE'], hosts: ['example'] },
  ],
  [
    'numbers are identifiers too',
    [{ path: 'id', kind: 'id' }],
    { id: 7 },
    ['id'],
    { sinks: ['7'] },
  ],
]

for (const [name, declared, argumentsValue, grounded, want] of VALUES) {
  test(name, () => {
    const provenance = grounded.map((path) => ({ path, grounded: true }))
    const links = declared.some(({ kind }) => kind === 'url') ? (want.ungrounded ?? []) : []
    const value = { ungrounded: [], unseen: links, amountUngrounded: false, hosts: [], ...want }
    assert.deepEqual(sinkFacts(declared, argumentsValue, provenance), { ok: true, value })
  })
}

test('a link that stands somewhere is ungrounded, one that stands nowhere is unseen too', () => {
  const declared = [{ path: 'url', kind: 'url' }] as const
  const url = 'https://a.example/'
  for (const [from, unseen] of [
    [['seg_1'], []],
    [[], [url]],
  ]) {
    const facts = sinkFacts(declared, { url }, [{ path: 'url', grounded: false, from: from ?? [] }])
    assert(facts.ok)
    assert.deepEqual([facts.value.ungrounded, facts.value.unseen], [[url], unseen])
  }
})

test('one ungrounded element makes its list ungrounded', () => {
  const provenance = [
    { path: 'to[]', grounded: true },
    { path: 'to[]', grounded: false },
  ]
  const facts = sinkFacts([email('to[]')], { to: ['a@b.c', 'd@e.f'] }, provenance)
  assert(facts.ok)
  assert.deepEqual(facts.value.ungrounded, ['a@b.c', 'd@e.f'])
})

const AMOUNTS: readonly (readonly [argumentsValue: JsonObject, want: string | undefined])[] = [
  [{ sum: 1_042 }, '1042.0'],
  [{ sum: '1042.50' }, '1042.5'],
  [{ sum: 0.1 }, '0.1'],
  [{ sum: -5_000 }, '5000.0'],
  [{ sum: [1, '30.25', 2] }, '30.25'],
  [{}, undefined],
  [{ sum: 0.000_01 }, 'refused'],
  [{ sum: 1e21 }, 'refused'],
  [{ sum: '1,042.50' }, 'refused'],
  [{ sum: '--5' }, 'refused'],
  [{ sum: '' }, 'refused'],
  [{ sum: true }, 'refused'],
  [{ sum: '0x10' }, 'refused'],
]

for (const [argumentsValue, want] of AMOUNTS) {
  test(`the amount of ${JSON.stringify(argumentsValue)} is ${want ?? 'absent'}`, () => {
    const facts = sinkFacts([amount('sum')], argumentsValue, [])
    if (want === 'refused') {
      const message = 'expected an exact amount at `sum`'
      assert.deepEqual(facts, { ok: false, error: { reason: 'facts_refused', message } })
      return
    }
    const amountUngrounded = want !== undefined
    const value = { sinks: [], ungrounded: [], unseen: [], amountUngrounded, hosts: [] }
    const expected = want === undefined ? value : { ...value, amount: parseDecimal(want) }
    assert.deepEqual(facts, { ok: true, value: expected })
  })
}

test('more values than anybody can judge are refused', () => {
  const to = Array.from({ length: 1_001 }, (_, i) => `${i}@b.c`)
  const message = 'expected fewer values at declared sinks'
  assert.deepEqual(sinkFacts([email('to[]')], { to }, []), {
    ok: false,
    error: { reason: 'facts_refused', message },
  })
})
