/**
 * A decision kept so that it can be made again: the facts of a request as an entry holds them, and back.
 *
 * `recordedFacts` is written with each decided call; `replayed` puts the same question to other policies.
 * Arguments lie beside the log and may be erased; handles and group names are looked up by identifier,
 * since neither is ever reused. A call whose facts are gone is not guessed at: it is unreplayable.
 */

import * as z from 'zod'
import type { EntryOf, RecordedFacts } from '../audit/entry.ts'
import type { Json, JsonObject } from '../base/canonical-json.ts'
import { ok, refuse, type Result } from '../base/result.ts'
import type { DecisionRequest } from './decide.ts'
import type { CallContext, DeclaredSink, PersonFacts } from './facts.ts'

/** A decided call as the log holds it. */
export type DecidedCall = EntryOf<'call_intended'> | EntryOf<'call_refused'>

/** What the log does not hold in clear: looked up by whoever replays. */
export interface ReplayNames {
  readonly handles: ReadonlyMap<string, string>
  readonly groups: ReadonlyMap<string, string>
}

/** Why a call cannot be decided again. */
export interface Unreplayable {
  readonly reason: 'not_judged' | 'no_facts' | 'erased' | 'unknown_names'
}

/** The facts of `request` beside its arguments and their provenance. */
export function recordedFacts(request: DecisionRequest): RecordedFacts {
  const { agents, people, delegation, resource, context } = request
  const { arguments: _arguments, provenance: _provenance, stage: _stage, ...rest } = context
  const inactive = [
    ...agents.filter(({ state }) => state !== 'active').map(({ id }) => id),
    ...people.filter(({ active }) => !active).map(({ id }) => id),
  ]
  return {
    archetypes: agents.map(({ archetype }) => archetype),
    ...(inactive.length > 0 && { inactive }),
    people: people.map(({ id, groups }) => ({
      person: id,
      groups: groups.map((group) => group.id),
    })),
    depth: delegation.depth,
    type: resource.type,
    class: resource.class,
    consequential: resource.consequential,
    serverState: resource.serverState,
    tier: resource.tier,
    sinks: resource.sinks.map(({ path, kind }) => ({ path, kind })),
    context: jsonOf(rest),
  }
}

/** The request that was decided, if all that it stood on is still there. */
export function replayed(
  entry: DecidedCall,
  args: JsonObject | undefined,
  names: ReplayNames,
): Result<DecisionRequest, Unreplayable> {
  if (entry.verdicts.length === 0) return refuse({ reason: 'not_judged' })
  const { facts } = entry
  if (facts === undefined) return refuse({ reason: 'no_facts' })
  if (args === undefined) return refuse({ reason: 'erased' })
  const inactive = new Set(facts.inactive)
  const people = facts.people.map((one) => personOf(one, names, !inactive.has(one.person)))
  if (!people.every((one) => one !== undefined)) return refuse({ reason: 'unknown_names' })
  const context = contextSchema.safeParse(facts.context)
  if (!context.success) return refuse({ reason: 'no_facts' })
  const { method, name } = targetOf(entry.action, args)
  return ok({
    agents: entry.agents.map((id, i) => ({
      id: id as `agt_${string}`,
      archetype: facts.archetypes[i] ?? '',
      state: inactive.has(id) ? 'suspended' : 'active',
    })),
    people,
    delegation: { id: entry.delegation as `dlg_${string}`, depth: facts.depth },
    action: method,
    resource: {
      type: facts.type,
      server: (entry.server ?? '') as `srv_${string}`,
      serverName: entry.serverName ?? '',
      serverState: facts.serverState,
      // Calls of before this was a fact: of no tier that a policy could demand.
      tier: facts.tier ?? 'none',
      ...(name !== undefined && { name }),
      class: facts.class,
      consequential: facts.consequential,
      sinks: facts.sinks as readonly DeclaredSink[],
    },
    context: {
      // What was recorded came from the same type; what is judged below is checked above.
      ...(context.data as unknown as CallContext),
      stage: entry.stage,
      arguments: args,
      provenance: entry.provenance ?? [],
    },
  })
}

/** Loose: what later versions add to the context passes through. */
const contextSchema = z.looseObject({
  acr: z.string(),
  boundBy: z.enum(['dpop', 'mtls', 'none']),
  time: z.number(),
  intent: z.looseObject({
    action: z.boolean(),
    arguments: z.boolean(),
    stage: z.boolean(),
    sinks: z.boolean(),
  }),
})

function personOf(
  { person, groups }: RecordedFacts['people'][number],
  names: ReplayNames,
  active: boolean,
): PersonFacts | undefined {
  const handle = names.handles.get(person)
  const known = groups.flatMap((id) => {
    const name = names.groups.get(id)
    return name === undefined ? [] : [{ id: id as `grp_${string}`, name }]
  })
  if (handle === undefined || known.length !== groups.length) return undefined
  return { id: person as `per_${string}`, handle, active, groups: known }
}

/** `tools/call:read` → method and name; a resource is named by its `uri`. */
function targetOf(action: string, args: JsonObject): { method: string; name?: string } {
  const at = action.indexOf(':')
  if (at !== -1) return { method: action.slice(0, at), name: action.slice(at + 1) }
  const { uri } = args
  return { method: action, ...(typeof uri === 'string' && { name: uri }) }
}

/** Plain JSON without members that are undefined. */
function jsonOf(value: object): Record<string, z.core.util.JSONType> {
  return JSON.parse(JSON.stringify(value)) as Record<string, z.core.util.JSONType> & Json
}
