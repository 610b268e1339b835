/**
 * From facts to the entities and the context record of one request.
 *
 * Only what a request can reach is built: the act chain, the people, the delegation, the object with its
 * server and class. Names that policies use are never reused (handles, group and server names), so a
 * policy cannot come to mean somebody else.
 */

import { ok, type Result } from '../base/result.ts'
import { usualAgency } from '../delegation/agency.ts'
import type { DecisionRequest } from './decide.ts'
import type { CedarRequest } from './expression.ts'
import type { AgentFacts, CallContext, PersonFacts, ResourceFacts } from './facts.ts'
import { actionGroup } from './schema.ts'
import { sinkFacts, type SinkFacts } from './sinks.ts'
import {
  CedarSet,
  EntityUid,
  Extension,
  type CedarRecord,
  type Entities,
  type Entity,
  type Value,
} from './value.ts'

/** A request without its principal: each constraint puts in its own. */
export type Subjectless = Omit<CedarRequest, 'principal'>

/** The Cedar name of a person. */
export function personUid(person: PersonFacts): EntityUid {
  return new EntityUid('Person', person.handle)
}

/** The Cedar name of an agent. */
export function agentUid(agent: AgentFacts): EntityUid {
  return new EntityUid('Agent', agent.id)
}

/** Entities and context of one call; refuses an action that the schema does not know on this object. */
export function callFacts(
  request: DecisionRequest,
): Result<Subjectless, { reason: 'unknown_action' | 'facts_refused'; message?: string }> {
  const resource = resourceEntity(request.resource)
  const group = actionGroup(request.action, resource.uid.type)
  if (group === undefined) return { ok: false, error: { reason: 'unknown_action' } }
  const { arguments: args, provenance } = request.context
  const sinks = sinkFacts(request.resource.sinks, args, provenance)
  if (!sinks.ok) return sinks
  const action = actionEntity(request.action, group)
  const entities = [
    action,
    resource,
    ...request.agents.map(agentEntity),
    ...request.people.map(personEntity),
    entity(new EntityUid('Delegation', request.delegation.id), {
      depth: BigInt(request.delegation.depth),
    }),
  ]
  return ok({
    action: action.uid,
    resource: resource.uid,
    context: contextRecord(request, sinks.value),
    entities: byKey(entities),
  })
}

/** A person with the groups they belong to. */
export function personEntity(person: PersonFacts): Entity {
  return entity(
    personUid(person),
    {},
    person.groups.map(({ name }) => new EntityUid('Group', name)),
  )
}

/** An action in its group. */
export function actionEntity(action: string, group: string): Entity {
  return entity(new EntityUid('Action', action), {}, [new EntityUid('Action', group)])
}

/** An entity with its attributes and direct parents; our hierarchies are one level deep. */
export function entity(
  uid: EntityUid,
  attributes: Readonly<Record<string, Value>> = {},
  parents: readonly EntityUid[] = [],
): Entity {
  return { uid, attributes: record(attributes), ancestors: new Map(parents.map((p) => [p.key, p])) }
}

/** A record from an object of ours; attributes that are `undefined` are left out. */
export function record(attributes: Readonly<Record<string, Value | undefined>>): CedarRecord {
  const present = new Map<string, Value>()
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined) present.set(name, value)
  }
  return present
}

/** Entities by key. */
export function byKey(entities: readonly Entity[]): Entities {
  return new Map(entities.map((one) => [one.uid.key, one]))
}

function agentEntity(agent: AgentFacts): Entity {
  return entity(agentUid(agent), {}, [new EntityUid('Archetype', agent.archetype)])
}

function resourceEntity(facts: ResourceFacts): Entity {
  const { type, serverName, name = '', consequential, tier } = facts
  const reviewed = facts.serverState === 'reviewed'
  const server = new EntityUid('Server', serverName)
  if (type === 'server') return entity(server, { reviewed, consequential, tier })
  const parents = [server, new EntityUid('ToolClass', facts.class)]
  // A server's name holds no slash, so the first one separates.
  const uid = new EntityUid(CEDAR_TYPE[type], `${serverName}/${name}`)
  const called = type === 'resource' ? { uri: name } : { name }
  return entity(uid, { ...called, reviewed, consequential, tier }, parents)
}

const CEDAR_TYPE = { tool: 'Tool', resource: 'Resource', prompt: 'Prompt' } as const

function contextRecord(request: DecisionRequest, sinks: SinkFacts): CedarRecord {
  const { context, agents, people } = request
  const [agent] = agents
  const [person] = people
  return record({
    now: instant(context.time),
    person: person === undefined ? undefined : personUid(person),
    agent: agent === undefined ? undefined : agentUid(agent),
    chain: BigInt(agents.length),
    acr: context.acr,
    boundBy: context.boundBy,
    stage: context.stage ?? undefined,
    sinks: new CedarSet(sinks.sinks),
    ungrounded: new CedarSet(sinks.ungrounded),
    unseen: new CedarSet(sinks.unseen),
    amountUngrounded: sinks.amountUngrounded,
    confidential: context.confidential ?? false,
    agency: context.agency ?? usualAgency(request.resource.class),
    hosts: new CedarSet(sinks.hosts),
    amount: sinks.amount,
    intent: intentRecord(context.intent),
    approval: approvalRecord(context.approval, people),
  })
}

/** A time in seconds as a Cedar datetime. */
export function instant(seconds: number): Extension {
  return new Extension('datetime', BigInt(Math.trunc(seconds)) * 1_000n)
}

function intentRecord(intent: CallContext['intent']): CedarRecord {
  return record({
    action: intent.action,
    arguments: intent.arguments,
    stage: intent.stage,
    sinks: intent.sinks,
    approver: intent.approval?.by,
  })
}

function approvalRecord(
  approval: CallContext['approval'],
  people: readonly PersonFacts[],
): CedarRecord | undefined {
  if (approval === undefined) return undefined
  const { by, entitled } = approval
  return record({ by, entitled, own: people.some(({ id }) => id === by) })
}
