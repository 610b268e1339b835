/**
 * Loads the facts that live in the store: agents, people, groups, stage, who answers.
 *
 * Call `loadFacts` in one snapshot with `loadTree` and the log's size. `relied` names every subject whose
 * change would change the facts, so that the transaction that admits the call can tell whether they
 * still hold.
 *
 * INVARIANT (one instant): whatever is read here has its subject in `relied`.
 */

import { resolve } from '../accountability/resolve.ts'
import type { Accountable, Subject } from '../audit/entry.ts'
import { agencyOf, type Dial } from '../delegation/agency.ts'
import { databaseMilliseconds } from '../delegation/delegation-store.ts'
import { branchOf, rootOf, type Tree } from '../delegation/standing.ts'
import { archetypeSubject, type Agent, type AgentId } from '../identity/agent.ts'
import { findAgent } from '../identity/agent-store.ts'
import { findGroup, findPerson, groupsOf } from '../people/people-store.ts'
import type { PersonId } from '../people/person.ts'
import type { Tx } from '../store/store.ts'
import type { AgentFacts, DelegationFacts, PersonFacts } from './facts.ts'

/** What the store knows about the parties to a call. */
export interface Facts {
  /** The act chain, the agent that acts now first. */
  readonly agents: readonly AgentFacts[]
  /** The delegating person first, then each whose words direct the agent. */
  readonly people: readonly PersonFacts[]
  readonly delegation: DelegationFacts
  /** The stage of the whole tree. */
  readonly stage: string | null
  /** Who answers for the agent that acts, when the facts were read; absent when nobody does. */
  readonly accountable?: Accountable
  /** How much these agents together decide without asking, by class of tool. */
  readonly agency: Dial
  readonly relied: readonly Subject[]
}

/** Of whom a call is. */
interface Parties {
  readonly tree: Tree
  /** The act chain, the agent that acts now first. */
  readonly agents: readonly AgentId[]
  /** People whose words direct the agent: each needs the right as well. */
  readonly directing?: readonly PersonId[]
}

/** Facts about the agents of a token under a delegation; that one of them does not exist is a fault. */
export async function loadFacts(tx: Tx, { tree, agents, directing = [] }: Parties): Promise<Facts> {
  const relied = new Set<Subject>(['policy', ...branchOf(tree).map(({ id }) => id)])
  const now = await databaseMilliseconds(tx)
  const loaded: AgentFacts[] = []
  let accountable: Accountable | undefined
  for (const id of agents) {
    const agent = await knownAgent(tx, id)
    const answers = await resolve(tx, id, now)
    // INVARIANT (one accountable person): an agent for whom nobody answers does not act, whether or not
    // somebody has suspended it yet.
    const state = answers.ok ? agent.state : 'suspended'
    loaded.push({ id, archetype: agent.archetype, state })
    relied.add(id).add(archetypeSubject(agent.archetype))
    for (const subject of (answers.ok ? answers.value : answers.error).relied) relied.add(subject)
    if (loaded.length === 1 && answers.ok) accountable = answers.value.accountable
  }
  const agency = await agencyOf(
    tx,
    loaded.map(({ archetype }) => archetype),
  )
  const people: PersonFacts[] = []
  for (const id of new Set([tree.delegation.person, ...directing])) {
    const person = await loadPerson(tx, id)
    for (const subject of [person.id, ...person.groups.map((group) => group.id)])
      relied.add(subject)
    people.push(person)
  }
  return {
    agents: loaded,
    people,
    delegation: { id: tree.delegation.id, depth: tree.ancestors.length },
    stage: rootOf(tree).stage,
    agency,
    ...(accountable === undefined ? {} : { accountable }),
    relied: [...relied],
  }
}

/** Facts about a person; that there is none is a fault. */
export async function loadPerson(tx: Tx, id: PersonId): Promise<PersonFacts> {
  const person = await findPerson(tx, id)
  if (person === undefined) throw new Error(`expected the person \`${id}\` to exist`)
  const groups = []
  for (const group of await groupsOf(tx, id)) {
    const found = await findGroup(tx, group)
    if (found !== undefined) groups.push({ id: found.id, name: found.name })
  }
  return { id, handle: person.handle, active: person.active, groups }
}

async function knownAgent(tx: Tx, id: AgentId): Promise<Agent> {
  const agent = await findAgent(tx, id)
  if (agent === undefined) throw new Error(`expected the agent \`${id}\` to exist`)
  return agent
}
