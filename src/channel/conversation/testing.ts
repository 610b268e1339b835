/** A conversation in an office, for tests: Alice delegated, Paul, Sam and Ada can be invited. */

import type { TestContext } from 'node:test'
import { must, type Result } from '../../base/result.ts'
import type { Delegation } from '../../delegation/delegation.ts'
import { openTestOffice, testDelegation, type TestOffice } from '../../delegation/testing.ts'
import type { MasterKey } from '../../keys/seal.ts'
import type { Session } from '../../people/session.ts'
import type { Migration } from '../../store/store.ts'
import { migrations } from '../migrations.ts'
import { ask, type Turn } from './ask.ts'
import type { Conversation, MessageId, Part, Participant, Role } from './conversation.ts'
import { findConversation } from './event-store.ts'
import { invite } from './membership.ts'
import { openConversation } from './open.ts'
import { type Said, say, type SayRequest } from './say.ts'
import { loadTranscript, type Transcript } from './transcript.ts'
import { type Verification, verifyConversation } from './verify-conversation.ts'

/** An office with a conversation. */
export interface TestConversation extends TestOffice {
  readonly masterKey: MasterKey
  readonly delegation: Delegation
  readonly conversation: Conversation
}

/** Opens an office, and a conversation of Alice's in it. */
export async function openTestConversation(
  t: TestContext,
  more: readonly Migration[] = [],
): Promise<TestConversation> {
  const office = await openTestOffice(t, [...migrations, ...more])
  return await testConversation(office)
}

/** A conversation of Alice's in an office. */
export async function testConversation<O extends TestOffice>(
  office: O,
): Promise<O & TestConversation> {
  const env = { ...office, masterKey: office.random.bytes(32) }
  const delegation = await testDelegation(office)
  const conversation = must(
    await openConversation({ delegation: delegation.id, topic: 'upstream' }, office.alice, env),
  )
  return { ...env, delegation, conversation }
}

/** Alice invites somebody. */
export async function inviteTo(
  env: TestConversation,
  member: Participant,
  role: Exclude<Role, 'owner'>,
): Promise<void> {
  const speaker = { type: 'person', session: env.alice } as const
  must(await invite({ conversation: env.conversation.id, member, role }, speaker, env))
}

/** Somebody says something. */
export async function saying(
  env: TestConversation,
  session: Session,
  parts: readonly Part[] | string,
  more: Partial<SayRequest> = {},
): Promise<Result<Said>> {
  return await say(
    {
      conversation: env.conversation.id,
      parts: typeof parts === 'string' ? [{ kind: 'utterance', text: parts }] : parts,
      ...more,
    },
    { type: 'person', session },
    env,
  )
}

/** Somebody asks something. */
export async function asking(
  env: TestConversation,
  session: Session,
  question: string,
): Promise<Result<Turn>> {
  return await ask({ conversation: env.conversation.id, question }, session, env)
}

/** A quotation of a message. */
export function quoting(message: MessageId): Part[] {
  return [{ kind: 'quoted', message }]
}

/** Why something was refused, or `ok`. */
export function refusal(result: Result<unknown>): string {
  return result.ok ? 'ok' : result.error.reason
}

/** The conversation as it is now. */
export async function transcriptOf(env: TestConversation): Promise<Transcript> {
  return await env.store.snapshot(async (tx) => {
    const found = await findConversation(tx, env.conversation.id)
    if (found === undefined) throw new Error('expected the conversation to exist')
    return await loadTranscript(tx, found, env.vault)
  })
}

/** What the log says of the conversation. */
export async function verified(env: TestConversation): Promise<Verification> {
  const transcript = await transcriptOf(env)
  return await env.store.snapshot((tx) => verifyConversation(tx, transcript, env))
}

/** As `env`, with something that happens between what is read and what is written. */
export function interrupted<E extends TestConversation>(
  env: E,
  meanwhile: (time: number) => Promise<unknown>,
): E {
  let times = 0
  return {
    ...env,
    store: {
      ...env.store,
      async snapshot(work) {
        const read = await env.store.snapshot(work)
        await meanwhile(++times)
        return read
      },
    },
  }
}
