/** Conversations of many principals: the operations of `api/conversations.ts`. */

import type { Input, Output } from '../../api/operations.ts'
import { ok, refuse, type Result } from '../../base/result.ts'
import {
  type AgentTurn,
  answerTurn,
  fetchTurn,
  type TurnAgent,
  type TurnTensors,
  waitingTurns,
} from '../../channel/conversation/agent-turn.ts'
import { ask, type Turn } from '../../channel/conversation/ask.ts'
import type { NeutralMessage } from '../../channel/conversation/compile-messages.ts'
import {
  type Conversation,
  conversationIdSchema,
  type Participant,
  partSchema,
  type TurnId,
} from '../../channel/conversation/conversation.ts'
import { directingOf } from '../../channel/conversation/directing.ts'
import { type ModelSegment, segmentsFor } from '../../channel/conversation/envelopes.ts'
import { conversationsOf, findConversation } from '../../channel/conversation/event-store.ts'
import {
  type Folded,
  foldDirectives,
  settingsFor,
} from '../../channel/conversation/fold-directives.ts'
import { invite, removeMember } from '../../channel/conversation/membership.ts'
import { openConversation } from '../../channel/conversation/open.ts'
import { type Said, say } from '../../channel/conversation/say.ts'
import { signsOf } from '../../channel/conversation/principal-vector.ts'
import { participantOf, type Speaker } from '../../channel/conversation/speaking.ts'
import {
  loadEvents,
  loadTranscript,
  membersAt,
  membershipAt,
  messagesBefore,
  type Transcript,
} from '../../channel/conversation/transcript.ts'
import { verifyConversation } from '../../channel/conversation/verify-conversation.ts'
import type { OperationTarget } from '../../decision/decide-operation.ts'
import type { DelegationId } from '../../delegation/delegation.ts'
import { findAgent } from '../../identity/agent-store.ts'
import type { AgentId } from '../../identity/agent.ts'
import { findPerson } from '../../people/people-store.ts'
import type { Session } from '../../people/session.ts'
import type { Tx } from '../../store/store.ts'
import type { Caller } from '../../token/authenticate-token.ts'
import type { Handlers } from '../api-endpoint.ts'
import type { Installation } from '../installation.ts'
import { resolveAll } from './shared.ts'

/** Handlers by operation. */
export const conversationHandlers: Pick<
  Handlers,
  | 'createConversation'
  | 'listConversations'
  | 'showConversation'
  | 'inviteToConversation'
  | 'removeFromConversation'
  | 'sayInConversation'
  | 'askConversation'
  | 'verifyConversation'
  | 'sayAsAgent'
  | 'listTurns'
  | 'fetchTurn'
  | 'answerTurn'
> = {
  createConversation: {
    run: async ({ delegation, topic }, session, env) => {
      const opened = await openConversation(
        { delegation: delegation as DelegationId, topic },
        session,
        env,
      )
      return opened.ok ? ok({ ...opened.value }) : opened
    },
  },
  listConversations: {
    run: async (_input, session, env) => {
      const found = await env.store.snapshot((tx) => conversationsOf(tx, session.person))
      return ok({ conversations: found.map((each) => ({ ...each })) })
    },
  },
  showConversation: {
    target: conversationTarget,
    run: async ({ id }, session, env) =>
      await reading(id, env, async (tx, transcript) =>
        // Whatever policy permits: who does not take part is told of no conversation.
        membersAt(transcript).has(session.person)
          ? ok(await shown(tx, transcript, session, env))
          : refuse({ reason: 'unknown_conversation' }),
      ),
  },
  inviteToConversation: {
    target: conversationTarget,
    run: async ({ id, member, role }, session, env) => {
      const found = await participants([member], env)
      if (!found.ok) return found
      const [who] = found.value
      if (who === undefined) return refuse({ reason: 'unknown_member' })
      const made = await invite({ conversation: id, member: who, role }, asPerson(session), env)
      return made.ok ? ok({ members: listed(made.value.members) }) : made
    },
  },
  removeFromConversation: {
    target: conversationTarget,
    run: async ({ id, member }, session, env) => {
      const found = await participants([member], env)
      if (!found.ok) return found
      const [who] = found.value
      if (who === undefined) return refuse({ reason: 'unknown_member' })
      const made = await removeMember({ conversation: id, member: who }, asPerson(session), env)
      return made.ok ? ok({ members: listed(made.value.members) }) : made
    },
  },
  sayInConversation: {
    target: conversationTarget,
    run: async (input, session, env) => await said(input, asPerson(session), env),
  },
  askConversation: {
    target: conversationTarget,
    run: async ({ id, question, audience, model }, session, env) => {
      const whom = await participants(audience ?? [], env)
      if (!whom.ok) return whom
      const served = model === undefined ? undefined : await env.principalModel()
      if (served?.ok === false) return served
      const asked = await ask(
        { conversation: id, question, ...(audience !== undefined && { audience: whom.value }) },
        session,
        { ...env, ...(served !== undefined && { model: served.value }) },
      )
      return asked.ok ? ok(turnOf(asked.value)) : asked
    },
  },
  verifyConversation: {
    target: conversationTarget,
    run: async ({ id }, _session, env) =>
      await reading(id, env, async (tx, transcript) => {
        const { faults, turns, ...rest } = await verifyConversation(tx, transcript, env)
        return ok({
          ...rest,
          holds: faults.length === 0,
          faults: [...faults],
          turns: turns.map((each) => ({ ...each })),
        })
      }),
  },
  sayAsAgent: {
    run: async (input, caller, env) => {
      const speaker = asAgent(caller)
      return speaker.ok ? await said(input, speaker.value, env) : speaker
    },
  },
  listTurns: {
    run: async (_input, caller, env) => {
      const agent = asAgent(caller)
      if (!agent.ok) return agent
      const waiting = await waitingTurns(agent.value, env)
      return waiting.ok ? ok({ ...waiting.value, turns: [...waiting.value.turns] }) : waiting
    },
  },
  fetchTurn: {
    run: async ({ turn, form }, caller, env) => {
      const agent = asAgent(caller)
      if (!agent.ok) return agent
      const served = form === 'tensors' ? await env.principalModel() : undefined
      if (served?.ok === false) return served
      const fetched = await fetchTurn(turn as TurnId, agent.value, {
        ...env,
        ...(served !== undefined && { model: served.value }),
      })
      return fetched.ok ? ok(agentTurnOf(fetched.value)) : fetched
    },
  },
  answerTurn: {
    run: async ({ turn, text }, caller, env) => {
      const agent = asAgent(caller)
      if (!agent.ok) return agent
      const answered = await answerTurn({ turn: turn as TurnId, text }, agent.value, env)
      if (!answered.ok) return answered
      const { message, audience } = answered.value
      return ok({ message, audience: [...audience] })
    },
  },
}

async function conversationIn(tx: Tx, id: string): Promise<Conversation | undefined> {
  const parsed = conversationIdSchema.safeParse(id)
  return parsed.success ? await findConversation(tx, parsed.data) : undefined
}

async function reading<T>(
  id: string,
  env: Installation,
  work: (tx: Tx, transcript: Transcript) => Promise<Result<T>>,
): Promise<Result<T>> {
  return await env.store.snapshot(async (tx): Promise<Result<T>> => {
    const found = await conversationIn(tx, id)
    if (found === undefined) return refuse({ reason: 'unknown_conversation' })
    return await work(tx, await loadTranscript(tx, found, env.vault))
  })
}

/** The conversation, and what the person is in it: policy decides by that. */
async function conversationTarget(
  { id }: { readonly id: string },
  session: Session,
  env: Installation,
): Promise<Result<OperationTarget>> {
  return await env.store.snapshot(async (tx): Promise<Result<OperationTarget>> => {
    const parsed = conversationIdSchema.safeParse(id)
    if (!parsed.success) return refuse({ reason: 'unknown_conversation' })
    const found = await findConversation(tx, parsed.data)
    // One that is not there is decided like one that is not theirs: nobody learns which it is.
    const membership = found && membershipAt(session.person, await loadEvents(tx, found))
    return ok({
      type: 'conversation',
      id: parsed.data,
      ...(membership !== undefined && { role: membership.role }),
    } as const)
  })
}

function asPerson(session: Session): Speaker {
  return { type: 'person', session }
}

function asAgent(caller: Caller): Result<Extract<Speaker, { type: 'agent' }> & TurnAgent> {
  const [agent] = caller.agents
  if (agent === undefined) return refuse({ reason: 'not_entitled' })
  return ok({ type: 'agent', agent, delegation: caller.delegation, person: caller.person })
}

/** People by handle or identifier, agents by identifier. */
async function participants(
  references: readonly string[],
  env: Installation,
): Promise<Result<Participant[]>> {
  return await resolveAll(references, env, findParticipant, 'unknown_party')
}

async function findParticipant(tx: Tx, reference: string): Promise<Participant | undefined> {
  const agent = reference.startsWith('agt_') ? await findAgent(tx, reference as AgentId) : undefined
  return agent?.id ?? (await findPerson(tx, reference))?.id
}

async function said(
  { id, parts, audience }: Input<'sayInConversation'>,
  speaker: Speaker,
  env: Installation,
): Promise<Result<Output<'sayInConversation'>>> {
  const whom = await participants(audience ?? [], env)
  if (!whom.ok) return whom
  const parsed = partSchema.array().safeParse(parts)
  if (!parsed.success) return refuse({ reason: 'invalid_request', message: 'expected parts' })
  const made: Result<Said> = await say(
    {
      conversation: id,
      parts: parsed.data,
      ...(audience !== undefined && { audience: whom.value }),
    },
    speaker,
    env,
  )
  if (!made.ok) return made
  const { message, entry, directives } = made.value
  return ok({ message, entry, directives: directives.map(foldedOf) })
}

function listed(members: ReadonlyMap<string, 'guest' | 'member' | 'lead' | 'owner'>): {
  member: string
  role: 'guest' | 'member' | 'lead' | 'owner'
}[] {
  return [...members].map(([member, role]) => ({ member, role }))
}

/** What somebody may know of a conversation. */
async function shown(
  tx: Tx,
  transcript: Transcript,
  session: Session,
  { issuer }: { readonly issuer: string },
): Promise<Output<'showConversation'>> {
  const { conversation } = transcript
  const viewer = participantOf(asPerson(session))
  const segments = segmentsFor(viewer, transcript, { through: 'messages', issuer })
  const { people } = await directingOf(tx, [conversation.delegation])
  const members = membersAt(transcript)
  return {
    ...conversation,
    members: [...members].map(([member, { role }]) => ({ member, role })),
    messages: messagesBefore(transcript).flatMap((each) => {
      const spans = segments.filter(({ envelope }) => envelope.message === each.message)
      if (spans.length === 0) return []
      const { message, author, time, entry, audience } = each
      return [
        {
          message,
          author,
          ...(each.kind === 'said' &&
            each.onBehalfOf !== undefined && { onBehalfOf: each.onBehalfOf }),
          time,
          entry,
          ...(audience !== undefined && { audience: [...audience] }),
          ...(each.kind === 'result' && {
            returned: { server: each.server, action: each.action, call: each.call },
          }),
          spans: spans.map(spanOf),
        },
      ]
    }),
    settings: settingsFor(viewer, foldDirectives(transcript)).map(foldedOf),
    directing: [...people],
  }
}

function spanOf({
  envelope,
  text,
}: ModelSegment): Output<'showConversation'>['messages'][0]['spans'][0] {
  const { kind, principal, onBehalfOf, authority, of } = envelope
  return {
    kind,
    author: principal.sub,
    ...(onBehalfOf !== undefined && { onBehalfOf: onBehalfOf.sub }),
    authority,
    of,
    text,
  }
}

function foldedOf(one: Folded): Output<'sayInConversation'>['directives'][0] {
  const { seq: _, ...told } = one
  return told
}

function turnOf(made: Turn): Output<'askConversation'> {
  const { segments, directing, settings, messages, answer, ...rest } = made
  return {
    ...rest,
    segments: segments.length,
    directing: [...directing],
    settings: settings.map(foldedOf),
    messages: messagesOf(messages),
    ...(answer !== undefined && {
      answer: {
        ...answer,
        audience: [...answer.audience],
        admission: answer.admission.map((each) => ({ ...each })),
      },
    }),
  }
}

function messagesOf(messages: readonly NeutralMessage[]): Output<'fetchTurn'>['messages'] {
  return messages.map(({ role, name, content, parts }) => ({
    role,
    content,
    parts: [...parts],
    ...(name !== undefined && { name }),
  }))
}

function agentTurnOf(fetched: AgentTurn): Output<'fetchTurn'> {
  const { envelopes, directing, settings, messages, tensors, ...rest } = fetched
  return {
    ...rest,
    envelopes: envelopes.map((each) => ({ ...each }) as unknown as Record<string, never>),
    directing: [...directing],
    settings: settings.map(foldedOf),
    messages: messagesOf(messages),
    ...(tensors !== undefined && { tensors: tensorsOf(tensors) }),
  }
}

function tensorsOf({
  principalVectors,
  words,
  ...tensors
}: TurnTensors): NonNullable<Output<'fetchTurn'>['tensors']> {
  return {
    model: tensors.model,
    inputIds: [...tensors.inputIds],
    authority: [...tensors.authority],
    kind: [...tensors.kind],
    principalSigns: signsOf(principalVectors),
    messageEnds: [...tensors.messageEnds],
    messages: [...tensors.messages],
    words: Object.fromEntries(words),
  }
}
