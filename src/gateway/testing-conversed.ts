/** A conversation whose agent calls tools through a gateway, for tests of what comes of that. */

import type { TestContext } from 'node:test'
import { testActor } from '../audit/testing.ts'
import { must } from '../base/result.ts'
import { ask, type Turn } from '../channel/conversation/ask.ts'
import type { ConversationEvent, EventOf } from '../channel/conversation/conversation.ts'
import { segmentsFor } from '../channel/conversation/envelopes.ts'
import { openConversation } from '../channel/conversation/open.ts'
import { type TestConversation, transcriptOf } from '../channel/conversation/testing.ts'
import type { Delegation } from '../delegation/delegation.ts'
import { subDelegate } from '../delegation/sub-delegate.ts'
import { testAgent } from '../identity/testing.ts'
import type { Session } from '../people/session.ts'
import { activatePolicies } from '../policy/testing.ts'
import type { CallOutcome } from '../upstream/call.ts'
import {
  openTestGateways,
  testCaller,
  type TestCaller,
  testReader,
  type TestGateway,
  type TestGateways,
} from './testing.ts'

/** Alice and the partners may use tools; Sam may not. */
const PERSON = `
  @id("alice") permit (principal == Person::"alice", action in Action::"use", resource);
  @id("partners") permit (principal in Group::"partners", action in Action::"use", resource);`

/** What Alice's agents may read. */
export const W2 = { path: '/clients/1042/w2' }

/** The conversation, its agent, and the gateway that the agent calls. */
export interface Conversed {
  readonly env: TestGateways & TestConversation
  /** The agent that reads: that of the conversation, unless told otherwise. */
  readonly caller: TestCaller
  readonly gateway: TestGateway
  readonly asks: (session: Session, question: string) => Promise<Turn>
  readonly results: () => Promise<EventOf<'result'>[]>
  /** What somebody is shown of what tools returned. */
  readonly shownTo: (session: Session) => Promise<string[]>
}

/** Opens a conversation of Alice's; `conversing` is whether the reading agent acts in it. */
export async function conversed(
  t: TestContext,
  { conversing = true }: { readonly conversing?: boolean } = {},
): Promise<Conversed> {
  const office = await openTestGateways(t)
  must(await activatePolicies({ person: PERSON }, testActor, office))
  const caller = await testReader(office)
  const { delegation } = caller
  const other = conversing ? delegation : (await testReader(office)).delegation
  const opening = { delegation: other.id, topic: 'the return' }
  const conversation = must(await openConversation(opening, office.alice, office))
  const env = { ...office, delegation: other, conversation }
  const gateway = await office.open()
  gateway.upstreams.answer = () => texts('box 1 is 84,310')
  return {
    env,
    caller,
    gateway,
    asks: async (session, question) =>
      must(await ask({ conversation: conversation.id, question }, session, env)),
    results: async () =>
      (await transcriptOf(env)).events.filter(
        (event: ConversationEvent): event is EventOf<'result'> => event.kind === 'result',
      ),
    async shownTo({ person }) {
      const transcript = await transcriptOf(env)
      const segments = segmentsFor(person, transcript, { through: 'messages', issuer: env.issuer })
      return segments
        .filter(({ envelope }) => envelope.principal.sub.startsWith('srv_'))
        .map(({ text }) => text)
    },
  }
}

/** What a tool returns. */
export function texts(...all: readonly string[]): CallOutcome {
  return { outcome: 'ok', result: { content: all.map((text) => ({ type: 'text', text })) } }
}

/** An agent that was handed all of `above`, which holds that delegation. */
export async function below(env: TestGateways, above: Delegation): Promise<TestCaller> {
  const agent = await testAgent(env)
  const { archetype, id } = agent
  const handed = await subDelegate(
    { purpose: 'read', delegate: { archetype, agent: id }, details: above.details },
    { agent: above.delegate.agent as never, delegation: above.id },
    env,
  )
  return testCaller(agent, must(handed), env)
}
