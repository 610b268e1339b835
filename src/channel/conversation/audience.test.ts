import assert from 'node:assert/strict'
import { test } from 'node:test'
import { must } from '../../base/result.ts'
import { ask } from './ask.ts'
import { audienceOf } from './audience.ts'
import { Returned } from './returned.ts'
import { inviteTo, openTestConversation, transcriptOf } from './testing.ts'
import { turnOf } from './transcript.ts'

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
