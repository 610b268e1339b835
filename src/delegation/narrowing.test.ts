import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { Json, JsonObject } from '../base/canonical-json.ts'
import { must } from '../base/result.ts'
import { type CallFacts, conditionsOn, coveringDetails, covers } from './covers.ts'
import { type Condition, type McpCallDetail, parseDetails, type Scalar } from './intent.ts'
import { contains } from './narrowing.ts'
import { meets } from './predicate.ts'

const A = 'http://127.0.0.1:8787/mcp/a'
const B = 'http://127.0.0.1:8787/mcp/b'
const PAUL = 'per_01k00000000000000000000001'
const PARTNERS = 'grp_01k00000000000000000000001'

// A small world, so that random details often meet each other and random calls often meet details.
const TEXTS = [
  '/a',
  '/a/b',
  '/a/b/c',
  '/a/bb',
  '/a/../a/b',
  'x@e.example',
  'y.x@e.example',
  'https://e.example/a',
]
const NUMBERS = [-1, 0, 1, 5, 10]
const PATHS = ['path', 'to[].email', 'to', 'amount']
const ACTIONS = ['tools/call:t', 'tools/call:u', 'resources/read']
const STAGES = ['collect', 'draft']

const scalar = fc.constantFrom<string | number | boolean>(...TEXTS, ...NUMBERS, true)
const condition: fc.Arbitrary<Condition> = fc.oneof(
  scalar.map((equals) => ({ equals })),
  fc.array(scalar, { minLength: 1, maxLength: 3 }).map((oneOf) => ({ oneOf })),
  fc.constantFrom('/', '/a', '/a/b').map((prefix) => ({ prefix })),
  fc.constantFrom(...NUMBERS).map((max) => ({ max })),
  fc.constantFrom(...NUMBERS).map((min) => ({ min })),
  fc.tuple(fc.constantFrom(...NUMBERS), fc.constantFrom(5, 10)).map(([min, max]) => ({ min, max })),
  fc.constantFrom(0, 5, 10).map((sum) => ({ sum })),
  fc.constant({ host: 'e.example' }),
  fc.constantFrom('*@e.example', 'y*@e.example', '/a/*', '*').map((pattern) => ({ pattern })),
)

const maybe = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined, freq: 2 })

const detail: fc.Arbitrary<McpCallDetail> = fc
  .record({
    locations: fc.subarray([A, B], { minLength: 1 }),
    actions: fc.subarray(ACTIONS, { minLength: 1 }),
    t: fc.dictionary(fc.constantFrom(...PATHS), condition, { maxKeys: 2 }),
    uri: condition,
    stages: maybe(fc.subarray(STAGES, { minLength: 1 })),
    calls: maybe(fc.constantFrom(1, 2)),
    total: maybe(fc.constantFrom(5, 10)),
    until: maybe(fc.constantFrom(100, 200)),
    approval: maybe(fc.constantFrom({ by: PAUL }, { by: PARTNERS })),
  })
  .map(({ locations, actions, t, uri, stages, calls, total, until, approval }) => {
    const limits = { calls, until, sum: total === undefined ? undefined : { amount: total } }
    const conditions = {
      t: actions.includes('tools/call:t') ? t : undefined,
      'resources/read': actions.includes('resources/read') ? { uri } : undefined,
    }
    const stated = { type: 'mcp_call', locations, actions, stages, limits, approval }
    return only({ ...stated, arguments: conditions })
  })

/** The detail as it would be read from the wire: without members that are undefined. */
function only(stated: object): McpCallDetail {
  const [parsed] = must(parseDetails([JSON.parse(JSON.stringify(stated)) as Json]))
  if (parsed === undefined) throw new Error('expected a detail')
  return parsed
}

const value: fc.Arbitrary<Json> = fc.oneof(scalar, fc.array(scalar, { maxLength: 3 }))
const args: fc.Arbitrary<JsonObject> = fc.dictionary(
  fc.constantFrom('path', 'to', 'amount', 'uri'),
  fc.oneof(
    value,
    fc.array(
      scalar.map((email) => ({ email })),
      { maxLength: 2 },
    ),
  ),
  { maxKeys: 4 },
)
const call: fc.Arbitrary<CallFacts> = fc.record({
  location: fc.constantFrom(A, B),
  action: fc.constantFrom(...ACTIONS),
  arguments: args,
  stage: fc.constantFrom('collect', 'draft', null),
  sinks: fc.subarray(PATHS),
  at: fc.constantFrom(0, 100, 200),
})

/** A detail like `from`, with some of its parts changed: often narrower, sometimes wider. */
function variant(
  from: McpCallDetail,
  other: McpCallDetail,
  picks: readonly boolean[],
): McpCallDetail {
  const keys = ['locations', 'stages', 'limits', 'approval'] as const
  const mixed = Object.fromEntries(keys.map((key, i) => [key, (picks[i] ? other : from)[key]]))
  const t = { ...from.arguments?.['t'] }
  for (const [path, condition_] of Object.entries(other.arguments?.['t'] ?? {})) {
    if (picks[4] && (picks[5] || path in t)) t[path] = condition_
  }
  const actions = picks[6] ? from.actions.slice(0, 1) : from.actions
  return only({
    ...mixed,
    type: 'mcp_call',
    actions,
    arguments: {
      t: actions.includes('tools/call:t') ? t : undefined,
      'resources/read': actions.includes('resources/read')
        ? (picks[7] ? other : from).arguments?.['resources/read']
        : undefined,
    },
  })
}

const SCALARS: readonly Scalar[] = [...TEXTS, ...NUMBERS, true]
/** What can stand at a path: every scalar, and every list of up to two. */
const CANDIDATES: readonly (readonly Scalar[])[] = [
  ...SCALARS.map((one) => [one]),
  ...SCALARS.flatMap((one) => SCALARS.map((two) => [one, two])),
]

/** A call that is likely to be covered by `by`: where it asks for something, something that meets it. */
function likely(by: McpCallDetail, from: CallFacts, seed: number): CallFacts {
  const action = by.actions[seed % by.actions.length] ?? from.action
  const filled: Record<string, Json | undefined> = { ...from.arguments }
  if (by.limits?.sum !== undefined && seed % 3 > 0) filled['amount'] = seed % 11
  for (const [path, asked] of Object.entries(conditionsOn(by, action))) {
    const fitting = CANDIDATES.filter((values) => meets(values, asked))
    const values = fitting[seed % Math.max(1, fitting.length)] ?? []
    if (path === 'to[].email') filled['to'] = values.map((email) => ({ email }))
    else filled[path] = values.length === 1 ? (values[0] as Json) : values
  }
  const stage = by.stages === undefined ? from.stage : (by.stages[0] ?? null)
  return { ...from, action, location: by.locations[0] ?? A, stage, arguments: filled }
}

const picks = fc.array(fc.boolean(), { minLength: 8, maxLength: 8 })

test('INVARIANT (narrowing): what a contained intent covers, the containing one covers', () => {
  let contained = 0
  let covered = 0
  const calls = fc.array(fc.tuple(call, fc.nat()), { minLength: 8, maxLength: 8 })
  fc.assert(
    fc.property(detail, detail, picks, calls, (first, other, picked, facts) => {
      const below = variant(first, other, picked)
      const above = picked[0] === picked[1] ? [first] : [first, other]
      if (!contains(above, [below]).ok) return
      contained++
      for (const [any, seed] of facts) {
        for (const asked of [any, likely(below, any, seed)]) {
          if (covers([below], asked).detail === undefined) continue
          covered++
          const covering = coveringDetails(above, asked).map((index) => above[index])
          assert.ok(covering.length > 0, 'covered below and not above')
          const accepted = covering.some(
            (d) => d?.approval === undefined || d.approval.by === below.approval?.by,
          )
          assert.ok(accepted, 'nobody who approves above approves below')
        }
      }
    }),
    { numRuns: 10_000 },
  )
  assert.ok(contained > 1_000, `expected containment to be met often, got ${contained}`)
  assert.ok(covered > 1_000, `expected coverage to be met often, got ${covered}`)
})

test('INVARIANT (narrowing): containment is transitive along random chains, so chains never widen', () => {
  let chains = 0
  fc.assert(
    fc.property(detail, fc.tuple(detail, picks), fc.tuple(detail, picks), (first, x, y) => {
      const second = variant(first, ...x)
      const third = variant(second, ...y)
      if (!contains([first], [second]).ok || !contains([second], [third]).ok) return
      chains++
      assert.deepEqual(contains([first], [third]), { ok: true, value: undefined })
    }),
    { numRuns: 10_000 },
  )
  assert.ok(chains > 200, `expected chains to be met often, got ${chains}`)
})

test('every intent contains itself, and each part of itself', () => {
  fc.assert(
    fc.property(fc.array(detail, { minLength: 1, maxLength: 4 }), (details) => {
      assert.deepEqual(contains(details, details), { ok: true, value: undefined })
      for (const one of details) assert.equal(contains(details, [one]).ok, true)
    }),
  )
})

const PARENT = {
  type: 'mcp_call',
  locations: [A, B],
  actions: ['tools/call:t', 'tools/call:u'],
  arguments: { t: { path: { prefix: '/a' } } },
  stages: STAGES,
  limits: { calls: 5, sum: { amount: 100 }, until: 100 },
  approval: { by: PARTNERS },
}

const CHANGES: readonly (readonly [string, object, string | undefined])[] = [
  ['nothing', {}, undefined],
  ['one server', { locations: [B] }, undefined],
  ['another server', { locations: [A, 'http://127.0.0.1:8787/mcp/c'] }, 'location'],
  ['one tool', { actions: ['tools/call:t'] }, undefined],
  ['another tool', { actions: ['tools/call:t', 'tools/call:v'] }, 'action'],
  ['one stage', { stages: ['draft'] }, undefined],
  ['another stage', { stages: ['draft', 'file'] }, 'stages'],
  ['all stages', { stages: undefined }, 'stages'],
  ['no approver', { approval: undefined }, 'approval'],
  ['another approver', { approval: { by: PAUL } }, 'approval'],
  ['fewer calls', { limits: { calls: 4, sum: { amount: 100 }, until: 100 } }, undefined],
  ['more calls', { limits: { calls: 6, sum: { amount: 100 }, until: 100 } }, 'limits'],
  ['calls without limit', { limits: { sum: { amount: 100 }, until: 100 } }, 'limits'],
  ['a larger sum', { limits: { calls: 5, sum: { amount: 101 }, until: 100 } }, 'limits'],
  ['no sum', { limits: { calls: 5, until: 100 } }, 'limits'],
  ['a later end', { limits: { calls: 5, sum: { amount: 100 }, until: 101 } }, 'limits'],
  ['a narrower argument', { arguments: { t: { path: { prefix: '/a/b' } } } }, undefined],
  ['a wider argument', { arguments: { t: { path: { prefix: '/' } } } }, 'arguments'],
  ['no argument', { arguments: {} }, 'arguments'],
  [
    'an argument that is not mentioned above',
    { arguments: { t: { path: { prefix: '/a' }, copy_to: { equals: '/a' } } } },
    'arguments',
  ],
]

for (const [name, change, facet] of CHANGES) {
  test(`${name} ${facet === undefined ? 'is contained' : `has wider ${facet}`}`, () => {
    const result = contains([only(PARENT)], [only({ ...PARENT, ...change })])
    assert.equal(result.ok, facet === undefined)
    if (!result.ok) {
      assert.equal(result.error.reason, 'not_contained')
      assert.match(result.error.message, new RegExp(`has wider ${facet} than what is above it$`))
    }
  })
}

test('one detail below may lie in several above, by action', () => {
  const above = [
    only({ ...PARENT, actions: ['tools/call:t'] }),
    only({ ...PARENT, actions: ['tools/call:u'], arguments: {} }),
  ]
  assert.equal(contains(above, [only(PARENT)]).ok, true)
})
