import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { silentDiagnostics } from '../base/diagnostics.ts'
import { must } from '../base/result.ts'
import { compilePolicies } from '../decision/compile.ts'
import { decide } from '../decision/decide.ts'
import { defaultPolicies } from './sources.ts'
import { parseTests } from './test-file.ts'
import { widening } from './widening.ts'

const ALL = '@id("all") permit (principal, action, resource);'
const defaults = await defaultPolicies()
const compiled = (agent: string) => must(compilePolicies({ ...defaults, agent, person: ALL }))

const NO = '@id("no") forbid (principal, action, resource in ToolClass::"money");'
const SOFT =
  '@id("no") @require("approval") forbid (principal, action, resource in ToolClass::"money") unless { context has approval };'
const ERRS = '@id("errs") permit (principal, action, resource) when { context.chain + 1 > 0 };'

const CASES: readonly (readonly [
  name: string,
  from: string,
  to: string,
  want: readonly string[],
])[] = [
  ['the same', ALL, ALL, []],
  ['a permit less', `${ALL} ${NO}`, NO, []],
  ['a forbid more', ALL, `${ALL} ${NO}`, []],
  ['another reason and order', `${NO} ${ALL}`, `@reason("x") ${ALL} ${NO}`, []],
  ['a permit more', NO, `${ALL} ${NO}`, ['`agent`: the permit `all` would be added']],
  ['a forbid less', `${ALL} ${NO}`, ALL, ['`agent`: the forbid `no` would be gone']],
  [
    'a hard forbid made soft',
    `${ALL} ${NO}`,
    `${ALL} ${SOFT}`,
    ['`agent`: the forbid `no` would be gone'],
  ],
  [
    'a permit less that denies where it errs',
    `${ALL} ${ERRS}`,
    ALL,
    ['`agent`: `errs`, which denies where it errs, would be gone'],
  ],
]

for (const [name, from, to, want] of CASES) {
  test(`${name}: ${want.length === 0 ? 'certainly no wider' : 'perhaps wider'}`, () => {
    assert.deepEqual(widening(compiled(from), compiled(to)), want)
  })
}

const CLASSES = ['read', 'write', 'egress', 'destructive', 'money'] as const
const policy = fc
  .record({
    effect: fc.constantFrom('permit', 'forbid'),
    on: fc.constantFrom('resource', ...CLASSES.map((one) => `resource in ToolClass::"${one}"`)),
    when: fc.constantFrom(
      '',
      'when { context.chain < 2 }',
      'when { context.boundBy == "dpop" }',
      'when { 9007199254740991 * 9007199254740991 > context.chain }',
      'unless { context has approval }',
    ),
    soft: fc.boolean(),
  })
  .map(({ effect, on, when, soft }) =>
    soft && effect === 'forbid'
      ? `@require("approval") forbid (principal, action, ${on}) unless { context has approval };`
      : `${effect} (principal, action, ${on}) ${when};`,
  )
const set = fc
  .uniqueArray(policy, { maxLength: 4 })
  .map((policies) => policies.map((text, i) => `@id("p${i}") ${text}`).join('\n'))

const REQUESTS = parseTests(
  JSON.stringify({
    tests: CLASSES.flatMap((one) =>
      [{}, { boundBy: 'mtls' }, { approval: { by: 'per_p', entitled: 'per_p' } }].map((given) => ({
        name: one,
        given: { ...given, reviewed: { class: one } },
        when: { tool: 's/t' },
        expect: 'permit',
      })),
    ),
  }),
)

test('what is called no wider permits nothing new, over generated sets', () => {
  fc.assert(
    fc.property(set, set, (from, to) => {
      const [before, after] = [compiled(from), compiled(to)]
      if (widening(before, after).length > 0) return
      for (const one of REQUESTS) {
        if (one.kind !== 'call') continue
        const env = { diagnostics: silentDiagnostics }
        const was = decide(one.request, before, env)
        const now = decide(one.request, after, env)
        assert.ok(was.outcome === 'permit' || now.outcome !== 'permit')
      }
    }),
    { numRuns: 150 },
  )
})
