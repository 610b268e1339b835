import assert from 'node:assert/strict'
import { test } from 'node:test'
import { must } from '../base/result.ts'
import { compilePolicies } from '../decision/compile.ts'
import { listLibrary, withPiece } from './library.ts'
import { lint } from './lint.ts'
import { runTests } from './run-tests.ts'
import { defaultPolicies } from './sources.ts'
import { widening } from './widening.ts'

/** Sets that permit everything, so that what denies is the piece. */
const PERMISSIVE = {
  ...(await defaultPolicies()),
  agent: '@id("all") permit (principal, action, resource);',
  person: '@id("all") permit (principal, action, resource);',
  guardrail: '@id("base") permit (principal, action, resource);',
}
const pieces = await listLibrary()

test('the library has what an office begins with', () => {
  assert.deepEqual(
    pieces.map(({ name }) => name),
    [
      'confidentiality-guard',
      'domain-allow-list',
      'draft-only',
      'new-tool-probation',
      'read-only',
      'sandbox-tier',
      'spending-limit',
      'two-person-rule',
      'untrusted-egress-guard',
      'working-hours',
    ],
  )
})

for (const piece of pieces) {
  test(`${piece.name} passes its tests, and they fail without it`, async () => {
    const policies = must(
      compilePolicies({ ...PERMISSIVE, ...(await withPiece(PERMISSIVE, piece)) }),
    )
    const { passed, failures, invalid } = runTests(piece.tests, policies)
    assert.deepEqual({ failures, invalid }, { failures: [], invalid: [] })
    assert.ok(passed > 2)
    const bare = runTests(piece.tests, must(compilePolicies(PERMISSIVE)))
    assert.ok(bare.failures.length > 0)
  })

  test(`${piece.name} loads beside the product's own policies, only narrows, and says what it costs`, async () => {
    const defaults = await defaultPolicies()
    const policies = must(compilePolicies({ ...defaults, ...(await withPiece(defaults, piece)) }))
    assert.deepEqual(widening(must(compilePolicies(defaults)), policies), [])
    const found = lint(policies).filter(
      ({ rule }) => rule === 'shadowed' || rule === 'never_matches',
    )
    assert.deepEqual(found, [])
    assert.match(piece.about, /Costs its users: .+\./s)
  })
}
