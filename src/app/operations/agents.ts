/** Archetypes, agents and owners: the operations of `api/agents.ts`. */

import { ownersOf } from '../../accountability/accountability-store.ts'
import { assignOwner } from '../../accountability/assign-owner.ts'
import type { Owned } from '../../accountability/owner.ts'
import { resolve } from '../../accountability/resolve.ts'
import type { Output } from '../../api/operations.ts'
import { ok, refuse, type Result } from '../../base/result.ts'
import type { OperationTarget } from '../../decision/decide-operation.ts'
import { mayStartUnder } from '../../delegation/start-under.ts'
import { type Agent, agentIdSchema, archetypeSubject } from '../../identity/agent.ts'
import { endAgent, resumeAgent, suspendAgent } from '../../identity/agent-state.ts'
import { findAgent, listAgents, listArchetypes } from '../../identity/agent-store.ts'
import { createAgent, createArchetype } from '../../identity/create-agent.ts'
import type { PersonId } from '../../people/person.ts'
import { personActor, type Session } from '../../people/session.ts'
import type { Handlers } from '../api-endpoint.ts'
import type { Installation } from '../installation.ts'
import { done, findParty, resolveAll } from './shared.ts'

/** Handlers by operation. */
export const agentHandlers: Pick<
  Handlers,
  | 'createArchetype'
  | 'listArchetypes'
  | 'assignOwner'
  | 'createAgent'
  | 'listAgents'
  | 'showAgent'
  | 'suspendAgent'
  | 'resumeAgent'
  | 'endAgent'
> = {
  createArchetype: {
    run: async ({ name, description, owner }, session, env) => {
      const parties = await resolveAll([owner], env, findParty, 'unknown_owner')
      if (!parties.ok) return parties
      const [party] = parties.value
      const made = await createArchetype({ name, description }, personActor(session), env)
      if (!made.ok || party === undefined)
        return made.ok ? refuse({ reason: 'unknown_owner' }) : made
      const owned = await assignOwner(
        { owned: archetypeSubject(name), owner: party },
        personActor(session),
        env,
      )
      return owned.ok ? ok({ ...made.value, owner: party }) : owned
    },
  },
  listArchetypes: {
    run: async (_input, _session, env) =>
      await env.store.snapshot(async (tx) => {
        const listed = await listArchetypes(tx)
        const owners = await ownersOf(
          tx,
          listed.map(({ name }) => archetypeSubject(name)),
        )
        const archetypes = listed.map((archetype) => {
          const owner = owners.get(archetypeSubject(archetype.name))
          return { ...archetype, ...(owner !== undefined && { owner }) }
        })
        return ok({ archetypes })
      }),
  },
  assignOwner: {
    run: async ({ owned, owner }, session, env) => {
      const parties = await resolveAll([owner], env, findParty, 'unknown_owner')
      if (!parties.ok) return parties
      const groups = await resolveAll(
        [owned],
        env,
        async (tx, reference) => (await findParty(tx, reference)) ?? reference,
        'unknown_owned',
      )
      if (!groups.ok) return groups
      const [party] = parties.value
      const [subject] = groups.value
      if (party === undefined || subject === undefined) return refuse({ reason: 'unknown_owner' })
      return done(
        await assignOwner({ owned: subject as Owned, owner: party }, personActor(session), env),
      )
    },
  },
  createAgent: {
    run: async ({ archetype, parent, selectors }, session, env) => {
      const subject = archetypeSubject(archetype)
      const answerable = await env.store.snapshot((tx) =>
        resolve(tx, subject, env.clock.nowMilliseconds()),
      )
      if (!answerable.ok) return answerable
      const above = parent === undefined ? undefined : agentIdSchema.safeParse(parent)
      if (above?.success === false) return refuse({ reason: 'unknown_parent' })
      if (above !== undefined) {
        const asker = { person: session.person, nowMilliseconds: env.clock.nowMilliseconds() }
        const mayStart = await env.store.snapshot((tx) => mayStartUnder(tx, above.data, asker))
        if (!mayStart.ok) return mayStart
      }
      const made = await createAgent(
        {
          archetype,
          selectors: selectors ?? [`unix:uid:${process.getuid?.()}`],
          ...(above !== undefined && { parent: above.data }),
        },
        personActor(session),
        answerable.value.accountable,
        env,
      )
      if (!made.ok) return made
      await env.sockets.open(made.value.id)
      return ok({ ...described(made.value, env), accountable: answerable.value.accountable })
    },
  },
  listAgents: {
    run: async ({ archetype, state }, _session, env) =>
      await env.store.snapshot(async (tx) => {
        const agents = await listAgents(tx, {
          limit: 500,
          ...(archetype !== undefined && { archetype }),
          ...(state !== undefined && { state }),
        })
        return ok({ agents: agents.map((agent) => described(agent, env)) })
      }),
  },
  showAgent: {
    target: targetOf,
    run: async ({ id }, _session, env) =>
      await env.store.snapshot(async (tx) => {
        const agent = await findAgent(tx, agentIdSchema.parse(id))
        if (agent === undefined) return refuse({ reason: 'unknown_agent' })
        const answerable = await resolve(tx, agent.id, env.clock.nowMilliseconds())
        return ok({
          ...described(agent, env),
          ...(answerable.ok && { accountable: answerable.value.accountable }),
        })
      }),
  },
  suspendAgent: {
    target: targetOf,
    run: async ({ id, reason }, session, env) =>
      done(
        await suspendAgent({ agent: agentIdSchema.parse(id), reason }, personActor(session), env),
      ),
  },
  resumeAgent: {
    target: targetOf,
    run: async ({ id }, session, env) =>
      done(await resumeAgent({ agent: agentIdSchema.parse(id) }, personActor(session), env)),
  },
  endAgent: {
    target: targetOf,
    run: async ({ id }, session, env) =>
      done(await endAgent({ agent: agentIdSchema.parse(id) }, personActor(session), env)),
  },
}

/** The agent, and whether the person answers for it. */
async function targetOf(
  { id }: { readonly id: string },
  session: Session,
  env: Installation,
): Promise<Result<OperationTarget>> {
  const parsed = agentIdSchema.safeParse(id)
  if (!parsed.success) return refuse({ reason: 'unknown_agent' })
  const answerable = await env.store.snapshot((tx) =>
    resolve(tx, parsed.data, env.clock.nowMilliseconds()),
  )
  const own = answerable.ok && (answerable.value.accountable.person as PersonId) === session.person
  return ok({ type: 'agent', id: parsed.data, own })
}

function described(agent: Agent, env: Installation): Output<'showAgent'> {
  const { id, spiffeId, archetype, state, suspendedFor, parent, selectors } = agent
  const socket = env.sockets.pathOf(id)
  return {
    id,
    spiffeId,
    archetype,
    state,
    selectors: [...selectors],
    ...(suspendedFor !== undefined && { suspendedFor }),
    ...(parent !== undefined && { parent }),
    ...(socket !== undefined && { socket }),
  }
}
