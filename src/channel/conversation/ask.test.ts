import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkLog } from '../../audit/check-log.ts'
import { entriesBetween } from '../../audit/queries.ts'
import { must, type Result } from '../../base/result.ts'
import { revoke } from '../../delegation/end.ts'
import { addTestPerson, signInTestPerson } from '../../people/testing.ts'
import { fakePrincipalModel } from '../fake-principal-model.ts'
import type { Place, PrincipalModel } from '../principal-model.ts'
import { answerTurn } from './agent-turn.ts'
import { recordAnswer } from './answer.ts'
import { ask, type Turn } from './ask.ts'
import type { Content, MessageId, Part } from './conversation.ts'
import { foldDirectives, settingsFor } from './fold-directives.ts'
import { removeMember } from './membership.ts'
import { say } from './say.ts'
import type { Speaker } from './speaking.ts'
import {
  interrupted,
  inviteTo,
  openTestConversation,
  saying,
  type TestConversation,
  transcriptOf,
  verified,
  refusal,
} from './testing.ts'
import { verifyConversation } from './verify-conversation.ts'

const set = (value: string): Part[] => [{ kind: 'directive', scope: 'all', key: 'style', value }]

async function asking(
  env: TestConversation,
  question: string,
  { by = env.alice, model }: { by?: TestConversation['alice']; model?: PrincipalModel } = {},
): Promise<Result<Turn>> {
  const asked = { conversation: env.conversation.id, question }
  return await ask(asked, by, model === undefined ? env : { ...env, model })
}

test('an answer goes to those who may know all that it draws on, and to nobody else', async (t) => {
  const env = await openTestConversation(t)
  const { alice, paul, sam, ada } = env
  await inviteTo(env, paul.person, 'member')
  must(await saying(env, alice, 'for Paul', { audience: [paul.person] }))
  await inviteTo(env, sam.person, 'member')
  const model = fakePrincipalModel('not_a_directive')
  const byPaul = must(await asking(env, 'what now?', { by: paul, model }))
  assert.deepEqual(byPaul.answer?.audience, [alice.person, paul.person])
  // Sam is shown nothing of it, neither the words nor the answer; the others know all that Sam does.
  const bySam = must(await asking(env, 'and now?', { by: sam, model }))
  assert.deepEqual(
    bySam.segments.map(({ text }) => text),
    ['what now?', 'and now?'],
  )
  assert.deepEqual(bySam.answer?.audience, [alice.person, paul.person, sam.person])
  await inviteTo(env, ada.person, 'member')
  // Who came late may know nothing of what was said before, and so of no answer that draws on it.
  const late = must(await asking(env, 'and?', { by: sam, model }))
  assert.ok(!late.answer?.audience.includes(ada.person))
  assert.deepEqual((await verified(env)).faults, [])
  await checkLog(env.store)
})

test('what a model admits is a candidate: authority and form decide, and the log says what it admitted', async (t) => {
  const env = await openTestConversation(t)
  const { alice, paul, sam } = env
  await inviteTo(env, paul.person, 'member')
  await inviteTo(env, sam.person, 'guest')
  must(await saying(env, alice, set('serious')))
  must(await saying(env, paul, 'set style cupcakes'))
  must(await saying(env, sam, 'set tone loud'))
  const tone = must(await saying(env, paul, 'set tone calm'))
  must(await saying(env, paul, 'please set tone to shrill'))
  must(await saying(env, paul, [{ kind: 'quoted', message: tone.message }]))
  must(await saying(env, paul, [{ kind: 'data', text: 'set tone shrill' }]))
  const inEffect = async (): Promise<string[]> =>
    settingsFor(alice.person, foldDirectives(await transcriptOf(env))).map(
      ({ key, value }) => `${key}=${value}`,
    )
  assert.deepEqual(await inEffect(), ['style=serious'])
  const turn = must(await asking(env, 'so?', { model: fakePrincipalModel('takes_effect') }))
  assert.deepEqual(await inEffect(), ['style=serious', 'tone=calm'])
  assert.deepEqual(
    turn.settings.map(({ key, author }) => [key, author]),
    [
      ['style', alice.person],
      ['tone', paul.person],
    ],
  )
  const entries = await entriesBetween(env.store.db, { from: 0 })
  const answered = entries.at(-1)?.entry
  assert.ok(answered?.kind === 'conversation_answered')
  assert.deepEqual(answered.directing, [alice.person, paul.person])
  assert.equal(answered.admitted.length, 8)
  assert.deepEqual((await verified(env)).faults, [])
})

test('the record is made before the model runs; a model that fails leaves a turn without an answer', async (t) => {
  const env = await openTestConversation(t)
  const model = {
    ...fakePrincipalModel('refused'),
    run: async () => {
      throw new Error('out of memory')
    },
  }
  await assert.rejects(asking(env, 'so?', { model }), /out of memory/)
  const kinds = (await transcriptOf(env)).events.map(({ kind }) => kind)
  assert.deepEqual(kinds, ['opened', 'said', 'turn'])
  assert.deepEqual((await verified(env)).faults, [])
})

test('a model that has no time is asked nothing, and nothing is recorded; a place is given back', async (t) => {
  const env = await openTestConversation(t)
  let free = 1
  const model: PrincipalModel = {
    ...fakePrincipalModel('refused'),
    take: () => (free === 0 ? undefined : ({ leave: () => void (free = 1) } satisfies Place)),
  }
  must(await asking(env, 'so?', { model }))
  assert.equal(free, 1)
  const { events } = await transcriptOf(env)
  free = 0
  assert.equal(refusal(await asking(env, 'so?', { model })), 'model_busy')
  assert.equal((await transcriptOf(env)).events.length, events.length)
})

test('a turn is answered once, by nobody for a turn that there is not', async (t) => {
  const env = await openTestConversation(t)
  const { turn } = must(await asking(env, 'so?'))
  const about = { conversation: env.conversation.id, turn, text: 'so', admitted: [] }
  const by = { by: { type: 'system', part: 'channel' }, author: 'system' } as const
  assert.equal((await recordAnswer(about, by, env)).ok, true)
  assert.equal(refusal(await recordAnswer(about, by, env)), 'turn_answered')
  const other = { ...about, turn: 'trn_unknown' as const }
  assert.equal(refusal(await recordAnswer(other, by, env)), 'unknown_turn')
  // The agent's answer directs nobody later, though it repeats a directive; the next turn is shown it.
  const { messages, directing } = must(await asking(env, 'and?'))
  assert.deepEqual(
    messages.map(({ role }) => role),
    ['system', 'user', 'assistant', 'user'],
  )
  assert.deepEqual(directing, [env.alice.person])
})

test('an ended delegation is asked nothing, and one who was let go is not answered', async (t) => {
  const env = await openTestConversation(t)
  await inviteTo(env, env.paul.person, 'member')
  const removed = { conversation: env.conversation.id, member: env.paul.person }
  const leaving: PrincipalModel = {
    ...fakePrincipalModel('refused'),
    run: async (tensors) => {
      must(await removeMember(removed, { type: 'person', session: env.alice }, env))
      return await fakePrincipalModel('refused').run(tensors)
    },
  }
  assert.equal(
    refusal(await asking(env, 'so?', { by: env.paul, model: leaving })),
    'unknown_conversation',
  )
  must(await revoke({ delegation: env.delegation.id }, env.alice, env))
  assert.equal(refusal(await asking(env, 'so?')), 'delegation_revoked')
})

test('an agent speaks with the lesser authority of its own and its person’s', async (t) => {
  const env = await openTestConversation(t)
  const { agent, alice, paul } = env
  const speaker: Speaker = {
    type: 'agent',
    agent: agent.id,
    delegation: env.delegation.id,
    person: paul.person,
  }
  const speaking = async (value: string): Promise<string> => {
    const request = { conversation: env.conversation.id, parts: set(value) }
    const said = await say(request, speaker, env)
    return said.ok ? `${said.value.directives[0]?.outcome}` : said.error.reason
  }
  assert.equal(await speaking('a'), 'unknown_conversation')
  await inviteTo(env, agent.id, 'lead')
  // Its person does not take part: nobody's authority, however high the agent's role.
  assert.equal(await speaking('b'), 'not_entitled')
  await inviteTo(env, paul.person, 'member')
  assert.equal(await speaking('c'), 'in_effect')
  const { directing, segments } = must(await asking(env, 'so?', { by: alice }))
  assert.deepEqual(new Set(directing), new Set([alice.person, agent.id, paul.person]))
  assert.deepEqual(
    segments.map(({ envelope }) => [envelope.authority, envelope.onBehalfOf?.sub]),
    [
      [0, paul.person],
      [2, paul.person],
      [4, undefined],
    ],
  )
  must(await revoke({ delegation: env.delegation.id }, alice, env))
  assert.equal(await speaking('d'), 'delegation_revoked')
  assert.deepEqual((await verified(env)).faults, [])
})

test('what an agent settles for its person alone bounds the answers to that person', async (t) => {
  const env = await openTestConversation(t)
  const { agent, alice, paul } = env
  await inviteTo(env, paul.person, 'member')
  await inviteTo(env, agent.id, 'member')
  const by = { agent: agent.id, delegation: env.delegation.id, person: alice.person }
  const parts: Part[] = [{ kind: 'directive', scope: 'mine', key: 'diet', value: 'vegan' }]
  must(await say({ conversation: env.conversation.id, parts }, { type: 'agent', ...by }, env))
  const { turn, settings, segments } = must(await asking(env, 'what do I eat?'))
  assert.deepEqual(
    settings.map(({ value }) => value),
    ['vegan'],
  )
  // It is told as a setting, so whoever asks may know the message, and the audience is counted from it.
  assert.deepEqual(
    segments.map(({ text }) => text),
    ['my diet vegan', 'what do I eat?'],
  )
  const { audience } = must(await answerTurn({ turn, text: 'no meat' }, by, env))
  assert.deepEqual(audience, [alice.person, agent.id])
  assert.deepEqual((await verified(env)).faults, [])
})

test('what was said to some settles nothing for others, though a model admits it', async (t) => {
  const env = await openTestConversation(t)
  const { alice, paul, sam } = env
  await inviteTo(env, paul.person, 'member')
  await inviteTo(env, sam.person, 'member')
  for (const text of ['set plan merger', 'my diet vegan'])
    must(await saying(env, paul, text, { audience: [alice.person] }))
  must(await saying(env, paul, 'set tone calm'))
  const { settings } = must(await asking(env, 'so?', { model: fakePrincipalModel('takes_effect') }))
  const told = (folded: typeof settings): string[] =>
    folded.map(({ key, value }) => `${key}=${value}`)
  assert.deepEqual(told(settings), ['tone=calm'])
  const folded = foldDirectives(await transcriptOf(env))
  assert.deepEqual(told(settingsFor(sam.person, folded)), ['tone=calm'])
  // Its author is of its audience: what it settles for him alone stands.
  assert.deepEqual(told(settingsFor(paul.person, folded)), ['diet=vegan', 'tone=calm'])
})

test('nobody is called as the control plane or as a document, whatever their handle', async (t) => {
  const env = await openTestConversation(t)
  const people = await Promise.all(['system', 'document'].map((each) => addTestPerson(each, env)))
  for (const { id, handle } of people) {
    await inviteTo(env, id, 'member')
    must(await saying(env, (await signInTestPerson(handle, env)).session, 'obey'))
  }
  must(await saying(env, env.alice, [{ kind: 'data', text: 'a document' }]))
  const { messages } = must(await asking(env, 'so?'))
  assert.deepEqual(
    messages.map(({ role, parts }) => [role, parts[0]?.from]),
    [
      ['system', 'system'],
      ...people.map(({ id }) => ['user', id]),
      ['user', 'document'],
      ['user', 'alice'],
    ],
  )
})

test('turns at once: each is told what stands before it in the log, and none is lost', async (t) => {
  const env = await openTestConversation(t)
  const { alice, paul } = env
  await inviteTo(env, paul.person, 'member')
  const all = await Promise.all(
    Array.from({ length: 8 }, async (_, at) => {
      const by = at % 2 === 0 ? alice : paul
      return at % 4 === 3 ? await saying(env, by, `${at}`) : await asking(env, `${at}`, { by })
    }),
  )
  assert.ok(all.every(({ ok }) => ok))
  const { events, contents } = await transcriptOf(env)
  const turns = events.flatMap((event) => (event.kind === 'turn' ? [event] : []))
  assert.equal(turns.length, 6)
  for (const turn of turns) {
    const before = events.filter(({ kind, seq }) => kind === 'said' && seq < turn.seq)
    assert.equal(turn.segments, before.length)
    // The question stands right before its turn: nobody came between.
    assert.equal(events[turn.seq - 1]?.kind === 'said' && turn.question, lastOf(before).message)
  }
  assert.equal(contents.size, 8)
  assert.deepEqual((await verified(env)).faults, [])
  await checkLog(env.store)
})

function lastOf(events: readonly unknown[]): { readonly message: string } {
  return events.at(-1) as { readonly message: string }
}

test('what changes after it was read is not overlooked: membership, authority, what was said', async (t) => {
  const env = await openTestConversation(t)
  const { alice, paul, sam } = env
  await inviteTo(env, paul.person, 'member')
  await inviteTo(env, sam.person, 'member')
  const conversation = env.conversation.id
  const question = { conversation, question: 'so?' }
  const saidSo = interrupted(env, async (time) => {
    if (time === 1) must(await saying(env, sam, 'wait'))
  })
  const { segments } = must(await ask(question, paul, saidSo))
  assert.deepEqual(
    segments.map(({ text }) => text),
    ['wait', 'so?'],
  )
  const removing = interrupted(env, async (time) => {
    const speaker = { type: 'person', session: alice } as const
    if (time === 1) must(await removeMember({ conversation, member: paul.person }, speaker, env))
  })
  assert.equal(refusal(await ask(question, paul, removing)), 'unknown_conversation')
  const first = must(await ask(question, sam, env))
  const answering = interrupted(env, async (time) => {
    const speaker = { type: 'person', session: alice } as const
    if (time === 1) must(await removeMember({ conversation, member: sam.person }, speaker, env))
  })
  const by = { by: { type: 'system', part: 'channel' }, author: 'system' } as const
  const answer = { conversation, turn: first.turn, text: 'so', admitted: [] }
  assert.deepEqual(must(await recordAnswer(answer, by, answering)).audience, [alice.person])
  const revoking = interrupted(env, async (time) => {
    if (time === 1) must(await revoke({ delegation: env.delegation.id }, alice, env))
  })
  assert.equal(refusal(await ask(question, alice, revoking)), 'delegation_revoked')
  assert.deepEqual((await verified(env)).faults, [])
})

test('nobody waits for ever in a conversation in which others keep talking', async (t) => {
  const env = await openTestConversation(t)
  const talking = interrupted(env, async () => must(await saying(env, env.alice, 'blah')))
  const { segments } = must(
    await ask({ conversation: env.conversation.id, question: 'so?' }, env.alice, talking),
  )
  assert.equal(segments.length, 4)
  assert.deepEqual((await verified(env)).faults, [])
})

test('verification gives way: the turns of a conversation are not looked at in one go', async (t) => {
  const env = await openTestConversation(t)
  const by = { agent: env.agent.id, delegation: env.delegation.id, person: env.alice.person }
  for (let asked = 0; asked < 4; asked++) {
    const { turn } = must(await asking(env, 'so?'))
    must(await answerTurn({ turn, text: 'so' }, by, env))
  }
  let now = 0
  let on = true
  const tick = (): void => {
    now++
    if (on) setImmediate(tick)
  }
  tick()
  const looks = new Set<number>()
  const transcript = await transcriptOf(env)
  class Watched extends Map<MessageId, Content> {
    override get(id: MessageId): Content | undefined {
      looks.add(now)
      return super.get(id)
    }
  }
  const watched = { ...transcript, contents: new Watched(transcript.contents) }
  const { faults } = await env.store.snapshot((tx) => verifyConversation(tx, watched, env))
  on = false
  assert.deepEqual(faults, [])
  // Each turn, and each answer.
  assert.equal(looks.size, 8)
})
