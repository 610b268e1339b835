/** Runs the tests of policies against compiled sets. Call `runTests`; every publish does. */

import type { Verdict } from '../audit/entry.ts'
import { silentDiagnostics } from '../base/diagnostics.ts'
import { decide, type Decision } from '../decision/decide.ts'
import { decideOperation } from '../decision/decide-operation.ts'
import type { PolicySets } from '../decision/policy-set.ts'
import { isPropertyFile } from './counterexample.ts'
import { parseTests, type Expected, type PolicyTest } from './test-file.ts'
import type { TestTexts } from './version.ts'

/** How tests went. */
export interface TestReport {
  readonly passed: number
  readonly failures: readonly TestFailure[]
  /** Files that could not be read as tests. */
  readonly invalid: readonly string[]
}

/** A test that did not come out as expected. */
export interface TestFailure {
  readonly file: string
  readonly name: string
  /** What was expected and what was got. */
  readonly message: string
}

/** Runs every test of every file; properties are tried elsewhere (`counterexample.ts`). */
export function runTests(tests: TestTexts, policies: PolicySets): TestReport {
  let passed = 0
  const failures: TestFailure[] = []
  const invalid: string[] = []
  for (const [file, text] of Object.entries(tests)) {
    if (isPropertyFile(file)) continue
    const parsed = parsedTests(file, text)
    if (typeof parsed === 'string') invalid.push(parsed)
    else {
      for (const one of parsed) {
        const message = failureOf(one, policies)
        if (message === undefined) passed++
        else failures.push({ file, name: one.name, message })
      }
    }
  }
  return { passed, failures, invalid }
}

function parsedTests(file: string, text: string): PolicyTest[] | string {
  try {
    return parseTests(text)
  } catch (cause) {
    const [issue] = (cause as { issues?: { path: PropertyKey[]; message: string }[] }).issues ?? []
    const problem =
      issue === undefined ? String(cause) : `\`${issue.path.join('.')}\`: ${issue.message}`
    return `${file}: ${problem}`
  }
}

/** What came of the question of a test: the outcome, and who said so. */
interface Got {
  readonly outcome: string
  readonly constraint?: string | undefined
  readonly reason?: string | undefined
  readonly policies: readonly string[]
}

function failureOf(one: PolicyTest, policies: PolicySets): string | undefined {
  const got = one.kind === 'call' ? decided(one, policies) : operated(one.request, policies)
  const asExpected = (['outcome', 'constraint', 'reason'] as const).every(
    (member) => one.expect[member] === undefined || one.expect[member] === got[member],
  )
  const { policy } = one.expect
  if (asExpected && (policy === undefined || got.policies.includes(policy))) return undefined
  return `expected ${said(one.expect)}, got ${said(got)} by ${list(got.policies)}`
}

function decided(
  { request, only }: Extract<PolicyTest, { kind: 'call' }>,
  policies: PolicySets,
): Got {
  const decision = decide(request, policies, { diagnostics: silentDiagnostics })
  const { outcome, constraint, reason, verdicts } = decision
  if (only !== undefined) return saidBy(only, decision)
  const saying = verdicts.filter((verdict) => verdict.effect === outcome)
  return { outcome, constraint, reason, policies: saying.flatMap((verdict) => verdict.policies) }
}

/** What one set says, each of its subjects counted, the worst first. */
function saidBy(only: Verdict['constraint'], { verdicts }: Decision): Got {
  const own = verdicts.filter(({ constraint }) => constraint === only)
  const worst = (['deny', 'step_up', 'approval_required'] as const).find((effect) =>
    own.some((verdict) => verdict.effect === effect),
  )
  const outcome = worst ?? 'permit'
  const saying = own.filter((verdict) => verdict.effect === outcome)
  return {
    outcome,
    ...(worst !== undefined && { constraint: only }),
    policies: saying.flatMap((verdict) => verdict.policies),
  }
}

function operated(request: Parameters<typeof decideOperation>[0], policies: PolicySets): Got {
  return decideOperation(request, policies)
}

function said({
  outcome,
  constraint,
  reason,
  policy,
}: Partial<Expected> | (Got & { policy?: string })): string {
  const by = constraint === undefined ? '' : ` by ${constraint}`
  const because = reason === undefined ? '' : ` (${reason})`
  const through = policy === undefined ? '' : ` through \`${policy}\``
  return `${outcome}${by}${because}${through}`
}

function list(policies: readonly string[]): string {
  return policies.length === 0 ? 'no policy' : policies.map((id) => `\`${id}\``).join(', ')
}
