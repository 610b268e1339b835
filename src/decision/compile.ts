/**
 * From Cedar text to policy sets: parse, validate, compile, index.
 *
 * Call `compilePolicies`. Loading is strict: everything is refused, with every problem found, when one
 * policy has no `@id`, does not validate, can never apply, or uses what the compiler does not know. What
 * loads is evaluated exactly as Cedar would.
 */

import {
  policySetTextToParts,
  policyToJson,
  validate,
  type DetailedError,
  type PolicyJson,
  type PrincipalConstraint,
  type ResourceConstraint,
} from '@cedar-policy/cedar-wasm/nodejs'
import { digestOf, digestOfJson } from '../base/bytes.ts'
import { ok, refuse, type Result } from '../base/result.ts'
import { typeError } from './evaluation-error.ts'
import { compileExpression, type CedarRequest, type Evaluate } from './expression.ts'
import { nestingProblem } from './nesting.ts'
import {
  SET_NAMES,
  type Policy,
  type PolicySet,
  type PolicySets,
  type Requirement,
  type SetName,
} from './policy-set.ts'
import { schemaText } from './schema.ts'
import { actionsOf, entityKey, file, isWithin, uidOf, type ScopeIndex } from './scope.ts'

/** The text of each set. */
export type PolicySources = Readonly<Record<SetName, string>>

/** Why sets were not accepted: each problem names the set, the policy and what was expected. */
export interface InvalidPolicies {
  readonly reason: 'invalid_policies'
  readonly message: string
  readonly problems: readonly string[]
}

/** The largest text of a set in characters. */
export const MAX_SET_CHARACTERS = 8_000_000
/** The largest text of one policy. */
const MAX_POLICY_CHARACTERS = 20_000
const MAX_REASON_CHARACTERS = 300

/** Compiles all sets, or names every problem in any of them. */
export function compilePolicies(sources: PolicySources): Result<PolicySets, InvalidPolicies> {
  const problems: string[] = []
  const compiled = SET_NAMES.map(
    (name) => [name, compileSet(name, sources[name], problems)] as const,
  )
  if (problems.length > 0) {
    const message = `expected policies that validate, got: ${problems[0] ?? ''}`
    return refuse({ reason: 'invalid_policies', message, problems })
  }
  const sets = Object.fromEntries(compiled) as Record<SetName, PolicySet>
  const digests = Object.fromEntries(compiled.map(([name, set]) => [name, set.version]))
  return ok({ ...sets, version: digestOfJson(digests) })
}

/** Compiles one set; whatever is wrong with it is appended to `problems`. */
export function compileSet(name: SetName, text: string, problems: string[]): PolicySet {
  const policies = new Map<string, Policy>()
  const index: ScopeIndex<Policy> = new Map()
  const report = (problem: string): unknown => problems.push(`${name}: ${problem}`)
  for (const part of parts(text, report)) {
    const json = parsed(part, report)
    if (json === undefined) continue
    const policy = compilePolicy(part, json, report)
    if (policies.has(policy.id)) report(`\`${policy.id}\`: expected an @id of its own`)
    policies.set(policy.id, policy)
    file(index, json, policy)
  }
  for (const problem of invalid(name, policies)) report(problem)
  return { name, version: digestOf(text), policies, index }
}

type Report = (problem: string) => unknown

function parts(text: string, report: Report): string[] {
  if (text.length > MAX_SET_CHARACTERS) {
    report(`expected at most ${MAX_SET_CHARACTERS} characters, got ${text.length}`)
    return []
  }
  const tooDeep = nestingProblem(text)
  if (tooDeep !== undefined) {
    report(tooDeep)
    return []
  }
  const answer = policySetTextToParts(text)
  if (answer.type === 'failure') {
    for (const error of answer.errors) report(described(error, text))
    return []
  }
  if (answer.policy_templates.length > 0) report('expected no templates')
  return answer.policies
}

function parsed(text: string, report: Report): PolicyJson | undefined {
  if (text.length > MAX_POLICY_CHARACTERS) {
    report(`expected policies of at most ${MAX_POLICY_CHARACTERS} characters, got ${text.length}`)
    return undefined
  }
  const answer = policyToJson(text)
  if (answer.type === 'success') return answer.json
  for (const error of answer.errors) report(described(error, text))
  return undefined
}

/** Compiles one policy, without validating it; what is wrong with it goes to `report`. */
export function compilePolicy(text: string, json: PolicyJson, report: Report): Policy {
  const { id = '', reason, require } = json.annotations ?? {}
  const problems: string[] = []
  if (!/^[a-z0-9][a-z0-9._/-]{0,119}$/.test(id)) {
    problems.push('expected an @id of lower case letters, digits and `._/-`')
  }
  if (reason !== undefined && reason.length > MAX_REASON_CHARACTERS) {
    problems.push(`expected a @reason of at most ${MAX_REASON_CHARACTERS} characters`)
  }
  if (require !== undefined) problems.push(...requirementProblems(require, json))
  const applies = compileConditions(json, problems)
  for (const problem of problems) report(`\`${id}\`: ${problem}`)
  return {
    id,
    effect: json.effect,
    ...(require === undefined ? {} : { require: require as Requirement }),
    ...(reason === undefined ? {} : { reason }),
    text,
    principalKey: entityKey(json.principal),
    applies,
  }
}

/** The fact that lifts a soft forbid, which its `unless` clause must name: otherwise it is a hard one. */
const LIFTED_BY: Readonly<Record<Requirement, string>> = { step_up: 'acr', approval: 'approval' }

function requirementProblems(require: string, json: PolicyJson): string[] {
  if (require !== 'step_up' && require !== 'approval') {
    return [`expected @require("step_up") or @require("approval"), got \`${require}\``]
  }
  if (json.effect !== 'forbid') return ['expected @require on a forbid']
  const fact = LIFTED_BY[require]
  const named = new RegExp(`"attr":\\[?"${fact}"`)
  const lifts = json.conditions.some(
    ({ kind, body }) => kind === 'unless' && named.test(JSON.stringify(body)),
  )
  return lifts ? [] : [`expected an \`unless\` clause that speaks of context.${fact}`]
}

/** Scope and clauses as one closure, in Cedar's order: the first that is false ends the evaluation. */
function compileConditions(json: PolicyJson, problems: string[]): Policy['applies'] {
  const principal = compileEntityScope('principal', json.principal)
  const resource = compileEntityScope('resource', json.resource)
  const actions = actionsOf(json.action)
  const clauses = json.conditions.map(({ kind, body }) => {
    const evaluate = compileExpression(body, problems)
    return { wanted: kind === 'when', evaluate }
  })
  return (request) =>
    principal(request) &&
    (actions === undefined ||
      actions.some((action) => isWithin(request.action, action, request.entities))) &&
    resource(request) &&
    clauses.every(({ wanted, evaluate }) => asBoolean(evaluate, request) === wanted)
}

function compileEntityScope(
  side: 'principal' | 'resource',
  constraint: PrincipalConstraint | ResourceConstraint,
): (request: CedarRequest) => boolean {
  if (constraint.op === 'All') return () => true
  if (constraint.op === '==') {
    const { key } = uidOf(constraint)
    return (request) => request[side].key === key
  }
  const type = constraint.op === 'is' ? constraint.entity_type : undefined
  const within = constraint.op === 'is' ? constraint.in : constraint
  const parent = within === undefined ? undefined : uidOf(within)
  return (request) =>
    (type === undefined || request[side].type === type) &&
    (parent === undefined || isWithin(request[side], parent, request.entities))
}

function asBoolean(evaluate: Evaluate, request: CedarRequest): boolean {
  const value = evaluate(request)
  if (typeof value === 'boolean') return value
  throw typeError
}

/** What Cedar's validator says: an error, or a warning, which is mostly a policy that can never apply. */
function invalid(name: SetName, policies: ReadonlyMap<string, Policy>): string[] {
  const staticPolicies = Object.fromEntries([...policies].map(([id, { text }]) => [id, text]))
  const answer = validate({ schema: schemaText(name), policies: { staticPolicies } })
  if (answer.type === 'failure') return answer.errors.map((error) => described(error))
  return [...answer.validationErrors, ...answer.validationWarnings].map(
    ({ policyId, error }) => `\`${policyId}\`: ${described(error)}`,
  )
}

function described(error: DetailedError, text?: string): string {
  const at = error.sourceLocations?.[0]?.start
  const line =
    at === undefined || text === undefined ? undefined : text.slice(0, at).split('\n').length
  const help = error.help === null || error.help === undefined ? '' : ` (${error.help})`
  return `${line === undefined ? '' : `line ${line}: `}${error.message}${help}`.slice(0, 500)
}
