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
} from '@cedar-policy/cedar-wasm/nodejs'
import * as fc from 'fast-check'
import { digestOf } from '../base/bytes.ts'
import { compilePolicy } from './compile.ts'
import { CONSTRUCTORS } from './extension.ts'
import { evaluate, type Policy, type PolicySet } from './policy-set.ts'
import { file, type ScopeIndex } from './scope.ts'
import { askOracle, toJson } from './oracle.ts'
import { policy, type Universe, universe } from './testing.ts'

const RUNS = Number(process.env['BEHALF_DIFFERENTIAL_RUNS'] ?? 1_000)
const SEED = process.env['BEHALF_SEED']
const REQUESTS_PER_SET = 5
const bounded = {
  numRuns: RUNS,
  ...(SEED === undefined ? {} : { seed: Number(SEED) }),
  ...(RUNS > 1_000 ? {} : { interruptAfterTimeLimit: 8_000, markInterruptAsFailure: false }),
}

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
  return { name: 'agent', version: digestOf(texts.join('\n')), policies, index }
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
          // The oracle is handed only what the policies can look at, and comes to the same.
          const oracle = askOracle(set, one.request)
          assert.equal(oracle.decision, ours.decision, texts.join('\n'))
          assert.deepEqual(oracle.errors.toSorted(), ours.errors, texts.join('\n'))
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

/** What Cedar says of a condition: `allow`, `deny` or `error`. */
function ask(condition: string): unknown {
  const answer = isAuthorized({
    principal: { type: 'User', id: 'a' },
    action: { type: 'Action', id: 'read' },
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
