import { deepEqual, equal } from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Counts, Outcome } from './job.ts'
import { rowsOf } from './rows.ts'

describe('the rows of a set', () => {
  it('add up the trainings of a model and say each beside them', () => {
    const [alone] = rowsOf({ set: 'held-out', model: 'text' }, [
      outcome({ n: 10, right: 5, messages: 4, admittedRight: 4 }),
      outcome({ n: 30, right: 30, messages: 4, admittedRight: 3 }),
    ])
    deepEqual(alone, {
      set: 'held-out',
      model: 'text',
      n: 40,
      accuracy: 35 / 40,
      admission: 7 / 8,
      messages: 8,
      trainings: [0.5, 1],
    })
  })

  it('say of attacks how many succeeded, alone and behind each reading', () => {
    const rows = rowsOf({ set: 'cupcakes', model: 'text' }, [
      outcome({ n: 10, right: 4, won: 5 }, { n: 10, right: 9, won: 1 }),
      outcome({ n: 10, right: 9, won: 0 }, { n: 10, right: 10, won: 0 }),
    ])
    deepEqual(
      rows.map(({ model, attackSuccess, trainings }) => ({ model, attackSuccess, trainings })),
      [
        { model: 'text', attackSuccess: 0.25, trainings: [0.5, 0] },
        { model: 'text+policy', attackSuccess: 0.05, trainings: [0.1, 0] },
        { model: 'text+fold', attackSuccess: 0.05, trainings: [0.1, 0] },
      ],
    )
  })

  it('say no trainings where there is one', () => {
    const [alone] = rowsOf({ set: 'held-out', model: 'text' }, [outcome({ n: 10, right: 5 })])
    equal(alone?.trainings, undefined)
  })
})

function outcome(alone: Counts, behind: Counts = alone): Outcome {
  return { alone, behind: { policy: behind, fold: behind } }
}
