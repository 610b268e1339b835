/** How much a conversation holds: words, parts and people, of each and of all. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { must } from '../../base/result.ts'
import type { PersonId } from '../../people/person.ts'
import type { Session } from '../../people/session.ts'
import { addTestPerson } from '../../people/testing.ts'
import { answerTurn } from './agent-turn.ts'
import type { Part } from './conversation.ts'
import { removeMember, invite } from './membership.ts'
import {
  asking,
  inviteTo,
  openTestConversation,
  quoting,
  refusal,
  saying,
  verified,
} from './testing.ts'

test('a conversation has room for so much, and refuses what does not fit', async (t) => {
  const env = await openTestConversation(t)
  const large: Part[] = Array.from({ length: 6 }, () => ({
    kind: 'data',
    text: 'x'.repeat(15_900),
  }))
  assert.equal(refusal(await saying(env, env.alice, [...large, ...large])), 'message_too_large')
  const { turn } = must(await asking(env, env.alice, 'what is large?'))
  let said = 0
  while (said < 100 && refusal(await saying(env, env.alice, large)) === 'ok') said++
  // 4 MiB of 95,400 characters and their frames.
  assert.equal(said, 44)
  assert.equal(refusal(await saying(env, env.alice, 'one word')), 'conversation_full')
  assert.equal(refusal(await asking(env, env.alice, 'one word?')), 'conversation_full')
  const { agent, delegation, alice } = env
  const by = { agent: agent.id, delegation: delegation.id, person: alice.person }
  assert.equal(refusal(await answerTurn({ turn, text: 'this' }, by, env)), 'conversation_full')
  assert.deepEqual((await verified(env)).faults, [])
})

test('so many take part in all, and whoever did may come back', async (t) => {
  const env = await openTestConversation(t)
  const { alice, conversation, paul } = env
  const alike = { conversation: conversation.id, role: 'guest' } as const
  const speaker = { type: 'person', session: alice } as const
  const comes = async (member: PersonId): Promise<string> => {
    const invited = refusal(await invite({ ...alike, member }, speaker, env))
    if (invited !== 'ok') return invited
    return refusal(await removeMember({ conversation: conversation.id, member }, speaker, env))
  }
  assert.equal(await comes(paul.person), 'ok')
  for (let more = 0; more < 248; more++) {
    const { id } = await addTestPerson(`visitor${more}`, env)
    assert.equal(await comes(id), 'ok')
  }
  // With the owner they are 250.
  assert.equal(await comes(env.sam.person), 'too_many_members')
  assert.equal(await comes(paul.person), 'ok')
})

test('no guest and no member fills a conversation, and its owner can let go who tries', async (t) => {
  const env = await openTestConversation(t)
  const { alice, paul, sam } = env
  await inviteTo(env, paul.person, 'member')
  await inviteTo(env, sam.person, 'guest')
  const large: Part[] = Array.from({ length: 6 }, () => ({
    kind: 'data',
    text: 'x'.repeat(15_900),
  }))
  const says = async (session: Session): Promise<number> => {
    for (let said = 0; ; said++) {
      if (refusal(await saying(env, session, large)) !== 'ok') return said
    }
  }
  // A tenth of 4 MiB, and a half of it.
  assert.equal(await says(sam), 5)
  assert.equal(refusal(await saying(env, sam, 'one word')), 'conversation_full')
  assert.equal(await says(paul), 22)
  while (refusal(await saying(env, alice, large)) === 'ok');
  assert.equal(refusal(await saying(env, alice, 'one word')), 'conversation_full')
  const one = { conversation: env.conversation.id, member: paul.person }
  must(await removeMember(one, { type: 'person', session: alice }, env))
  assert.deepEqual((await verified(env)).faults, [])
})

test('quotations of quotations do not multiply without end', async (t) => {
  const env = await openTestConversation(t)
  let quoted = must(await saying(env, env.alice, 'x')).message
  const levels: string[] = []
  for (let level = 0; level < 4; level++) {
    const parts: Part[] = Array.from({ length: 5 }, () => ({ kind: 'quoted', message: quoted }))
    const said = await saying(env, env.alice, parts)
    levels.push(refusal(said))
    if (said.ok) quoted = said.value.message
  }
  assert.deepEqual(levels, ['ok', 'ok', 'too_many_spans', 'too_many_spans'])
})

test('a quotation takes the room of what it repeats: in words, and in parts', async (t) => {
  const env = await openTestConversation(t)
  const { paul, sam } = env
  await inviteTo(env, paul.person, 'member')
  await inviteTo(env, sam.person, 'guest')
  const quotes = async (session: Session, text: string): Promise<number> => {
    const parts: Part[] = Array.from({ length: 5 }, () => ({ kind: 'utterance', text }))
    const { message } = must(await saying(env, session, parts))
    const ten = Array.from({ length: 10 }, () => quoting(message)).flat()
    for (let said = 0; ; said++) {
      if (refusal(await saying(env, session, ten)) !== 'ok') return said
    }
  }
  // A tenth of 2,000 events is filled by 50 parts each.
  assert.equal(await quotes(sam, 'x'), 4)
  // A half of 4 MiB is, by 800,000 characters each.
  assert.equal(await quotes(paul, 'x'.repeat(16_000)), 3)
  const { segments } = must(await asking(env, env.alice, 'so?'))
  assert.equal(segments.length, 5 + 4 * 50 + 5 + 3 * 50 + 1)
})
