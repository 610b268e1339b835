/**
 * What policies would say, without anybody asking for real.
 *
 * `simulate`: what could an agent of this kind do for this person now. `reach`: who can reach this tool,
 * through which kind of agent. Both decide by `decide`, on the reviewed servers, people and groups as they
 * are, over some arguments: values are taken as grounded and within the intent, so an answer is the most
 * that could be permitted, and a rule about arguments may still say no. By a proposed version where one is
 * named.
 */

import type { Diagnostics } from '../base/diagnostics.ts'
import { type Clock, nowSeconds } from '../base/clock.ts'
import { ok, refuse, type Result } from '../base/result.ts'
import { compilePolicies } from '../decision/compile.ts'
import { decide, type Decision, type DecisionRequest } from '../decision/decide.ts'
import type { PersonFacts, ResourceFacts } from '../decision/facts.ts'
import { loadPerson } from '../decision/load-facts.ts'
import type { PolicySets } from '../decision/policy-set.ts'
import { toolFacts } from '../decision/resource-facts.ts'
import { agencyOf } from '../delegation/agency.ts'
import { covers } from '../delegation/covers.ts'
import { standing, loadTree, rootOf, type Tree } from '../delegation/standing.ts'
import type { DelegationId } from '../delegation/delegation.ts'
import { findArchetype, listArchetypes } from '../identity/agent-store.ts'
import type { Keyring } from '../keys/keyring.ts'
import { findPerson, listPeople } from '../people/people-store.ts'
import { loadServer, reviewedServers } from '../registry/server-store.ts'
import type { Server, ServerTier } from '../registry/server.ts'
import type { Store, Tx } from '../store/store.ts'
import { currentPoliciesIn } from './current.ts'
import { loadVersion } from './load-version.ts'

/** What a simulation needs. */
export interface SimulateEnv {
  readonly store: Store
  readonly clock: Clock
  readonly keyring: Keyring
  readonly diagnostics: Diagnostics
  /** The public origin. */
  readonly issuer: string
  /** Says where servers run. */
  readonly upstreams: { tierOf(server: Server): Promise<ServerTier> }
}

/** What policies say of one tool. */
export interface Simulated {
  readonly server: string
  readonly tool: string
  readonly class: ResourceFacts['class']
  readonly outcome: Decision['outcome']
  readonly constraint?: string
  /** The policies that say so. */
  readonly policies: readonly string[]
}

/** One way to a tool. */
export interface Reach {
  readonly archetype: string
  readonly person: string
  readonly outcome: Exclude<Decision['outcome'], 'deny'>
}

/** What an agent of `archetype` could do for `person`; under a delegation, if one is named. */
export async function simulate(
  asked: {
    readonly archetype: string
    readonly person: string
    readonly delegation?: string
    readonly policy?: string
  },
  env: SimulateEnv,
): Promise<Result<readonly Simulated[]>> {
  return await env.store.snapshot(async (tx) => {
    const policies = await policiesIn(tx, asked.policy, env)
    if (policies === undefined) return refuse({ reason: 'unknown_policy' })
    const [kind, person] = [
      await findArchetype(tx, asked.archetype),
      await findPerson(tx, asked.person),
    ]
    if (kind === undefined) return refuse({ reason: 'unknown_archetype' })
    if (person === undefined) return refuse({ reason: 'unknown_person' })
    const tree =
      asked.delegation === undefined
        ? undefined
        : await loadTree(tx, asked.delegation as DelegationId)
    if (asked.delegation !== undefined && tree?.delegation.person !== person.id) {
      return refuse({ reason: 'unknown_delegation' })
    }
    const facts = await loadPerson(tx, person.id)
    const found: Simulated[] = []
    for (const server of await reviewedServers(tx, env)) {
      for (const resource of toolsOf(server, await env.upstreams.tierOf(server))) {
        const request = await requestFor(
          tx,
          { archetype: kind.name, person: facts, resource, tree },
          env,
        )
        found.push(simulated(resource, decide(request, policies, env)))
      }
    }
    return ok(found)
  })
}

/** Who can reach a tool: every kind of agent for every active person, at most `MOST_PAIRS` of them. */
export async function reach(
  asked: { readonly server: string; readonly tool: string; readonly policy?: string },
  env: SimulateEnv,
): Promise<
  Result<{ readonly ways: readonly Reach[]; readonly pairs: number; readonly complete: boolean }>
> {
  return await env.store.snapshot(async (tx) => {
    const policies = await policiesIn(tx, asked.policy, env)
    if (policies === undefined) return refuse({ reason: 'unknown_policy' })
    const server = await loadServer(tx, asked.server, env)
    const tier = server && (await env.upstreams.tierOf(server))
    const resource = tier && toolFacts(server, asked.tool, tier)
    if (resource === undefined) return refuse({ reason: 'unknown_tool' })
    const archetypes = await listArchetypes(tx)
    const people = (await listPeople(tx)).filter(({ active }) => active)
    const ways: Reach[] = []
    let pairs = 0
    for (const { id } of people) {
      const person = await loadPerson(tx, id)
      for (const { name: archetype } of archetypes) {
        if (++pairs > MOST_PAIRS) return ok({ ways, pairs: MOST_PAIRS, complete: false })
        const request = await requestFor(tx, { archetype, person, resource }, env)
        const { outcome } = decide(request, policies, env)
        if (outcome !== 'deny') ways.push({ archetype, person: person.handle, outcome })
      }
    }
    return ok({ ways, pairs, complete: true })
  })
}

const MOST_PAIRS = 5_000

function toolsOf(server: Server, tier: ServerTier): ResourceFacts[] {
  return [...server.tools.keys()].flatMap((name) => toolFacts(server, name, tier) ?? [])
}

async function requestFor(
  tx: Tx,
  about: {
    readonly archetype: string
    readonly person: PersonFacts
    readonly resource: ResourceFacts
    readonly tree?: Tree | undefined
  },
  env: SimulateEnv,
): Promise<DecisionRequest> {
  const { archetype, person, resource, tree } = about
  const agency = (await agencyOf(tx, [archetype]))[resource.class]
  return {
    agents: [{ id: 'agt_simulated', archetype, state: 'active' }],
    people: [person],
    delegation: { id: tree?.delegation.id ?? 'dlg_simulated', depth: tree?.ancestors.length ?? 0 },
    action: 'tools/call',
    resource,
    context: {
      stage: tree === undefined ? null : rootOf(tree).stage,
      acr: 'session',
      boundBy: 'dpop',
      time: nowSeconds(env.clock),
      arguments: {},
      provenance: [],
      intent: intentOf(resource, tree, env),
      ...(agency !== undefined && { agency }),
    },
  }
}

/** What the delegation says of the tool in its stage, whatever its arguments; without one, all of it. */
function intentOf(
  resource: ResourceFacts,
  tree: Tree | undefined,
  { clock, issuer }: SimulateEnv,
): DecisionRequest['context']['intent'] {
  const whole = { action: true, stage: true, arguments: true, sinks: true }
  if (tree === undefined) return whole
  const at = nowSeconds(clock)
  const coverage = covers(tree.delegation.details, {
    location: `${issuer}/mcp/${resource.serverName}`,
    action: `tools/call:${resource.name ?? ''}`,
    arguments: {},
    stage: rootOf(tree).stage,
    sinks: [],
    at,
  })
  const stands = standing(tree, at).ok
  return { ...coverage, action: coverage.action && stands, arguments: true, sinks: true }
}

function simulated(resource: ResourceFacts, decision: Decision): Simulated {
  const { outcome, constraint, verdicts } = decision
  const saying = verdicts.filter(
    (verdict) =>
      verdict.effect === outcome && (constraint === undefined || verdict.constraint === constraint),
  )
  return {
    server: resource.serverName,
    tool: resource.name ?? '',
    class: resource.class,
    outcome,
    ...(constraint !== undefined && { constraint }),
    policies: saying.flatMap(({ policies }) => policies).slice(0, 10),
  }
}

/** The policies in force, or those of a version. */
async function policiesIn(
  tx: Tx,
  policy: string | undefined,
  env: SimulateEnv,
): Promise<PolicySets | undefined> {
  if (policy === undefined) return await currentPoliciesIn(tx, env)
  const loaded = await loadVersion(tx, policy, env)
  if (loaded === undefined) return undefined
  const compiled = compilePolicies(loaded.sources)
  if (compiled.ok) return compiled.value
  throw new Error(`policy version \`${policy}\` does not load`, { cause: compiled.error.message })
}
