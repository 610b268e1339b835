/**
 * The compiled evaluator against Cedar itself, on generated policies and requests.
 *
 * Policies are generated as typed expressions with some operands of a wrong type, so that errors are
 * compared as well; they pass through Cedar's text form on their way to the compiler.
 *
 * `BEHALF_DIFFERENTIAL_RUNS=50000 node --test src/decision/differential.test.ts` runs longer, and
 * `BEHALF_SEED` repeats a run.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  isAuthorized,
  policyToJson,
  policyToText,
  preparsePolicySet,
  statefulIsAuthorized,
  type CedarValueJson,
  type Expr,
  type PolicyJson,
} from '@cedar-policy/cedar-wasm/nodejs'
import fc from 'fast-check'
import { compilePolicy } from './compile.ts'
import { CONSTRUCTORS } from './extension.ts'
import type { CedarRequest } from './expression.ts'
import { evaluate, type Policy, type PolicySet } from './policy-set.ts'
import { file, type ScopeIndex } from './scope.ts'
import { toJson } from './oracle.ts'
import { CedarSet, EntityUid, type Entity, type Value } from './value.ts'

const RUNS = Number(process.env['BEHALF_DIFFERENTIAL_RUNS'] ?? 1_000)
const SEED = process.env['BEHALF_SEED']
const REQUESTS_PER_SET = 5
const bounded = {
  numRuns: RUNS,
  ...(SEED === undefined ? {} : { seed: Number(SEED) }),
  ...(RUNS > 1_000 ? {} : { interruptAfterTimeLimit: 8_000, markInterruptAsFailure: false }),
}

// The universe: a few entities of three types, attributes of every type of value.
const TYPES = ['User', 'Group', 'Thing'] as const
const IDS = ['a', 'b', 'c d'] as const
const uid = fc
  .tuple(fc.constantFrom(...TYPES), fc.constantFrom(...IDS))
  .map(([type, id]) => new EntityUid(type, id))
const ATTRIBUTES = [
  'bool',
  'long',
  'text',
  'entity',
  'set',
  'record',
  'when',
  'span',
  'money',
] as const
const longText = fc.constantFrom('', 'a', 'ab', 'abab', 'a*b', 'A', 'é', '😀', '__proto__')
const long = fc.oneof(
  fc.integer({ min: -3, max: 3 }),
  fc.constantFrom(Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER),
)
const decimalText = fc.constantFrom('0.0', '1.5', '-1.5000', '922337203685477.5807', '0.0001')
const datetimeText = fc.constantFrom(
  '1970-01-01',
  '2026-02-28T23:59:59Z',
  '2024-02-29T00:00:00.001+0530',
  '1969-12-31T23:59:59.999-1200',
  '0000-01-01',
  '9999-12-31T23:59:59.999Z',
)
const durationText = fc.constantFrom('0ms', '1d', '-1d2h3m4s5ms', '25h', '106751991167d')

const value: fc.Arbitrary<Value> = fc.letrec<{ value: Value }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.boolean(),
    long.map(BigInt),
    longText,
    uid,
    decimalText.map((text) => CONSTRUCTORS['decimal']?.(text) ?? false),
    datetimeText.map((text) => CONSTRUCTORS['datetime']?.(text) ?? false),
    durationText.map((text) => CONSTRUCTORS['duration']?.(text) ?? false),
    fc.array(tie('value'), { maxLength: 3 }).map((values) => new CedarSet(values)),
    fc
      .dictionary(fc.constantFrom(...ATTRIBUTES), tie('value'), { maxKeys: 3 })
      .map((members) => new Map(Object.entries(members))),
  ),
})).value

/** A record whose attributes mostly have the type that their name promises. */
const attributes: fc.Arbitrary<ReadonlyMap<string, Value>> = fc
  .record(
    {
      bool: fc.oneof({ arbitrary: fc.boolean(), weight: 9 }, { arbitrary: value, weight: 1 }),
      long: fc.oneof({ arbitrary: long.map(BigInt), weight: 9 }, { arbitrary: value, weight: 1 }),
      text: fc.oneof({ arbitrary: longText, weight: 9 }, { arbitrary: value, weight: 1 }),
      entity: fc.oneof({ arbitrary: uid, weight: 9 }, { arbitrary: value, weight: 1 }),
      set: fc.array(value, { maxLength: 3 }).map((values) => new CedarSet(values)),
      record: fc
        .dictionary(fc.constantFrom(...ATTRIBUTES), value, { maxKeys: 3 })
        .map((members) => new Map(Object.entries(members))),
      when: datetimeText.map((text) => CONSTRUCTORS['datetime']?.(text) ?? false),
      span: durationText.map((text) => CONSTRUCTORS['duration']?.(text) ?? false),
      money: decimalText.map((text) => CONSTRUCTORS['decimal']?.(text) ?? false),
    },
    { requiredKeys: [] },
  )
  .map((members) => new Map(Object.entries(members) as [string, Value][]))

interface Universe {
  readonly request: CedarRequest
  readonly parents: ReadonlyMap<string, readonly EntityUid[]>
}

/** Entities in an acyclic hierarchy (a parent comes later in the list) and a request over them. */
const universe: fc.Arbitrary<Universe> = fc
  .record({
    all: fc.shuffledSubarray(TYPES.flatMap((type) => IDS.map((id) => new EntityUid(type, id)))),
    links: fc.array(fc.tuple(fc.nat(8), fc.nat(8)), { maxLength: 6 }),
    records: fc.array(attributes, { minLength: 9, maxLength: 9 }),
    principal: uid,
    resource: uid,
    action: fc.constantFrom('read', 'write'),
    context: attributes,
  })
  .map(({ all, links, records, principal, resource, action, context }) => {
    const parents = new Map<string, EntityUid[]>()
    for (const [child, parent] of links) {
      const [low, high] = [all[Math.min(child, parent)], all[Math.max(child, parent)]]
      if (low === undefined || high === undefined || low === high) continue
      parents.set(low.key, [...(parents.get(low.key) ?? []), high])
    }
    const read = new EntityUid('Action', action)
    parents.set(read.key, [new EntityUid('Action', 'any')])
    const ancestors = (of: EntityUid): EntityUid[] =>
      (parents.get(of.key) ?? []).flatMap((parent) => [parent, ...ancestors(parent)])
    const entities = [...all, read].map((one, i): Entity => ({
      uid: one,
      attributes: one === read ? new Map() : (records[i] ?? new Map()),
      ancestors: new Map(ancestors(one).map((parent) => [parent.key, parent])),
    }))
    const request = { principal, resource, action: read, context }
    return {
      request: { ...request, entities: new Map(entities.map((e) => [e.uid.key, e])) },
      parents,
    }
  })

// Expressions, by the type that they should have.
type Type = (typeof ATTRIBUTES)[number]
const expressions = fc.letrec<Record<Type | 'any', Expr>>((tie) => {
  const sized = { depthSize: 'small', maxDepth: 4 } as const
  const of = (type: Type): fc.Arbitrary<Expr> =>
    fc.oneof({ arbitrary: tie(type), weight: 19 }, { arbitrary: tie('any'), weight: 1 })
  const binary = (operator: string, left: Type, right: Type): fc.Arbitrary<Expr> =>
    fc
      .record({ left: of(left), right: of(right) })
      .map((sides) => ({ [operator]: sides }) as unknown as Expr)
  const unary = (operator: string, type: Type): fc.Arbitrary<Expr> =>
    of(type).map((arg) => ({ [operator]: { arg } }) as unknown as Expr)
  const call = (method: string, ...types: Type[]): fc.Arbitrary<Expr> =>
    fc.tuple(...types.map(of)).map((operands) => ({ [method]: operands }) as Expr)
  const literal = (values: fc.Arbitrary<CedarValueJson>): fc.Arbitrary<Expr> =>
    values.map((v) => ({ Value: v }))
  const constructed = (name: string, texts: fc.Arbitrary<string>): fc.Arbitrary<Expr> =>
    texts.map((text) => ({ [name]: [{ Value: text }] }) as Expr)
  const attribute = (name: Type): fc.Arbitrary<Expr> =>
    fc.oneof(tie('entity'), tie('record')).map((left): Expr => ({ '.': { left, attr: name } }))
  const choice = (type: Type): fc.Arbitrary<Expr> =>
    fc
      .record({ if: of('bool'), then: of(type), else: of(type) })
      .map((parts): Expr => ({ 'if-then-else': parts }))
  const entityLiteral = literal(uid.map(({ type, id }) => ({ __entity: { type, id } })))
  const same = fc.constantFrom<Type>(...ATTRIBUTES)
  return {
    bool: fc.oneof(
      sized,
      literal(fc.boolean()),
      attribute('bool'),
      same.chain((type) => binary('==', type, type)),
      same.chain((type) => binary('!=', type, type)),
      ...['<', '<=', '>', '>='].flatMap((operator) => [
        binary(operator, 'long', 'long'),
        binary(operator, 'when', 'when'),
        binary(operator, 'span', 'span'),
      ]),
      ...['&&', '||'].map((operator) => binary(operator, 'bool', 'bool')),
      unary('!', 'bool'),
      unary('isEmpty', 'set'),
      binary('in', 'entity', 'entity'),
      binary('in', 'entity', 'set'),
      same.chain((type) => binary('contains', 'set', type)),
      binary('containsAll', 'set', 'set'),
      binary('containsAny', 'set', 'set'),
      fc
        .tuple(
          fc.oneof(tie('entity'), tie('record')),
          fc.array(same, { minLength: 1, maxLength: 3 }),
        )
        .map(
          ([left, path]) => ({ has: { left, attr: path.length === 1 ? path[0] : path } }) as Expr,
        ),
      fc
        .tuple(
          of('text'),
          fc.array(
            fc.oneof(
              fc.constant('Wildcard' as const),
              longText.map((Literal) => ({ Literal })),
            ),
            { maxLength: 4 },
          ),
        )
        .map(([left, pattern]): Expr => ({ like: { left, pattern } })),
      fc
        .tuple(of('entity'), fc.constantFrom(...TYPES), fc.option(of('entity')))
        .map(([left, entity_type, within]): Expr => ({
          is: within === null ? { left, entity_type } : { left, entity_type, in: within },
        })),
      call('lessThan', 'money', 'money'),
      call('lessThanOrEqual', 'money', 'money'),
      call('greaterThan', 'money', 'money'),
      call('greaterThanOrEqual', 'money', 'money'),
      choice('bool'),
    ),
    long: fc.oneof(
      sized,
      literal(long),
      attribute('long'),
      ...['+', '-', '*'].map((operator) => binary(operator, 'long', 'long')),
      unary('neg', 'long'),
      ...['toMilliseconds', 'toSeconds', 'toMinutes', 'toHours', 'toDays'].map((m) =>
        call(m, 'span'),
      ),
      choice('long'),
    ),
    text: fc.oneof(sized, literal(longText), attribute('text'), choice('text')),
    entity: fc.oneof(
      sized,
      fc.constantFrom<Expr>({ Var: 'principal' }, { Var: 'resource' }, { Var: 'action' }),
      entityLiteral,
      attribute('entity'),
    ),
    set: fc.oneof(
      sized,
      fc.array(entityLiteral, { maxLength: 3 }).map((members): Expr => ({ Set: members })),
      same
        .chain((type) => fc.array(of(type), { maxLength: 3 }))
        .map((members): Expr => ({ Set: members })),
      attribute('set'),
    ),
    record: fc.oneof(
      sized,
      fc.constant<Expr>({ Var: 'context' }),
      attribute('record'),
      fc
        .record(Object.fromEntries(ATTRIBUTES.slice(0, 4).map((name) => [name, of(name)])), {
          requiredKeys: [],
        })
        .map((members): Expr => ({ Record: members as Record<string, Expr> })),
    ),
    when: fc.oneof(
      sized,
      constructed('datetime', datetimeText),
      attribute('when'),
      call('offset', 'when', 'span'),
      call('toDate', 'when'),
    ),
    span: fc.oneof(
      sized,
      constructed('duration', durationText),
      attribute('span'),
      call('durationSince', 'when', 'when'),
      call('toTime', 'when'),
    ),
    money: fc.oneof(sized, constructed('decimal', decimalText), attribute('money')),
    any: same.chain((type) => tie(type)),
  }
})

const named = uid.map(({ type, id }) => ({ type, id }))
const entityScope = fc.oneof(
  fc.constant({ op: 'All' } as const),
  fc.constant({ op: 'All' } as const),
  named.map((entity) => ({ op: '==', entity }) as const),
  named.map((entity) => ({ op: 'in', entity }) as const),
  fc.constantFrom(...TYPES).map((entity_type) => ({ op: 'is', entity_type }) as const),
  fc
    .tuple(fc.constantFrom(...TYPES), named)
    .map(([entity_type, entity]) => ({ op: 'is', entity_type, in: { entity } }) as const),
)
const actionUid = (id: string): { type: string; id: string } => ({ type: 'Action', id })
const actionScope = fc.oneof(
  fc.constant({ op: 'All' } as const),
  fc.constantFrom('read', 'write').map((id) => ({ op: '==', entity: actionUid(id) }) as const),
  fc.constantFrom('read', 'any').map((id) => ({ op: 'in', entity: actionUid(id) }) as const),
  fc.constant({ op: 'in', entities: [actionUid('read'), actionUid('any')] } as const),
)
const policy: fc.Arbitrary<PolicyJson> = fc.record({
  effect: fc.constantFrom('permit' as const, 'forbid' as const),
  principal: entityScope,
  action: actionScope,
  resource: entityScope,
  conditions: fc.array(
    fc.record({
      kind: fc.constantFrom('when' as const, 'unless' as const),
      body: expressions.bool,
    }),
    { maxLength: 2 },
  ),
}) as fc.Arbitrary<PolicyJson>

function compiledSet(texts: readonly string[]): PolicySet {
  const policies = new Map<string, Policy>()
  const index: ScopeIndex<Policy> = new Map()
  for (const [i, text] of texts.entries()) {
    const answer = policyToJson(text)
    assert(answer.type === 'success')
    const json = { ...answer.json, annotations: { id: `p${i}` } }
    const one = compilePolicy(text, json, (problem) => assert.fail(problem))
    policies.set(one.id, one)
    file(index, json, one)
  }
  return { name: 'agent', version: 'sha256:', policies, index }
}

/** What Cedar itself says of a parsed set. */
function cedarSays({ request, parents }: Universe): unknown {
  const answer = statefulIsAuthorized({
    principal: { type: request.principal.type, id: request.principal.id },
    action: { type: 'Action', id: request.action.id },
    resource: { type: request.resource.type, id: request.resource.id },
    context: Object.fromEntries([...request.context].map(([name, v]) => [name, toJson(v)])),
    preparsedPolicySetId: 'differential',
    entities: [...request.entities.values()].map((one) => ({
      uid: { type: one.uid.type, id: one.uid.id },
      attrs: Object.fromEntries([...one.attributes].map(([name, v]) => [name, toJson(v)])),
      parents: (parents.get(one.uid.key) ?? []).map(({ type, id }) => ({ type, id })),
    })),
  })
  assert(answer.type === 'success', JSON.stringify(answer))
  const { decision, diagnostics } = answer.response
  return {
    decision,
    reasons: diagnostics.reason.toSorted(),
    errors: diagnostics.errors.map(({ policyId }) => policyId).toSorted(),
  }
}

function weSay(set: PolicySet, { request }: Universe): unknown {
  const { permits, forbids, errors } = evaluate(set, request)
  const decision = permits.length > 0 && forbids.length === 0 ? 'allow' : 'deny'
  const reasons = (decision === 'allow' ? permits : forbids).map(({ id }) => id)
  return { decision, reasons, errors: errors.map(({ id }) => id) }
}

test('the compiled evaluator says what Cedar says, errors included', () => {
  let [asked, allowed, erred] = [0, 0, 0]
  fc.assert(
    fc.property(
      fc.array(policy, { minLength: 1, maxLength: 4 }),
      fc.array(universe, { minLength: REQUESTS_PER_SET, maxLength: REQUESTS_PER_SET }),
      (policies, universes) => {
        const texts = policies.map((json) => {
          const answer = policyToText(json)
          assert(answer.type === 'success', JSON.stringify(answer))
          return answer.text
        })
        const set = compiledSet(texts)
        const staticPolicies = Object.fromEntries(texts.map((text, i) => [`p${i}`, text]))
        assert.equal(preparsePolicySet('differential', { staticPolicies }).type, 'success')
        for (const one of universes) {
          const ours = weSay(set, one) as { decision: string; errors: string[] }
          assert.deepEqual(ours, cedarSays(one), texts.join('\n'))
          asked++
          if (ours.decision === 'allow') allowed++
          if (ours.errors.length > 0) erred++
        }
      },
    ),
    bounded,
  )
  // A generator that only ever denies, or never errs, would compare nothing.
  assert(
    allowed > asked / 50 && erred > asked / 50,
    `${allowed} allowed, ${erred} erred of ${asked}`,
  )
})

test('extension values are well-formed exactly when Cedar says so, and equal when Cedar says so', () => {
  const digits = fc.integer({ min: 0, max: 99 }).map((n) => String(n).padStart(2, '0'))
  const arbitrary = {
    decimal: fc
      .tuple(
        fc.constantFrom('', '-', '+'),
        fc.bigInt({ min: 0n, max: 10n ** 16n }),
        fc.stringMatching(/^(\.[0-9]{0,5})?$/),
      )
      .map((parts) => parts.join('')),
    datetime: fc
      .tuple(
        fc.constantFrom('2026-', '2023-', '0000-', '12026-', '-2026-'),
        digits,
        fc.constant('-'),
        digits,
        fc.constantFrom(
          '',
          'Z',
          'T',
          'T00:00:00Z',
          'T23:59:60Z',
          'T24:00:00Z',
          'T12:30:00.5Z',
          'T12:30:00.123Z',
          'T12:30:00',
          'T12:30:00+0000',
          'T12:30:00-2359',
          'T12:30:00+2400',
          'T12:30:00+0060',
          'T12:30:00z',
        ),
      )
      .map((parts) => parts.join('')),
    duration: fc
      .tuple(
        fc.constantFrom('', '-', '+'),
        fc.array(
          fc.tuple(
            fc.bigInt({ min: 0n, max: 10n ** 19n }),
            fc.constantFrom('d', 'h', 'm', 's', 'ms', ''),
          ),
          { maxLength: 4 },
        ),
      )
      .map(([sign, parts]) => sign + parts.flat().join('')),
  }
  for (const [name, texts] of Object.entries(arbitrary)) {
    fc.assert(
      fc.property(texts, texts, (a, b) => {
        const [x, y] = [CONSTRUCTORS[name]?.(a), CONSTRUCTORS[name]?.(b)]
        const ask = (condition: string): unknown => {
          const answer = isAuthorized({
            principal: { type: 'User', id: 'a' },
            action: actionUid('read'),
            resource: { type: 'User', id: 'a' },
            context: {},
            entities: [],
            policies: {
              staticPolicies: { p: `permit(principal, action, resource) when { ${condition} };` },
            },
          })
          assert(answer.type === 'success')
          return answer.response.diagnostics.errors.length > 0 ? 'error' : answer.response.decision
        }
        const quote = (text: string): string => `${name}(${JSON.stringify(text)})`
        assert.equal(ask(`${quote(a)} == ${quote(a)}`), x === undefined ? 'error' : 'allow', a)
        if (x === undefined || y === undefined) return
        assert.equal(ask(`${quote(a)} == ${quote(b)}`), x.amount === y.amount ? 'allow' : 'deny')
      }),
      {
        ...bounded,
        numRuns: Math.min(RUNS, 1_000) / 2,
        ...(RUNS > 1_000 ? {} : { interruptAfterTimeLimit: 2_000 }),
      },
    )
  }
})
