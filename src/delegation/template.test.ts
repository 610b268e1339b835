import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assignOwner } from '../accountability/assign-owner.ts'
import { checkLog } from '../audit/check-log.ts'
import { testActor } from '../audit/testing.ts'
import { must } from '../base/result.ts'
import { fillTemplate, keepTemplate, templateInWords, templatesOf } from './template.ts'
import { openTestOffice } from './testing.ts'

const refund = {
  name: 'refund',
  sentence: 'refund order {id} up to {amount}',
  details: [
    {
      type: 'mcp_call',
      locations: ['https://b.example/mcp/shop'],
      actions: ['tools/call:refund'],
      arguments: { refund: { order: { equals: 'order-{id}' }, amount: { max: '{amount}' } } },
      limits: { calls: 1 },
    },
  ],
}

for (const [name, words, want] of [
  [
    'the sentence',
    'refund order 1042 up to 30',
    { order: { equals: 'order-1042' }, amount: { max: 30 } },
  ],
  [
    'other case and spacing',
    ' Refund order  A7 up to 30.50.',
    { order: { equals: 'order-A7' }, amount: { max: 30.5 } },
  ],
  [
    'a value of several words',
    'refund order "a b" up to 30',
    { order: { equals: 'order-a b' }, amount: { max: 30 } },
  ],
  ['an amount that is none', 'refund order 1042 up to much', undefined],
  ['more than the sentence', 'refund order 1042 up to 30 and delete it', undefined],
  ['another sentence', 'cancel order 1042', undefined],
  ['structure in a value', 'refund order {"x":1} up to 30', undefined],
] as const) {
  test(`a template and ${name}`, () => {
    assert.deepEqual(fillTemplate(refund, words)?.[0]?.arguments?.['refund'], want)
  })
}

test('a template in plain words', () => {
  assert.deepEqual(templateInWords(refund), [
    'may call `refund` of shop where `order` is "order-{id}" and `amount` is at most {amount}, once',
  ])
})

test('whoever answers for a kind of agent keeps its templates', async (t) => {
  const office = await openTestOffice(t, [])
  const owner = office.paul.person
  must(await assignOwner({ owned: 'archetype:tax-preparer', owner }, testActor, office))
  const request = { ...refund, archetype: 'tax-preparer' }
  const refused = await keepTemplate(request, office.alice, office)
  assert.equal(!refused.ok && refused.error.reason, 'not_entitled')
  const unsound = { ...request, sentence: 'refund' }
  const without = await keepTemplate(unsound, office.paul, office)
  assert.equal(!without.ok && without.error.reason, 'invalid_authorization_details')

  must(await keepTemplate(request, office.paul, office))
  assert.deepEqual(await office.store.snapshot((tx) => templatesOf(tx, 'tax-preparer')), [refund])
  await checkLog(office.store)
})
