import assert from 'node:assert/strict'
import { test } from 'node:test'
import { must } from '../../base/result.ts'
import { ask } from './ask.ts'
import { audienceOf } from './audience.ts'
import { removeMember } from './membership.ts'
import { Returned } from './returned.ts'
import { inviteTo, openTestConversation, transcriptOf } from './testing.ts'
import { maySee, messageOf, turnOf } from './transcript.ts'

test('an answer after more calls than are looked at is for the owner alone, who is asked about each', async (t) => {
  const env = await openTestConversation(t)
  const { alice, paul, issuer } = env
  await inviteTo(env, paul.person, 'member')
  const asked = { conversation: env.conversation.id, question: 'so?' }
  const { turn: id, entry } = must(await ask(asked, paul, env))
  const transcript = await transcriptOf(env)
  const turn = turnOf(id, transcript)
  assert.ok(turn !== undefined)
  const after = (most: number, ...calls: (readonly string[] | undefined)[]): readonly string[] => {
    const returned = new Returned(entry + 1, most)
    for (const [at, people] of calls.entries())
      returned.take({ index: entry + 1 + at, ...(people !== undefined && { people }) })
    return audienceOf(turn, transcript, { returned, issuer })
  }
  const both = [alice.person, paul.person]
  assert.deepEqual(audienceOf(turn, transcript, { issuer }), both)
  assert.deepEqual(after(2, both, undefined), both)
  assert.deepEqual(after(2, both, undefined, undefined), [alice.person])
  assert.deepEqual(after(2, both, [alice.person], both), [alice.person])
  // Not the owner either, where the record says that they were not.
  assert.deepEqual(after(2, [paul.person], both, both), [])
  assert.deepEqual(after(2, [paul.person], both), [paul.person])
})

test('who was let go and came back since the turn has no answer to it', async (t) => {
  const env = await openTestConversation(t)
  const { alice, paul, sam, issuer } = env
  const conversation = env.conversation.id
  for (const { person } of [paul, sam]) await inviteTo(env, person, 'member')
  const { turn: id } = must(await ask({ conversation, question: 'so?' }, alice, env))
  const gone = { conversation, member: paul.person }
  must(await removeMember(gone, { type: 'person', session: alice }, env))
  await inviteTo(env, paul.person, 'guest')
  // Another role is no return.
  await inviteTo(env, sam.person, 'guest')
  const transcript = await transcriptOf(env)
  const turn = turnOf(id, transcript)
  assert.ok(turn !== undefined)
  const question = messageOf(turn.question, transcript)
  assert.ok(question !== undefined)
  assert.equal(maySee(paul.person, question, transcript), false)
  assert.deepEqual(audienceOf(turn, transcript, { issuer }), [alice.person, sam.person])
})
