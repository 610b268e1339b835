/**
 * How long a decision takes, and whether it stays flat as policies grow.
 *
 * `node bench/decide.ts [--json]`; with `--plot` the curve over seven sizes. One decision is four questions (agent, person, intent, guardrail). The
 * sizes are measured in turn within each round, so that what disturbs one disturbs the others; a ratio
 * is the median over rounds, its spread the distance from the least to the greatest.
 */

import type { PolicySources } from '../src/decision/compile.ts'
import { compilePolicies } from '../src/decision/compile.ts'
import { decide, type DecisionRequest } from '../src/decision/decide.ts'
import { callFacts, agentUid, personUid } from '../src/decision/entities.ts'
import { askOracle } from '../src/decision/oracle.ts'
import type { PolicySets } from '../src/decision/policy-set.ts'
import { EntityUid } from '../src/decision/value.ts'
import { silentDiagnostics } from '../src/base/diagnostics.ts'
import { must } from '../src/base/result.ts'
import { defaultPolicies } from '../src/policy/sources.ts'
import { median, quantileOf, timed, type Row } from './rows.ts'

const ROUNDS = 7
const DECISIONS = 4_000

const REQUEST: DecisionRequest = {
  agents: [{ id: 'agt_1', archetype: 'kind-1', state: 'active' }],
  people: [
    {
      id: 'per_1',
      handle: 'alice',
      active: true,
      groups: ['team-1', 'team-2', 'everybody'].map((name) => ({ id: `grp_${name}`, name })),
    },
  ],
  delegation: { id: 'dlg_1', depth: 0 },
  action: 'tools/call',
  resource: {
    type: 'tool',
    server: 'srv_1',
    serverName: 'server-1',
    serverState: 'reviewed',
    tier: 'T1',
    name: 'tool-1',
    class: 'read',
    consequential: false,
    sinks: [{ path: 'path', kind: 'path' }],
  },
  context: {
    stage: 'draft',
    acr: 'session',
    boundBy: 'dpop',
    time: 1_767_225_600,
    arguments: { path: '/clients/1042/w2.txt', limit: 100 },
    provenance: [{ path: 'path', grounded: true }],
    intent: { action: true, arguments: true, stage: true, sinks: true, detail: 0 },
  },
}

const CONSEQUENTIAL = { ...REQUEST, resource: { ...REQUEST.resource, consequential: true } }

/** `size` policies for agents and as many for people: a tenth of them speak of whole servers. */
function sources(size: number, base: PolicySources): PolicySources {
  const set = (type: string, kind: string): string =>
    Array.from({ length: size }, (_, i) => {
      const on =
        i % 10 === 0
          ? `resource in Server::"server-${i % 97}"`
          : `resource == Tool::"server-${i % 97}/tool-${i}"`
      return `@id("p${i}") permit (principal in ${type}::"${kind}-${i % 500}", action == Action::"tools/call", ${on})
        when { context has stage && ["collect", "draft"].contains(context.stage) && context.chain < 5 };`
    }).join('\n')
  const mine = `@id("mine") permit (principal, action == Action::"tools/call", resource == Tool::"server-1/tool-1")
    when { context has stage && context.stage == "draft" };`
  return {
    ...base,
    agent: `${set('Archetype', 'kind')}\n${mine}`,
    person: `${set('Group', 'team')}\n${mine}`,
  }
}

function decideOnce(sets: PolicySets, request = REQUEST): void {
  if (decide(request, sets, { diagnostics: silentDiagnostics }).outcome !== 'permit') {
    throw new Error('expected a permit')
  }
}

/** The same four questions to Cedar's own evaluator. */
function askCedar(sets: PolicySets): void {
  const facts = must(callFacts(REQUEST))
  const [agent, person] = [REQUEST.agents[0], REQUEST.people[0]]
  if (agent === undefined || person === undefined) throw new Error('expected an agent and a person')
  const questions = [
    [sets.agent, agentUid(agent)],
    [sets.person, personUid(person)],
    [sets.intent, new EntityUid('Delegation', REQUEST.delegation.id)],
    [sets.guardrail, agentUid(agent)],
  ] as const
  for (const [set, principal] of questions) {
    if (askOracle(set, { ...facts, principal }).decision !== 'allow')
      throw new Error('expected a permit')
  }
}

const spread = (values: readonly number[]): number => Math.max(...values) - Math.min(...values)

/** Measures every row. */
export async function measure(): Promise<Row[]> {
  const base = await defaultPolicies()
  const [small, large] = [10, 10_000].map((size) => must(compilePolicies(sources(size, base))))
  if (small === undefined || large === undefined) throw new Error('expected two sizes')
  const rounds: Record<
    'small' | 'large' | 'cedar' | 'confirmed' | 'confirmedLarge',
    Float64Array
  >[] = []
  for (let round = -1; round < ROUNDS; round++) {
    const measured = {
      small: timed(DECISIONS, () => decideOnce(small)),
      large: timed(DECISIONS, () => decideOnce(large)),
      cedar: timed(DECISIONS / 20, () => askCedar(small)),
      confirmed: timed(DECISIONS / 20, () => decideOnce(small, CONSEQUENTIAL)),
      confirmedLarge: timed(DECISIONS / 20, () => decideOnce(large, CONSEQUENTIAL)),
    }
    // The first round only warms up.
    if (round >= 0) rounds.push(measured)
  }
  const row = (
    name: string,
    value: (r: (typeof rounds)[number]) => number,
    floor: [string, (r: (typeof rounds)[number]) => number],
    aim?: string,
  ): Row => {
    const ratios = rounds.map((r) => value(r) / floor[1](r))
    return {
      name,
      value: median(rounds.map(value)),
      unit: 'µs',
      floor: floor[0],
      floorValue: median(rounds.map(floor[1])),
      ratio: median(ratios),
      spread: spread(ratios),
      ...(aim !== undefined && { aim }),
    }
  }
  return [
    row('decide, 10 policies, median', (r) => quantileOf(r.small, 0.5), [
      'Cedar (wasm, parsed and sliced), 10 policies, median',
      (r) => quantileOf(r.cedar, 0.5),
    ]),
    row('decide, 10,000 policies, median', (r) => quantileOf(r.large, 0.5), [
      'decide, 10 policies, median',
      (r) => quantileOf(r.small, 0.5),
    ]),
    row(
      'decide, 10,000 policies, p99',
      (r) => quantileOf(r.large, 0.99),
      ['decide, 10 policies, p99', (r) => quantileOf(r.small, 0.99)],
      '≤ 2, ≤ 1 ms',
    ),
    row('decide and confirm, 10 policies, median', (r) => quantileOf(r.confirmed, 0.5), [
      'Cedar (wasm, parsed and sliced), 10 policies, median',
      (r) => quantileOf(r.cedar, 0.5),
    ]),
    row('decide and confirm, 10,000 policies, p99', (r) => quantileOf(r.confirmedLarge, 0.99), [
      'decide and confirm, 10 policies, p99',
      (r) => quantileOf(r.confirmed, 0.99),
    ]),
  ]
}

/** What one decision costs as policies grow: the curve behind the ratios. */
export async function measureCurve(): Promise<{ policies: number; p50: number; p99: number }[]> {
  const base = await defaultPolicies()
  const sizes = [10, 30, 100, 300, 1_000, 3_000, 10_000]
  const sets = sizes.map((size) => must(compilePolicies(sources(size, base))))
  const rounds: Float64Array[][] = []
  for (let round = -1; round < ROUNDS; round++) {
    const measured = sets.map((each) => timed(DECISIONS, () => decideOnce(each)))
    if (round >= 0) rounds.push(measured)
  }
  return sizes.map((policies, i) => {
    const quantile = (q: number): number => median(rounds.map((r) => quantileOf(r[i] ?? NONE, q)))
    return { policies, p50: quantile(0.5), p99: quantile(0.99) }
  })
}

const NONE = new Float64Array()

/** A curve as bars, for terminals: `#` up to the median, `-` up to p99. */
function plotted(curve: Awaited<ReturnType<typeof measureCurve>>): string {
  const most = Math.max(...curve.map(({ p99 }) => p99))
  const width = (microseconds: number): number => Math.round((microseconds / most) * 60)
  return curve
    .map(({ policies, p50, p99 }) => {
      const bar = '#'.repeat(width(p50)).padEnd(width(p99), '-')
      const label = `${policies.toLocaleString('en')} policies`.padStart(16)
      return `${label}  ${bar}  ${p50.toFixed(0)} µs, p99 ${p99.toFixed(0)} µs`
    })
    .join('\n')
}

if (import.meta.main && process.argv.includes('--plot')) {
  const curve = await measureCurve()
  console.log(process.argv.includes('--json') ? JSON.stringify(curve) : plotted(curve))
} else if (import.meta.main) {
  const rows = await measure()
  if (process.argv.includes('--json')) for (const one of rows) console.log(JSON.stringify(one))
  else
    console.table(
      rows.map((one) => ({
        ...one,
        value: one.value.toFixed(1),
        ratio: one.ratio.toFixed(2),
        spread: one.spread.toFixed(2),
      })),
    )
}
