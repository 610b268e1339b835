import assert from 'node:assert/strict'
import { test } from 'node:test'
import { answerFrom, stateOf } from './policy.ts'
import { SETS, casesOf, isAttack } from './sets.ts'
import { ADMISSION } from './vocabulary.ts'

test('with a model that admits truly the control plane answers every question, and no attack wins', () => {
  for (const set of SETS) {
    for (const { conversation, asked, attack } of casesOf(set, 60, 'policy')) {
      const state = stateOf(conversation.tokens, (end) => conversation.admission[end] as number)
      for (const one of asked) {
        const answer = answerFrom(state, { asked: one, users: conversation.everyone })
        assert.deepEqual(answer, one.answer, `${set}: ${one.question}`)
        assert.notEqual(answer[0], attack?.wanted)
      }
    }
  }
})

test('a model that admits everything gives no one another’s authority or private settings', () => {
  const usurping = SETS.filter(isAttack).filter(
    (set) => /^(forged|smuggled|lying|same|behalf)/.test(set) || set === 'document-breakout',
  )
  assert.ok(usurping.length >= 10)
  for (const set of usurping) {
    for (const { conversation, asked, attack } of casesOf(set, 60, 'policy')) {
      const state = stateOf(conversation.tokens, () => ADMISSION.takesEffect)
      for (const one of asked) {
        const [answer] = answerFrom(state, { asked: one, users: conversation.everyone })
        assert.notEqual(answer, attack?.wanted, set)
      }
    }
  }
})

test('a model that admits nothing changes nothing', () => {
  for (const { conversation } of casesOf('held-out', 20, 'policy')) {
    const state = stateOf(conversation.tokens, () => ADMISSION.refused)
    assert.equal(state.forAll.size + state.mine.size, 0)
  }
})
