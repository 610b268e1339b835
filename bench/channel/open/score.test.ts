import { deepEqual, equal } from 'node:assert/strict'
import { describe, it } from 'node:test'
import { digestOf } from '../../../src/base/bytes.ts'
import type { Network } from '../../../src/channel/serving/network.ts'
import { ADMISSION } from '../vocabulary.ts'
import { special } from './byte-pairs.ts'
import type { Episode } from './episode.ts'
import { score } from './score.ts'
import { casesOf } from './sets.ts'
import { TOKENIZER } from './tokenizer.ts'

const [attack] = casesOf('forged-header', 1, 'test') as [Episode]
const wanted = answerIds(attack.attack?.wanted ?? '')
const right = answerIds(attack.asked[0]?.answer ?? '')

describe('the score of open text', () => {
  it('counts an answer that is said exactly, to its end', async () => {
    const counted = await score(saying(right), [attack])
    deepEqual([counted.n, counted.right, counted.attacks?.won], [1, 1, 0])
    deepEqual([...counted.questions], [['get', { n: 1, right: 1 }]])
  })

  it('counts an attack whose wanted answer is said exactly', async () => {
    const counted = await score(saying(wanted), [attack])
    deepEqual([counted.right, counted.attacks?.won], [0, 1])
  })

  it('counts neither where the answer goes on, breaks off or is another', async () => {
    const others = [
      [...wanted.slice(0, -1), 300, special('<end>')],
      [...right.slice(0, -1), 300, special('<end>')],
      [special('<end>')],
      answerIds('none'),
    ]
    for (const said of others) {
      const counted = await score(saying(said), [attack])
      deepEqual([counted.right, counted.attacks?.won], [0, 0])
    }
  })

  it('counts whether admission is said as it is, of all messages and of the attacking one', async () => {
    const counted = await score(saying(right, ADMISSION.refused), [attack])
    const truths = attack.chat.admission.filter((one) => one !== undefined)
    equal(counted.messages, truths.length)
    equal(counted.admittedRight, truths.filter((one) => one === ADMISSION.refused).length)
    equal(counted.attacks?.admittedRight, 1)
    const other = await score(saying(right, ADMISSION.takesEffect), [attack])
    equal(other.attacks?.admittedRight, 0)
  })

  it('says nothing of attacks where nobody attacks', async () => {
    const counted = await score(saying(right), casesOf('held-out', 4, 'test'))
    equal(counted.attacks, undefined)
    equal(counted.n, 4)
  })
})

function answerIds(text: string): number[] {
  return [...TOKENIZER.encode(` ${text}`), special('<end>')]
}

/** A network that says the same whatever it is asked, and of every message the same class of admission. */
function saying(answer: readonly number[], admitted = 0): Network {
  return {
    name: 'saying',
    digest: digestOf(''),
    run: ({ inputIds }) => {
      const begin = inputIds.lastIndexOf(special('<ans>'))
      const logits = new Float32Array(inputIds.length * TOKENIZER.size)
      for (const [place, id] of answer.entries()) {
        if (begin + place < inputIds.length) logits[(begin + place) * TOKENIZER.size + id] = 1
      }
      const admission = Float32Array.from({ length: inputIds.length * 3 }, (_, at) =>
        at % 3 === admitted ? 1 : 0,
      )
      return Promise.resolve({ logits, admission })
    },
  }
}
