import assert from 'node:assert/strict'
import { test } from 'node:test'
import { policyToJson } from '@cedar-policy/cedar-wasm/nodejs'
import { byKey, entity } from './entities.ts'
import { mentionedContext, mentionedEntities, mentionsOf } from './mentions.ts'
import { CedarSet, EntityUid, type Value } from './value.ts'

function mentions(...conditions: string[]): { context: unknown; entities: string[] } {
  const policies = conditions.map((condition) => {
    const answer = policyToJson(`permit (principal, action, resource) ${condition};`)
    assert(answer.type === 'success', condition)
    return answer.json
  })
  const { context, entities } = mentionsOf(policies)
  return { context: typeof context === 'string' ? context : [...context], entities: [...entities] }
}

const CASES: readonly (readonly [condition: string, context: unknown, entities: string[]])[] = [
  ['', [], []],
  ['when { context.a == 1 }', ['a'], []],
  ['when { context has b } unless { context["c d"] }', ['b', 'c d'], []],
  ['when { context has intent.approver }', ['intent'], []],
  ['when { context.intent.approver == "context" }', ['intent'], []],
  ['when { [1, context.a].contains(if context has b then 1 else context.c) }', ['a', 'b', 'c'], []],
  ['when { {x: context.a}.x == 1 }', ['a'], []],
  ['when { {x: context}.x.a == 1 }', 'everything', []],
  ['when { context == {a: 1} }', 'everything', []],
  ['when { context.a && (if true then context else context).b }', 'everything', []],
  ['when { principal.a == resource.b }', [], []],
  ['when { Group::"x" in [Group::"y"] }', [], ['Group x', 'Group y']],
  ['when { context.person is Person in Group::"z" }', ['person'], ['Group z']],
  ['when { {".": 1, "Var": 2, "has": {left: context.a}}["has"].left == 1 }', ['a'], []],
]

for (const [condition, context, entities] of CASES) {
  test(`what it can look at: ${condition === '' ? 'nothing' : condition}`, () => {
    assert.deepEqual(mentions(condition), { context, entities })
  })
}

const uid = (id: string): EntityUid => new EntityUid('Thing', id)

test('what is mentioned is handed over with all that can be arrived at, and nothing else', () => {
  const [a, b, c, d, e, f] = ['a', 'b', 'c', 'd', 'e', 'f'].map(uid) as [
    EntityUid,
    EntityUid,
    EntityUid,
    EntityUid,
    EntityUid,
    EntityUid,
  ]
  const request = {
    principal: a,
    action: new EntityUid('Action', 'read'),
    resource: b,
    context: new Map<string, Value>([
      ['friends', new CedarSet([c])],
      ['enemy', f],
    ]),
    entities: byKey([
      entity(a, { of: new Map([['deep', d]]) }),
      entity(b),
      entity(c, { back: a }),
      entity(d, { self: d }),
      entity(e),
      entity(f),
    ]),
  }
  const handed = (context: ReadonlySet<string> | 'everything', named: string[]): string[] => {
    const what = { context, entities: new Set(named) }
    const facts = mentionedContext(request, what)
    return mentionedEntities(request, facts, what)
      .map((one) => one.uid.id)
      .toSorted()
  }
  assert.deepEqual(handed(new Set(), []), ['a', 'b', 'd'])
  assert.deepEqual(handed(new Set(['friends']), []), ['a', 'b', 'c', 'd'])
  assert.deepEqual(handed(new Set(['other']), [e.key, 'Thing unknown']), ['a', 'b', 'd', 'e'])
  assert.deepEqual(handed('everything', []), ['a', 'b', 'c', 'd', 'f'])
})
