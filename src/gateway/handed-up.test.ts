/**
 * What agents below a conversation's agent are returned comes up to it outside of the record: an answer
 * goes to nobody who was not permitted it.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testActor } from '../audit/testing.ts'
import { must } from '../base/result.ts'
import { answerTurn } from '../channel/conversation/agent-turn.ts'
import { ask, type Turn } from '../channel/conversation/ask.ts'
import type { EventOf, Participant } from '../channel/conversation/conversation.ts'
import { record } from '../channel/conversation/event-store.ts'
import { removeMember } from '../channel/conversation/membership.ts'
import { openConversation } from '../channel/conversation/open.ts'
import { sealOne } from '../channel/conversation/speaking.ts'
import {
  interrupted,
  inviteTo,
  type TestConversation,
  transcriptOf,
  verified,
} from '../channel/conversation/testing.ts'
import { activatePolicies } from '../policy/testing.ts'
import { call, openTestGateways, type TestGateway, testReader } from './testing.ts'
import { below, conversed, texts, W2 } from './testing-conversed.ts'

/** Whom the agent's answer to a turn goes to, by handle. */
async function answered(env: TestConversation, { turn }: Pick<Turn, 'turn'>): Promise<string[]> {
  const { id, person, delegate } = env.delegation
  const agent = { agent: delegate.agent as never, delegation: id, person }
  const { audience } = must(await answerTurn({ turn, text: 'box 1 is 84,310' }, agent, env))
  return namesOf(env, audience)
}

function namesOf(env: TestConversation, audience: readonly Participant[]): string[] {
  const all = [env.alice, env.paul, env.sam]
  return audience.map((each) => all.find(({ person }) => person === each)?.handle ?? each)
}

/** Calls that are held at the server until they are released. */
async function held(gateway: TestGateway, calling: () => Promise<unknown>): Promise<() => unknown> {
  const release = gateway.upstreams.hold()
  const made = gateway.upstreams.made.length
  const under = calling()
  while (gateway.upstreams.made.length === made) await new Promise(setImmediate)
  return async () => {
    release()
    await under
  }
}

test('an answer goes to those who were permitted what came back below, at any depth, and to nobody else', async (t) => {
  const { env, gateway, asks, results } = await conversed(t)
  const { alice, paul, sam } = env
  await inviteTo(env, paul.person, 'member')
  await inviteTo(env, sam.person, 'member')
  const helper = await below(env, env.delegation)
  const deeper = await below(env, helper.delegation)
  // Nothing was read: everybody who may know the question may have the answer.
  assert.deepEqual(await answered(env, await asks(alice, 'hello')), ['alice', 'paul', 'sam'])
  for (const reader of [helper, deeper]) {
    const turn = await asks(alice, 'what is in the W-2?')
    await call(gateway, reader, 'read', W2)
    assert.deepEqual(await answered(env, turn), ['alice'])
  }
  // Paul may read it, and asked: the call was put to the policy for him too.
  const turn = await asks(paul, 'and for me?')
  await call(gateway, deeper, 'read', W2)
  assert.deepEqual(await answered(env, turn), ['alice', 'paul'])
  // They bound the audience and are no messages: the next turn is shown the answers alone.
  assert.deepEqual(await results(), [])
  const told = await asks(sam, 'what did they say?')
  assert.equal(told.messages.filter(({ role }) => role === 'assistant').length, 1)
  assert.deepEqual((await verified(env)).faults, [])
  await env.check()
})

test('a call below counts from when it returns: not before, and whenever it was let out', async (t) => {
  const { env, gateway, asks } = await conversed(t)
  const { paul } = env
  await inviteTo(env, paul.person, 'member')
  const helper = await below(env, env.delegation)
  await call(gateway, helper, 'read', W2)
  const release = await held(gateway, () => call(gateway, helper, 'read', W2))
  const [first, second] = [await asks(paul, 'well?'), await asks(paul, 'and now?')]
  // What returned before the turn began does not count, nor what is under way.
  assert.deepEqual(await answered(env, first), ['alice', 'paul'])
  await release()
  // It was let out before Paul asked for anything.
  assert.deepEqual(await answered(env, second), ['alice'])
  const third = await asks(paul, 'again')
  await call(gateway, helper, 'read', W2)
  assert.deepEqual(await answered(env, third), ['alice', 'paul'])
  assert.deepEqual((await verified(env)).faults, [])
})

test('a call below that was refused or failed returned nothing; an error of the tool is a result', async (t) => {
  const { env, gateway, asks } = await conversed(t)
  await inviteTo(env, env.sam.person, 'member')
  const helper = await below(env, env.delegation)
  const turn = await asks(env.alice, 'what is in it?')
  await call(gateway, helper, 'read', { path: '/clients/2077/w2' })
  gateway.upstreams.answer = () => ({
    outcome: 'failed',
    error: { reason: 'upstream_failed', message: 'gone' },
  })
  await call(gateway, helper, 'read', W2)
  assert.deepEqual(await answered(env, turn), ['alice', 'sam'])
  const next = await asks(env.alice, 'and now?')
  gateway.upstreams.answer = () => ({
    outcome: 'tool_error',
    result: { content: [{ type: 'text', text: 'no such file of 1042' }], isError: true },
  })
  await call(gateway, helper, 'read', W2)
  assert.deepEqual(await answered(env, next), ['alice'])
  assert.deepEqual((await verified(env)).faults, [])
})

test('what comes back between reading and writing is not overlooked, from an agent that is new either', async (t) => {
  const { env, gateway, asks } = await conversed(t)
  await inviteTo(env, env.sam.person, 'member')
  const helper = await below(env, env.delegation)
  const late = await asks(env.alice, 'what is in it?')
  const returning = interrupted(env, async (time) => {
    // The first look is that of `answerTurn` for the conversation.
    if (time === 2) await call(gateway, helper, 'read', W2)
  })
  assert.deepEqual(await answered(returning, late), ['alice'])

  const fresh = await asks(env.alice, 'and now?')
  const handing = interrupted(env, async (time) => {
    if (time === 2) await call(gateway, await below(env, helper.delegation), 'read', W2)
  })
  assert.deepEqual(await answered(handing, fresh), ['alice'])

  // An agent below that never stops: the answer is worked out under the lock of the head.
  const busy = await asks(env.alice, 'and then?')
  let times = 0
  const never = interrupted(env, async (time) => {
    times = time
    gateway.upstreams.answer = () => texts(`${time}`)
    if (time > 1) await call(gateway, helper, 'read', W2)
  })
  assert.deepEqual(await answered(never, busy), ['alice'])
  assert.equal(times, 4)
  assert.deepEqual((await verified(env)).faults, [])
  await env.check()
})

test('an agent below with a conversation of its own is one below all the same', async (t) => {
  const { env, gateway, asks, results } = await conversed(t)
  await inviteTo(env, env.sam.person, 'member')
  const helper = await below(env, env.delegation)
  const { id, delegate, person } = helper.delegation
  const own = must(await openConversation({ delegation: id, topic: 'its own' }, env.alice, env))
  const turn = await asks(env.alice, 'what is in it?')
  await call(gateway, helper, 'read', W2)
  assert.deepEqual(await results(), [])
  assert.deepEqual(await answered(env, turn), ['alice'])
  // There it is a message, and bounds the answers as every result does.
  const inside = { ...env, conversation: own, delegation: helper.delegation }
  await inviteTo(inside, env.paul.person, 'member')
  const asked = must(await ask({ conversation: own.id, question: 'so?' }, env.alice, env))
  await call(gateway, helper, 'read', W2)
  const agent = { agent: delegate.agent as never, delegation: id, person }
  const said = must(await answerTurn({ turn: asked.turn, text: '84,310' }, agent, env))
  assert.deepEqual(said.audience, [env.alice.person])
  assert.deepEqual((await verified(inside)).faults, [])
  assert.deepEqual((await verified(env)).faults, [])
})

test('who was let go before a call came back below, and came again, does not have it', async (t) => {
  const { env, gateway, asks } = await conversed(t)
  const { alice, paul } = env
  await inviteTo(env, paul.person, 'member')
  const helper = await below(env, env.delegation)
  // Paul directs from here on, so every call is put to the policy for him.
  await answered(env, await asks(paul, 'what is in it?'))
  const [stayed, left] = [await asks(alice, 'well?'), await asks(alice, 'and now?')]
  await call(gateway, helper, 'read', W2)
  assert.deepEqual(await answered(env, stayed), ['alice', 'paul'])
  const leaving = { conversation: env.conversation.id, member: paul.person }
  must(await removeMember(leaving, { type: 'person', session: alice }, env))
  await call(gateway, helper, 'read', W2)
  await inviteTo(env, paul.person, 'member')
  assert.deepEqual(await answered(env, left), ['alice'])
  assert.deepEqual((await verified(env)).faults, [])
})

test('a call that was let out before there was a conversation counts in it when it returns', async (t) => {
  const office = await openTestGateways(t)
  const PERSON = `@id("alice") permit (principal == Person::"alice", action in Action::"use", resource);`
  must(await activatePolicies({ person: PERSON }, testActor, office))
  const caller = await testReader(office)
  const gateway = await office.open()
  const release = await held(gateway, () => call(gateway, caller, 'read', W2))
  const { delegation } = caller
  const opening = { delegation: delegation.id, topic: 'the return' }
  const conversation = must(await openConversation(opening, office.alice, office))
  const env = { ...office, delegation, conversation }
  await inviteTo(env, office.sam.person, 'member')
  const asked = { conversation: conversation.id, question: 'what is in it?' }
  const turn = must(await ask(asked, office.alice, env))
  await release()
  // It is no message: when it was let out there was nothing that it could be one of.
  assert.equal((await transcriptOf(env)).events.filter(({ kind }) => kind === 'result').length, 0)
  assert.deepEqual(await answered(env, turn), ['alice'])
  assert.deepEqual((await verified(env)).faults, [])
})

/** Records an answer as a control plane would that was altered: row and entry say the same. */
async function forged(
  env: TestConversation,
  { turn }: Pick<Turn, 'turn'>,
  audience: readonly Participant[],
): Promise<void> {
  const content = sealOne(
    { value: { parts: [{ kind: 'utterance', text: '84,310' }] }, subject: env.alice.person },
    env,
  )
  const facts = {
    kind: 'answered',
    turn,
    message: `msg_${turn.slice(4)}`,
    admitted: [],
    directing: [],
    audience: [...audience],
    content: content.sealed,
  } satisfies Partial<EventOf<'answered'>>
  const next = (await transcriptOf(env)).events.length
  const by = { type: 'system', part: 'channel' } as const
  await env.store.transaction((tx) =>
    record(
      tx,
      { conversation: env.conversation, by, author: 'system' },
      { next, facts: [facts as never], values: [content] },
      env,
    ),
  )
}

test('verification finds an answer for somebody who may not know what it may hold', async (t) => {
  const { env, caller, gateway, asks } = await conversed(t)
  const { alice, paul, sam } = env
  await inviteTo(env, sam.person, 'member')
  const helper = await below(env, env.delegation)
  const rows: readonly [string, typeof caller | undefined, readonly Participant[], number][] = [
    ['nothing was read', undefined, [alice.person, sam.person], 0],
    ['for somebody who takes no part', undefined, [alice.person, paul.person], 1],
    ['the agent read', caller, [alice.person, sam.person], 1],
    ['an agent below read', helper, [alice.person, sam.person], 1],
    ['for those who were permitted', helper, [alice.person], 0],
    ['for fewer than may have it', helper, [], 0],
  ]
  const expected: string[] = []
  for (const [name, reader, audience, faults] of rows) {
    const turn = await asks(alice, name)
    if (reader !== undefined) await call(gateway, reader, 'read', W2)
    await forged(env, turn, audience)
    if (faults > 0)
      expected.push(
        `the answer to \`${turn.turn}\` is for \`${audience[1]}\`, who may not know all of it`,
      )
  }
  // What returned after the answers were recorded is not held against them.
  await call(gateway, helper, 'read', W2)
  assert.deepEqual((await verified(env)).faults, expected)
})
